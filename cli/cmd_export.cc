#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/out_file.h"
#include "cli/wiring.h"
#include "core/archive/changes.h"

namespace cairn {
namespace {

struct Flags {
  std::string object, file;
};

Exit run(const Flags& flags, const Globals& globals) {
  OutFile out(flags.file, "a tar archive");
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const Subject subject = objects.find(flags.object);
  const Tree tree = objects.tree(subject);
  while_doing([&] { return "exporting " + subject.label; }, [&] { write_export(tree, out); });
  out.commit();
  return Exit::done;
}

}  // namespace

Command export_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("export", "Write the whole file system of an image or container as a tar");
  app->add_option("-o,--output", flags->file, "Write to FILE, which appears when it is complete; - is standard output")
      ->type_name("FILE");
  app->add_option("object", flags->object, "Image, container or layer")->type_name("REF|CONTAINER")->required();
  app->footer(
      "Without -o the tar goes to standard output, but never to a terminal. Nothing is mounted, nothing in the store\n"
      "changes.\n\n"
      "Examples:\n"
      "  cairn export web -o web.tar\n"
      "  cairn --root /mnt/disk/var/lib/docker export busybox | tar -x -C rootfs");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
