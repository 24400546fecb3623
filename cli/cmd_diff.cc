#include "cli/commands.h"
#include "cli/output/out_file.h"
#include "cli/two_trees.h"
#include "cli/wiring.h"
#include "core/archive/changes.h"

namespace cairn {
namespace {

struct Flags {
  std::string object, base, file;
};

// A registered layer has a tar of its own, the one its DiffID is the hash of.
bool has_original(const Store& store, const TwoTrees& trees) {
  if (!trees.base_is_own || !trees.subject.chain) return false;
  try {
    store.metadata->layers().open_tar_split(*trees.subject.chain);
    return true;
  } catch (const Error& e) {
    if (e.code() != Errc::not_found) throw;
    return false;
  }
}

Exit run(const Flags& flags, const Globals& globals) {
  OutFile out(flags.file, "a tar archive");
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const TwoTrees trees = two_trees(objects, flags.object, flags.base);
  while_doing([&] { return "writing the layer of " + trees.subject.label; },
              [&] {
                if (has_original(store, trees)) {
                  NoProgress none;
                  layers_of(store, globals, none).write_tar(*trees.subject.chain, out);
                } else {
                  write_diff(trees.tree, changes_between(trees.tree, trees.base), out);
                }
              });
  out.commit();
  return Exit::done;
}

}  // namespace

Command diff_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("diff", "Write the layer tar that turns B into A");
  app->add_option("-o,--output", flags->file, "Write to FILE, which appears when it is complete; - is standard output")
      ->type_name("FILE");
  app->add_option("a", flags->object, "Image, container or layer")->type_name("A")->required();
  app->add_option("b", flags->base,
                  "What it is compared with. Default: what A lies on (the parent of an image's top layer, "
                  "the image of a container)")
      ->type_name("B");
  app->footer(
      "Without B, an image or layer that was loaded or migrated gives its original tar, byte for byte. Else the tar is "
      "made\n"
      "by Docker's rule, the same on every run. Without -o it goes to standard output, but never to a terminal.\n\n"
      "Examples:\n"
      "  cairn diff web -o changes.tar\n"
      "  cairn diff app:2 app:1 | tar -t");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
