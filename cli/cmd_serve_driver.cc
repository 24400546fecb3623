#include "cli/commands.h"
#include "cli/privilege.h"
#include "cli/wiring.h"
#include "core/util/interrupt.h"

namespace cairn {

static Exit run_serve_driver(const std::string& socket, const Globals& globals) {
  require_root("serving a storage driver");
  serve_driver(globals, socket, [] { return interrupt_requested.load(); });
  return Exit::done;
}

Command serve_driver_command(CLI::App& program, const Globals& globals) {
  const auto socket = std::make_shared<std::string>();
  CLI::App* app = program.add_subcommand("serve-driver", "Be a graph driver plugin: keep an engine's layers for it");
  app->add_option("--socket", *socket, "The unix socket to answer on; made with mode 0600")
      ->type_name("PATH")
      ->required();
  app->footer(
      "Docker's graph driver plugin protocol, for engines from 1.13 to 27. The engine names the directory, ROOT/NAME, "
      "and\n"
      "finds the plugin by its socket's name; both must see the same mounts. -s names the driver that does the work, "
      "else\n"
      "it is the one the directory holds, or the best that works there. --storage-opt of both sides are taken. "
      "SIGTERM\n"
      "ends it, once the engine has stopped.\n\n"
      "Example:\n"
      "  cairn serve-driver -s overlay2 --socket /run/docker/plugins/cairn.sock &\n"
      "  dockerd --experimental --storage-driver cairn");
  return {app, [socket, &globals] { return run_serve_driver(*socket, globals); }};
}

}  // namespace cairn
