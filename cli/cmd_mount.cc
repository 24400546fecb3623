#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"
#include "core/layer/store_lock.h"

namespace cairn {
namespace {

struct Flags {
  bool read_only = false;
  std::string object, target;
};

Access access_of(const Store& store, const Subject& subject, bool read_only) {
  if (read_only || subject.kind != Subject::Kind::container) return Access::read_only;
  if (store.is_legacy())
    throw UserError(Errc::unsupported, "mounting " + subject.label +
                                           ": containers of Docker before 1.10 are not written; add --read-only");
  refuse_if_engine_runs(store.root_fd.get());
  return Access::read_write;
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("mounting a file system");
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const Subject subject = objects.find(flags.object);
  if (!subject.layer) throw UserError(Errc::invalid, "mounting " + subject.label + ": it has no layer");
  const Access access = access_of(store, subject, flags.read_only);
  const Fd target = as_named_by_user([&] { return open_dir(flags.target); });
  while_doing([&] { return "mounting " + subject.label; },
              [&] { store.driver->mount(*subject.layer, access, path_of(target.get())); });
  if (globals.json)
    print(json_document({{"target", path_of(target.get())},
                         {"layer", subject.layer->str()},
                         {"access", access == Access::read_only ? "ro" : "rw"}}));
  return Exit::done;
}

Exit run_umount(const std::string& target) {
  require_root("unmounting a file system");
  as_named_by_user([&] { unmount(target); });
  after_unmount(target);
  return Exit::done;
}

}  // namespace

Command mount_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("mount", "Mount an image, container or layer on a directory");
  app->add_flag("-r,--read-only", flags->read_only, "Also a container, which else is writable");
  app->add_option("object", flags->object, "Image, container or layer")->type_name("REF|CONTAINER|CHAINID")->required();
  app->add_option("directory", flags->target, "An existing directory")->type_name("DIR")->required();
  app->footer(
      "Images and layers are mounted read-only. What 'cairn create' made, and containers, are writable unless an "
      "engine runs\n"
      "on the store. The mount stays until 'cairn umount DIR'. With --json: an object with target, layer and "
      "access.\n\n"
      "Examples:\n"
      "  cairn mount busybox /mnt\n"
      "  cairn mount --read-only web /mnt");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

Command umount_command(CLI::App& program, const Globals&) {
  const auto target = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("umount", "Unmount what 'cairn mount' mounted");
  app->add_option("directory", *target, "The directory")->type_name("DIR")->required();
  app->footer("Example:\n  cairn umount /mnt");
  return {app, [target] { return run_umount(*target); }};
}

}  // namespace cairn
