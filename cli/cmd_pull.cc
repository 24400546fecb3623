#include <algorithm>

#include "cli/commands.h"
#include "cli/output/json.h"
#include "cli/output/layer_progress.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/registry_flags.h"
#include "cli/wiring.h"
#include "core/transfer/pull.h"

namespace cairn {
namespace {

constexpr unsigned kBlobsAtOnce = 6;  // at least: a network is slower than a disk

struct Flags {
  RegistryFlags registry;
  std::vector<std::string> references;
  std::string platform;
  bool all_tags = false, quiet = false;
};

class Pulls {
 public:
  Pulls(const Flags& flags, const Globals& globals, LayerProgress& progress, const Store& store)
      : flags_(flags), progress_(progress), store_(store), layers_(layers_of(store, globals, progress)) {
    options_.at_once = std::max(globals.jobs, kBlobsAtOnce);
    options_.any_platform = flags.platform.empty();
    if (!flags.platform.empty()) options_.platform = as_named_by_user([&] { return parse_platform(flags.platform); });
  }

  void pull(const std::string& name, Tally& tally) {
    tally.attempt([&] {
      const Reference reference =
          as_named_by_user([&] { return flags_.all_tags ? parse_repository(name) : parse_reference(name); });
      const auto repository = open_repository(reference, flags_.registry, RegistryPurpose::pull,
                                              [this](const std::string& line) { progress_.notice(line); });
      if (!flags_.all_tags) return pull(*repository, reference);
      if (!reference.tag.empty() || !reference.digest.empty())
        throw UserError(Errc::invalid,
                        "pulling '" + printable(name) + "': with --all-tags a name has neither tag nor digest");
      for (const auto& tag : repository->tags()) {
        tally.attempt([&] {
          if (!is_tag(tag))
            throw Error(Errc::corrupt, "pulling all tags of '" + printable(name) + "': the registry lists '" +
                                           printable(tag, 160) + "', which is no tag");
          pull(*repository, {reference.domain, reference.path, tag, ""});
        });
      }
    });
  }

  const std::vector<PulledImage>& done() const { return done_; }

 private:
  void pull(RemoteRepository& repository, const Reference& reference) {
    progress_.title((reference.digest.empty() ? reference.tag : reference.digest) + ": Pulling from " +
                    (reference.domain == "docker.io" ? reference.path : reference.name()));
    const PullTarget into{layers_, *store_.driver, *store_.metadata, progress_};
    done_.push_back(as_named_by_user([&] { return pull_image(repository, reference, into, options_); }));
  }

  const Flags& flags_;
  LayerProgress& progress_;
  const Store& store_;
  LayerStore layers_;
  PullOptions options_;
  std::vector<PulledImage> done_;
};

Json document(const std::vector<PulledImage>& images) {
  Json out = Json::array();
  for (const auto& image : images)
    out.push_back({{"name", image.name.familiar()},
                   {"id", image.id.str()},
                   {"digest", image.digest.str()},
                   {"changed", image.changed}});
  return out;
}

std::string canonical(const Reference& name) {
  return name.name() + (name.digest.empty() ? ":" + name.tag : "@" + name.digest);
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("writing the store '" + printable(globals.root) + "'");
  auto progress = make_layer_progress(flags.quiet ? ProgressStyle::none : globals.progress, kPullWords);
  Tally tally;
  std::vector<PulledImage> done;
  {
    const Store store = open_to_write(globals, *progress, IfAbsent::make);
    Pulls pulls(flags, globals, *progress, store);
    for (const auto& name : flags.references) pulls.pull(name, tally);
    done = pulls.done();
  }
  progress.reset();  // bars are gone before anything else is written
  if (globals.json) {
    print(json_document(document(done)));
    return tally.for_writer();
  }
  for (const auto& image : done) {
    if (flags.quiet) {
      print(image.id.str() + "\n");
      continue;
    }
    print("Digest: " + image.digest.str() +
          "\nStatus: " + (image.changed ? "Downloaded newer image for " : "Image is up to date for ") +
          image.name.familiar() + "\n" + canonical(image.name) + "\n");
  }
  return tally.for_writer();
}

}  // namespace

Command pull_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("pull", "Fetch images from a registry");
  app->add_option("reference", flags->references, "Images, by tag or digest")->type_name("REF")->required();
  app->add_flag("-a,--all-tags", flags->all_tags, "All tags of the repositories");
  app->add_option("--platform", flags->platform, "What to take of an image made for several. Default: this machine's")
      ->type_name("OS/ARCH[/VARIANT]");
  app->add_flag("-q,--quiet", flags->quiet, "No progress; prints the image's ID alone");
  add_registry_flags(*app, flags->registry);
  app->footer(
      "Layers are fetched, inflated, hashed and applied at once, several at a time; what the store has is not "
      "fetched.\n"
      "Nothing is named before its digests, DiffIDs and sizes are checked. A connection that breaks is taken up where "
      "it\n"
      "broke; a pull that was stopped goes on from the layers that were complete.\n"
      "With --json: an array of objects with name, id, digest and changed.\n\n"
      "Examples:\n"
      "  cairn pull busybox\n"
      "  cairn pull --platform linux/arm64 registry.example:5000/team/app@sha256:1a2b...\n"
      "  cairn --root /mnt/disk/var/lib/docker pull --creds me:secret registry.example/app:1");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
