#include "cli/commands.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/two_trees.h"
#include "cli/wiring.h"
#include "core/archive/changes.h"

namespace cairn {
namespace {

struct Flags {
  std::string object, base;
};

Exit run(const Flags& flags, const Globals& globals) {
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const TwoTrees trees = two_trees(objects, flags.object, flags.base);
  const auto changes = while_doing([&] { return "comparing " + trees.subject.label; },
                                   [&] { return changes_between(trees.tree, trees.base); });
  Json document = Json::array();
  std::string lines;
  for (const auto& change : changes) {
    const std::string kind(1, static_cast<char>(change.kind));
    if (globals.json)
      document.push_back({{"kind", kind}, {"path", change.path}});
    else
      lines += kind + " " + printable(change.path, std::string::npos) + "\n";
  }
  print(globals.json ? json_document(document) : lines);
  return Exit::done;
}

}  // namespace

Command changes_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app =
      program.add_subcommand("changes", "List what was added (A), changed (C) and deleted (D) between B and A");
  app->add_option("a", flags->object, "Image, container or layer")->type_name("A")->required();
  app->add_option("b", flags->base,
                  "What it is compared with. Default: what A lies on (the parent of an image's top layer, "
                  "the image of a container)")
      ->type_name("B");
  app->footer(
      "Docker's rule: kind, mode, owner, size and time to the second count. Of a deleted directory only the top is "
      "listed.\n"
      "With --json: an array of objects with kind and path.\n\n"
      "Examples:\n"
      "  cairn changes web\n"
      "  cairn changes app:2 app:1");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
