#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/terminal.h"
#include "cli/tree_path.h"
#include "cli/wiring.h"

namespace cairn {

static Exit run_cat(const std::string& where, const Globals& globals) {
  const auto [object, path] = split_object_path(where);
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const Subject subject = objects.find(object);
  const Tree tree = objects.tree(subject);
  const auto node = find_in(tree, subject, path, Tree::Last::follow);
  if (!node || !S_ISREG(node->st().st_mode))
    throw UserError(Errc::invalid, "reading '" + printable(path) + "' of " + subject.label +
                                       ": it is no regular file; " +
                                       "cat takes X:PATH, 'cairn ls' shows what is there");
  StdoutSink out;
  copy(*content_of(*node), out);
  return Exit::done;
}

Command cat_command(CLI::App& program, const Globals& globals) {
  const auto where = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("cat", "Print a file of an image, container or layer");
  app->add_option("where", *where, "Image, container or layer, and the file's path in it")
      ->type_name("X:PATH")
      ->required();
  app->footer(
      "Symbolic links are followed inside the tree only. Nothing is mounted and nothing is written.\n\n"
      "Examples:\n"
      "  cairn cat busybox:/etc/passwd\n"
      "  cairn --root /mnt/disk/var/lib/docker cat web:/etc/nginx/nginx.conf");
  return {app, [where, &globals] { return run_cat(*where, globals); }};
}

}  // namespace cairn
