#include "cli/commands.h"
#include "cli/copy_out.h"
#include "cli/objects.h"
#include "cli/output/out_file.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  std::string where, destination;
};

Exit run(const Flags& flags, const Globals& globals) {
  const auto [object, path] = split_object_path(flags.where);
  const CopySource source = parse_copy_source(path);
  std::optional<OutFile> out;
  if (flags.destination == "-") out.emplace("-", "a tar archive");
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const Subject subject = objects.find(object);
  const Tree tree = objects.tree(subject);
  out ? tar_out(tree, source, *out) : copy_out(tree, source, flags.destination);
  return Exit::done;
}

}  // namespace

Command cp_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("cp", "Copy a file or tree out of an image, container or layer");
  app->add_option("where", flags->where,
                  "Image, container or layer, and a path in it; PATH/. is a directory's contents")
      ->type_name("X:PATH")
      ->required();
  app->add_option("destination", flags->destination,
                  "A directory to copy into, a new name, or - for a tar on standard output")
      ->type_name("DEST")
      ->required();
  app->footer(
      "Owners, modes, times, extended attributes and hard links are kept (which takes root). Existing directories are\n"
      "merged, existing files replaced. Nothing is mounted; nothing in the store changes.\n\n"
      "Examples:\n"
      "  cairn cp web:/etc/nginx .\n"
      "  cairn --root /mnt/disk/var/lib/docker cp db:/var/lib/mysql/. /srv/mysql\n"
      "  cairn cp busybox:/bin - | tar -t");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
