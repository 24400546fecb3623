#include <unistd.h>

#include <cstdlib>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/layer_tree.h"
#include "cli/output/json.h"
#include "cli/output/out_file.h"
#include "cli/output/terminal.h"
#include "cli/report/layer_graph.h"
#include "cli/tree_text.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  std::string format = "text", file;
  std::vector<std::string> references;
  bool all = false;
  bool to_stdout() const { return file.empty() || file == "-"; }
};

bool wants_colour() {
  const auto says = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  return is_terminal(STDOUT_FILENO) && says("NO_COLOR").empty() && says("TERM") != "dumb";
}

Json document(const LayerTree& tree) {
  Json images = Json::array(), layers = Json::array();
  for (const auto& image : tree.forest.content->images)
    images.push_back({{"id", image.id}, {"tags", image.tags}, {"layer", text_or_null(image.layer)}});
  for (const auto& run : tree.forest.runs)
    for (const auto* layer : run.layers)
      layers.push_back({{"id", layer->id},
                        {"parent", text_or_null(layer->parent)},
                        {"size", layer->size},
                        {"images", layer->images}});
  const auto sum = [](const LayerTree::Sum& one) { return Json{{"layers", one.layers}, {"bytes", one.bytes}}; };
  return {{"root", tree.root},          {"driver", tree.driver},      {"images", images},         {"layers", layers},
          {"shared", sum(tree.shared)}, {"unique", sum(tree.unique)}, {"unused", sum(tree.loose)}};
}

std::string drawn(const LayerTree& tree, const Flags& flags, const Globals& globals) {
  if (globals.json) return json_document(document(tree));
  if (flags.format == "svg") return layer_picture(tree.forest, "Layers of " + tree.root, summary(tree));
  if (flags.format == "dot") return tree_dot(tree, flags.all);
  const bool terminal = flags.to_stdout() && is_terminal(STDOUT_FILENO);
  return tree_text(tree,
                   {flags.all, terminal ? terminal_width(STDOUT_FILENO) : 0, flags.to_stdout() && wants_colour()});
}

Exit run(const Flags& flags, const Globals& globals) {
  const Store store = open_to_read(globals);
  const Objects objects(store);
  warn_of(objects.damage());
  const std::string text = drawn(layer_tree(store, objects, flags.references), flags, globals);
  if (flags.to_stdout()) {
    print(text);
  } else {
    OutFile out(flags.file, "a picture");
    out.write(text);
    out.commit();
  }
  return Exit::done;
}

}  // namespace

Command tree_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app =
      program.add_subcommand("tree", "Draw which layers lie on which, how large they are, and who shares them");
  app->add_flag("-a,--all", flags->all, "Show each layer, also of several that only lie on one another");
  app->add_option("--format", flags->format, "text, svg (a picture for a browser) or dot (for Graphviz)")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "dot", "svg"}))
      ->capture_default_str();
  app->add_option("-o,--output", flags->file, "Write to FILE, which appears when it is complete; - is standard output")
      ->type_name("FILE");
  app->add_option("references", flags->references,
                  "Draw only the layers of these images; NAME alone means all its tags")
      ->type_name("REF")
      ->expected(0, -1);
  app->footer(
      "Each layer lies on the one above it to the left, and an image's name stands at its uppermost layer. IMAGES is "
      "how\n"
      "many images of the store a layer is part of, whether they are drawn or not; one that is part of none serves a\n"
      "container, or nobody. Colours are for terminals, unless $NO_COLOR is set. With --json: an object with root, "
      "driver,\n"
      "images (id, tags, layer), layers (id, parent, size, images), and shared, unique and unused (layers, bytes).\n\n"
      "Examples:\n"
      "  cairn tree\n"
      "  cairn tree -a app:1 app:2\n"
      "  cairn tree --format svg -o layers.svg");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
