#include "cli/commands.h"
#include "cli/input.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  std::string parent, file;
};

Exit run(const Flags& flags, const Globals& globals) {
  require_root("writing the store '" + printable(globals.root) + "'");
  const auto input = std::make_shared<Fd>(open_input(flags.file));
  auto progress = make_progress(globals.progress);
  const Store store = open_to_write(globals, *progress, IfAbsent::make);
  std::optional<ChainId> parent;
  if (!flags.parent.empty()) {
    parent = Objects(store).find(flags.parent, {true, false, true}).chain;
    if (!parent)
      throw UserError(Errc::invalid, "applying a layer on '" + printable(flags.parent) + "': it has no chain ID");
  }
  LayerSource source;
  source.open = [input] { return read_from(std::move(*input)); };
  source.label = "layer of " + input_label(flags.file);
  std::vector<LayerSource> sources;
  sources.push_back(std::move(source));
  const LayerRecord layer = layers_of(store, globals, *progress).register_layers(parent, std::move(sources)).front();
  progress.reset();  // bars are gone before anything else is written
  if (globals.json)
    print(json_document(
        {{"diff_id", layer.diff.str()}, {"chain_id", layer.chain.str()}, {"cache_id", layer.cache_id.str()}}));
  else
    print(layer.diff.str() + " " + layer.chain.str() + " " + layer.cache_id.str() + "\n");
  return Exit::done;
}

}  // namespace

Command apply_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app =
      program.add_subcommand("apply", "Register one layer tar, packed or not, and print DIFFID CHAINID CACHE-ID");
  app->add_option("--parent", flags->parent,
                  "Chain ID of the layer it lies on (or an image); default: none, a base layer")
      ->type_name("CHAINID");
  app->add_option("file", flags->file, "The tar, plain or packed with gzip, zstd, xz or bzip2; - is standard input")
      ->type_name("FILE|-")
      ->required();
  app->footer(
      "With --json: an object with diff_id, chain_id and cache_id.\n\n"
      "Examples:\n"
      "  cairn apply base.tar.gz\n"
      "  cairn diff app:2 | cairn --root /srv/docker apply --parent sha256:1a2b… -");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
