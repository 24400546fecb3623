#include "cli/commands.h"
#include "cli/creation_time.h"
#include "cli/input.h"
#include "cli/made_image.h"
#include "cli/privilege.h"
#include "cli/wiring.h"
#include "core/image/import_image.h"
#include "core/image/instructions.h"
#include "core/image/tag_image.h"

namespace cairn {
namespace {

struct Flags {
  std::string file, name, message, platform;
  std::vector<std::string> changes;
};

ImportOptions options_of(const Flags& flags) {
  ImportOptions options;
  options.created = creation_time();
  options.message = flags.message;
  options.config = apply_instructions({}, flags.changes);
  options.label = "'" + input_label(flags.file) + "'";
  if (!flags.platform.empty()) options.platform = parse_platform(flags.platform);
  if (options.platform.os != "linux")
    throw UserError(Errc::unsupported, "reading --platform '" + printable(flags.platform, 80) +
                                           "': a store here has images for linux only");
  return options;
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("writing the store '" + printable(globals.root) + "'");
  const auto name =
      as_named_by_user([&] { return flags.name.empty() ? std::nullopt : std::optional(parse_new_name(flags.name)); });
  const ImportOptions options = as_named_by_user([&] { return options_of(flags); });
  Fd input = open_input(flags.file);
  auto progress = make_progress(globals.progress);
  const Store store = open_to_write(globals, *progress, IfAbsent::make);
  LayerStore layers = layers_of(store, globals, *progress);
  const ImageId id = import_image(read_from(std::move(input)), options, layers, *store.metadata);
  finish_made(id, name, layers, *store.metadata, std::move(progress), globals);
  return Exit::done;
}

}  // namespace

Command import_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("import", "Make an image of a root file system's tar and print its ID");
  add_change_flag(*app, flags->changes);
  app->add_option("-m,--message", flags->message, "Comment of the image. Default: 'Imported from -', as docker's")
      ->type_name("TEXT");
  app->add_option("--platform", flags->platform, "What the image is for. Default: this machine")
      ->type_name("OS/ARCH[/VARIANT]");
  app->add_option("file", flags->file, "The tar, plain or packed with gzip, zstd, xz or bzip2; - is standard input")
      ->type_name("FILE|-")
      ->required();
  app->add_option("name", flags->name, "A name for the image; one that exists moves")->type_name("NAME[:TAG]");
  app->footer(
      "The tar becomes the one layer of the image, its bytes kept. $SOURCE_DATE_EPOCH, if set, is the time it was "
      "made.\n"
      "With --json: an object with id and tag.\n\n"
      "Examples:\n"
      "  cairn import rootfs.tar.xz debian:mine --change 'CMD [\"bash\"]' -m 'made by debootstrap'\n"
      "  cairn export web | cairn --root /srv/docker import - web:flat");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
