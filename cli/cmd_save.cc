#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/held.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/out_file.h"
#include "cli/output/size.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"
#include "core/image/save/save.h"
#include "core/util/nameless_file.h"

namespace cairn {
namespace {

struct Flags {
  std::string file, compress = "none";
  std::vector<std::string> references, have;
  bool oci = false, quiet = false;
  bool to_stdout() const { return file.empty() || file == "-"; }
};

// Packed layers wait beside the archive, which needs that space anyway; for a pipe, where TMPDIR says.
void choose_scratch(SaveOptions& options, const OutFile& out) {
  options.scratch = out.folder().empty() ? temporary_directory() : out.folder();
  if (out.folder().empty()) options.scratch_hint = "TMPDIR names another place";
}

std::vector<ChosenImage> chosen(const Store& store, const Flags& flags) {
  if (store.is_legacy())
    throw UserError(Errc::unsupported, "saving images of '" + printable(store.root.string()) +
                                           "': its layout is that of Docker 1.9 and before; 'cairn migrate' carries it "
                                           "to a current one");
  std::vector<Damage> damage;
  const auto images = store.catalog->images(&damage);
  return as_named_by_user([&] {
    try {
      return choose_images(images, flags.references);
    } catch (const Error& e) {
      if (e.code() == Errc::not_found) warn_of(damage);  // it may be among them
      throw;
    }
  });
}

Json document(const Flags& flags, const std::vector<ChosenImage>& images, const SaveResult& result) {
  Json list = Json::array();
  for (const auto& image : images) list.push_back({{"id", image.id.str()}, {"tags", image.tags}});
  return {{"file", flags.file},          {"images", list},
          {"layers", result.layers},     {"bytes", result.bytes},
          {"left_out", result.left_out}, {"bytes_left_out", result.bytes_left_out}};
}

void report_on(const Flags& flags, const SaveResult& result) {
  for (const auto& hint : result.hints) complain(hint);
  if (result.left_out > 0)
    complain("left out " + std::to_string(result.left_out) + " of " + std::to_string(result.layers + result.left_out) +
             " layers (" + human_size(result.bytes_left_out) + "): only who has them can load this archive");
  else if (!flags.have.empty())
    complain("left out no layer: what --have names does not show that the receiver has one of them");
}

Exit run(const Flags& flags, const Globals& globals) {
  if (globals.json && flags.to_stdout())
    throw UserError(Errc::invalid,
                    "saving images: --json and the archive cannot both go to standard output; use -o FILE");
  OutFile out(flags.file, "an image archive");
  auto progress = make_progress(flags.quiet ? ProgressStyle::none : globals.progress);
  const Store store = open_to_read(globals);
  LayerStore layers = layers_of(store, globals, *progress);
  SaveOptions options;
  options.form = flags.oci ? SaveOptions::Form::oci : SaveOptions::Form::docker;
  options.gzip = flags.compress == "gzip";
  options.jobs = globals.jobs;
  choose_scratch(options, out);
  const auto images = chosen(store, flags);
  for (const auto& path : flags.have) add_held(path, globals, layers, options.held);
  const SaveResult result =
      save_images(images, options, layers, *store.metadata, {out, out.seekable_file(), flags.file}, *progress);
  out.commit();
  progress.reset();  // bars are gone before anything else is written
  if (!flags.quiet) report_on(flags, result);
  if (globals.json) print(json_document(document(flags, images, result)));
  return Exit::done;
}

}  // namespace

Command save_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app =
      program.add_subcommand("save", "Write images to an archive that docker load, skopeo and cairn load take");
  app->add_option("-o,--output", flags->file, "Write to FILE, which appears when it is complete; - is standard output")
      ->type_name("FILE");
  app->add_flag("--oci", flags->oci, "An OCI image layout, which engines load, too. Default: the form of docker save");
  app->add_option("--compress", flags->compress, "Of each layer: gzip or none")
      ->type_name("HOW")
      ->check(CLI::IsMember({"gzip", "none"}))
      ->capture_default_str();
  app->add_option("--have", flags->have,
                  "Leave out layers that the receiver has: those of an archive, a data root, or told by a text; may be "
                  "repeated")
      ->type_name("FILE|DIR")
      ->allow_extra_args(false);
  app->add_flag("-q,--quiet", flags->quiet, "No progress, no hints");
  app->add_option("references", flags->references, "Names, with or without tag, or IDs; NAME alone means all its tags")
      ->type_name("REF")
      ->required()
      ->expected(1, -1);
  app->footer(
      "The same images give the same bytes, whichever store they come from (compressed ones on the same kind of\n"
      "processor). Layers are read back from their files and must give their DiffIDs: a damaged one ends the\n"
      "command, and there is no FILE then. With --oci an image that came with a manifest keeps it, if its layers\n"
      "can be given in the very bytes it names. Compressed layers lie beside FILE (for a pipe: in TMPDIR, else\n"
      "/var/tmp) until they are written.\n\n"
      "--have takes what 'docker inspect $(docker images -q)' or 'cairn inspect $(cairn images -q)' prints on the "
      "other\n"
      "side: in JSON, RootFS.Layers of images, rootfs.diff_ids of configurations, chain_id of cairn's --json, and "
      "arrays\n"
      "of an image's DiffIDs. In any other text each 'sha256:…' counts as the ChainID of two layers or more: a DiffID\n"
      "alone does not say which layers are below. What such an archive lacks, its manifest.json still lists; loading "
      "it\n"
      "anywhere else fails and says which layers are missing. With --json and -o: an object with file, images (id,\n"
      "tags), layers, bytes, left_out and bytes_left_out.\n\n"
      "Examples:\n"
      "  cairn save -o app.tar app:1 app:2 db\n"
      "  cairn --root /mnt/disk/var/lib/docker save app | docker load\n"
      "  ssh host 'docker inspect $(docker images -q)' > have.txt; cairn save --have have.txt app:3 | ssh host docker "
      "load");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
