#include <algorithm>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/layer_progress.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/registry_flags.h"
#include "cli/wiring.h"
#include "core/transfer/push.h"

namespace cairn {
namespace {

struct Flags {
  RegistryFlags registry;
  std::string reference, destination, format;
  bool all_tags = false, quiet = false;
};

struct Pushed {
  Reference name;
  PushedImage image;
};

class Pushes {
 public:
  Pushes(const Flags& flags, const Globals& globals, LayerProgress& progress)
      : flags_(flags),
        progress_(progress),
        store_(open_to_read(globals)),
        layers_(layers_of(store_, globals, progress)) {
    if (store_.is_legacy())
      throw UserError(Errc::unsupported,
                      "pushing from '" + printable(globals.root) +
                          "': Docker before 1.10 wrote it; 'cairn migrate' carries it to the current layout");
    options_.at_once = std::max(globals.jobs, 2u);
    if (!flags.format.empty()) options_.format = flags.format == "oci" ? ManifestFormat::oci : ManifestFormat::schema2;
  }

  void run(Tally& tally) {
    const Objects objects(store_);
    const std::string& asked = flags_.destination.empty() ? flags_.reference : flags_.destination;
    const Reference name =
        as_named_by_user([&] { return flags_.all_tags ? parse_repository(asked) : parse_reference(asked); });
    const auto repository = open_repository(name, flags_.registry, RegistryPurpose::push,
                                            [this](const std::string& line) { progress_.notice(line); });
    progress_.title("The push refers to repository [" + name.name() + "]");
    if (!flags_.all_tags) {
      tally.attempt([&] { push(objects.image(flags_.reference), *repository, name); });
      return;
    }
    if (!name.tag.empty() || !name.digest.empty())
      throw UserError(Errc::invalid,
                      "pushing '" + printable(asked) + "': with --all-tags a name has neither tag nor digest");
    push_all(objects, *repository, name, tally);
  }

  const std::vector<Pushed>& done() const { return done_; }

 private:
  void push_all(const Objects& objects, RemoteRepository& repository, const Reference& name, Tally& tally) {
    const std::string own = as_named_by_user([&] { return parse_repository(flags_.reference); }).repository();
    bool any = false;
    for (const auto& image : objects.images())
      for (const auto& tag : image.tags) {
        if (!tag.starts_with(own + ":") || tag.find('/', own.size()) != std::string::npos) continue;
        any = true;
        tally.attempt([&] { push(image, repository, {name.domain, name.path, tag.substr(own.size() + 1), ""}); });
      }
    if (!any) throw UserError(Errc::not_found, "pushing '" + printable(own) + "': no image has a tag of that name");
  }

  void push(const CatalogImage& image, RemoteRepository& repository, const Reference& name) {
    const auto id = ImageId::parse(image.id);
    if (!id) throw Error(Errc::corrupt, "pushing image '" + printable(image.id) + "': that is no ID");
    const PushedImage pushed = push_image(*id, repository, name.tag, {layers_, *store_.metadata, progress_}, options_);
    if (!name.digest.empty() && name.digest != pushed.digest.str())
      progress_.warn("pushing '" + name.text() + "': its digest is " + pushed.digest.str() + " now");
    note(pushed, *id, repository, name);
    done_.push_back({name, pushed});
  }

  // What is in the registry is in the registry, whether it can be noted here or not.
  void note(const PushedImage& pushed, const ImageId& id, const RemoteRepository& repository, const Reference& name) {
    try {
      note_pushed(pushed, id, name, repository, layers_, *store_.metadata);
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) throw;
      progress_.warn("noting in the store what was pushed: " + std::string(e.what()));
    }
  }

  const Flags& flags_;
  LayerProgress& progress_;
  Store store_;
  LayerStore layers_;
  PushOptions options_;
  std::vector<Pushed> done_;
};

Json document(const std::vector<Pushed>& done) {
  Json out = Json::array();
  for (const auto& one : done)
    out.push_back({{"name", one.name.text()}, {"digest", one.image.digest.str()}, {"size", one.image.size}});
  return out;
}

Exit run(const Flags& flags, const Globals& globals) {
  auto progress = make_layer_progress(flags.quiet ? ProgressStyle::none : globals.progress, kPushWords);
  Tally tally;
  Pushes pushes(flags, globals, *progress);
  pushes.run(tally);
  progress.reset();  // bars are gone before anything else is written
  if (globals.json) {
    print(json_document(document(pushes.done())));
    return tally.for_writer();
  }
  for (const auto& [name, image] : pushes.done())
    print(flags.quiet ? name.text() + "\n"
                      : (name.tag.empty() ? "" : name.tag + ": ") + "digest: " + image.digest.str() +
                            " size: " + std::to_string(image.size) + "\n");
  return tally.for_writer();
}

}  // namespace

Command push_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("push", "Send images to a registry");
  app->add_option("reference", flags->reference, "Image; its name is where it goes, unless DEST says so")
      ->type_name("REF")
      ->required();
  app->add_option("destination", flags->destination, "Name it gets in the registry")->type_name("DEST");
  app->add_flag("-a,--all-tags", flags->all_tags, "All tags of the repository");
  app->add_option("--format", flags->format,
                  "v2s2 (Docker's schema 2) or oci. Default: that of the manifest the image came with, else v2s2")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"v2s2", "oci"}));
  app->add_flag("-q,--quiet", flags->quiet, "No progress; prints the name alone");
  add_registry_flags(*app, flags->registry);
  app->footer(
      "What the registry has is not sent: blobs the layers were pulled or pushed as are looked for, and mounted from\n"
      "other repositories there. Layers that must be sent are put together byte for byte and packed on the way. An "
      "image\n"
      "whose blobs are all there keeps its manifest and digest.\n"
      "The store is only read, but for notes of what was pushed, which an engine uses, too.\n"
      "With --json: an array of objects with name, digest and size (bytes of the manifest).\n\n"
      "Examples:\n"
      "  cairn push registry.example:5000/team/app:1\n"
      "  cairn push --format oci app:1 registry.example:5000/team/app:1");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
