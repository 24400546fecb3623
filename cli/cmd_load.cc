#include <unistd.h>

#include "cli/commands.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"
#include "core/image/load.h"

namespace cairn {
namespace {

struct Flags {
  std::string input = "-", platform;
  bool quiet = false;
};

LoadInput open_input_of(const Flags& flags) {
  if (flags.input == "-" && is_terminal(STDIN_FILENO))
    throw UserError(Errc::invalid, "loading images: standard input is a terminal; use -i FILE, or redirect one");
  return as_named_by_user([&] {
    LoadInput input = open_load_input(flags.input);
    if (!flags.platform.empty()) input.platform = parse_platform(flags.platform);
    return input;
  });
}

Json document(const LoadResult& result) {
  Json images = Json::array(), failed = Json::array();
  for (const auto& image : result.images) images.push_back({{"id", image.id.str()}, {"tags", image.tags}});
  for (const auto& image : result.failed) failed.push_back({{"image", image.label}, {"error", image.error}});
  return {{"images", images}, {"failed", failed}};
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("writing the store '" + printable(globals.root) + "'");
  LoadInput input = open_input_of(flags);
  auto progress = make_progress(flags.quiet ? ProgressStyle::none : globals.progress);
  const Store store = open_to_write(globals, *progress, IfAbsent::make);
  LayerStore layers = layers_of(store, globals, *progress);
  const LoadResult result = load_image_archive(std::move(input), layers, *store.metadata, *progress);
  progress.reset();  // bars are gone before anything else is written
  Tally tally;
  for (const auto& line : result.lines())
    tally.attempt([&] {
      if (!globals.json) print(printable(line, std::string::npos) + "\n");
    });
  for (const auto& image : result.failed)
    tally.note(Error(image.code, "loading image '" + printable(image.label) + "': " + image.error));
  if (globals.json) print(json_document(document(result)));
  return tally.for_writer();
}

}  // namespace

Command load_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("load", "Load images from an archive");
  app->add_option(
         "-i,--input", flags->input,
         "A tar in any packing, or a directory: what docker save wrote in any age, or an OCI layout; - is standard "
         "input, the default")
      ->type_name("FILE");
  app->add_option("--platform", flags->platform, "What to take of an image made for several. Default: this machine's")
      ->type_name("OS/ARCH[/VARIANT]");
  app->add_flag("-q,--quiet", flags->quiet, "No progress");
  app->footer(
      "Prints 'Loaded image: NAME' for each name. A name that exists moves to the new image. Exit status 4 if only "
      "some\n"
      "images could be loaded. With --json: an object with images (id, tags) and failed (image, error).\n\n"
      "Examples:\n"
      "  cairn load -i app.tar.gz\n"
      "  docker save app | cairn --root /mnt/disk/var/lib/docker -s overlay2 load");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
