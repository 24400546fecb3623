#include "cli/app.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <vector>

#include "cli/commands.h"
#include "cli/globals.h"
#include "cli/help.h"
#include "cli/manual.h"
#include "cli/output/terminal.h"
#include "core/util/workers.h"

namespace cairn {

// In the order of --help.
static constexpr AddCommand all_commands[] = {
    scan_command,   migrate_command, images_command,  history_command, inspect_command,      ps_command,
    df_command,     tree_command,    pull_command,    push_command,    load_command,         save_command,
    apply_command,  tag_command,     rmi_command,     import_command,  commit_command,       create_command,
    mount_command,  umount_command,  rm_command,      ls_command,      cat_command,          cp_command,
    export_command, diff_command,    changes_command, drivers_command, serve_driver_command,
};

namespace {

// Flags as given, before they are checked and become Globals.
struct Given {
  std::string progress = "auto", log_level = "info";
  bool debug = false;
};

}  // namespace

static void add_globals(CLI::App& program, Globals& globals, Given& given) {
  program.add_option("--root,--data-root,-g,--graph", globals.root, "The store, a Docker data root")
      ->envname("CAIRN_ROOT")
      ->type_name("DIR")
      ->capture_default_str();
  program
      .add_option("-s,--storage-driver", globals.driver,
                  "overlay2, btrfs, aufs, devicemapper, vfs, overlay or plugin:NAME. Default: the one the root holds, "
                  "then $STORAGE_DRIVER, then the best that works here")
      ->type_name("NAME");
  program.add_option("--storage-opt", globals.storage_options, "Driver option, as engines name it; may be repeated")
      ->type_name("K=V")
      ->allow_extra_args(false);
  program.add_option("-j,--jobs", globals.jobs, "Workers. Default: the CPUs this process may use")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  program.add_flag("--json", globals.json, "One JSON document on standard output");
  program.add_option("--progress", given.progress, "On standard error: auto (bars on a terminal), plain or none")
      ->type_name("STYLE")
      ->check(CLI::IsMember({"auto", "plain", "none"}))
      ->capture_default_str();
  program.add_flag("-D,--debug", given.debug, "Say on standard error what is opened and chosen");
  program.add_option("--log-level", given.log_level, "debug, info, warn or error")
      ->type_name("L")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  program.set_version_flag("-v,-V,--version", std::string("cairn ") + CAIRN_VERSION, "The version of this program");
}

static void check_globals(Globals& globals, const Given& given) {
  for (const auto& option : globals.storage_options) {
    const size_t equals = option.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw UserError(Errc::invalid, "reading --storage-opt '" + printable(option) + "': it is not KEY=VALUE");
  }
  if (globals.root.empty()) throw UserError(Errc::invalid, "reading --root: it is empty; name a directory");
  globals.progress = given.progress == "plain"  ? ProgressStyle::plain
                     : given.progress == "none" ? ProgressStyle::none
                                                : ProgressStyle::automatic;
  const std::string level = given.debug ? "debug" : given.log_level;
  set_log_level(level == "debug"   ? LogLevel::debug
                : level == "warn"  ? LogLevel::warn
                : level == "error" ? LogLevel::error
                                   : LogLevel::info);
}

static std::unique_ptr<CLI::App> make_program() {
  auto program = std::make_unique<CLI::App>(
      "Reads, writes, checks and migrates the image and layer storage of a Docker host, without a daemon", "cairn");
  program->formatter(std::make_shared<HelpFormatter>());
  program->set_help_flag("-h,--help", "This text");
  program->require_subcommand(1, 1);
  program->fallthrough();
  program->footer(
      "'cairn COMMAND --help' explains a command. Exit status: 0 done, 1 failed, 2 usage or no such object,\n"
      "3 damage found, 4 partly done, 130 interrupted.");
  return program;
}

static std::string help_hint(const CLI::App& program) {
  const auto chosen = program.get_subcommands();
  return "'cairn " + (chosen.empty() ? "" : chosen.front()->get_name() + " ") + "--help' explains it";
}

static std::string mistake(const CLI::App& program, const CLI::ParseError& error) {
  const auto unknown = program.remaining();
  const bool no_command = program.get_subcommands().empty();
  if (no_command && unknown.empty() && error.get_name() == "RequiredError") return "no command is given";
  if (!no_command || unknown.empty()) return printable(error.what());
  return "there is no command '" + printable(unknown.front()) + "'";
}

static Exit parse_and_run(int argc, const char* const* argv) {
  Globals globals;
  Given given;
  globals.jobs = available_cpus();
  const auto program = make_program();
  add_globals(*program, globals, given);
  std::vector<Command> commands;
  for (const auto add : all_commands) commands.push_back(add(*program, globals));
  try {
    program->parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    std::ostringstream text;
    program->exit(e, text, text);
    print(text.str());
    return Exit::done;
  } catch (const CLI::ParseError& e) {
    throw UserError(Errc::invalid, "reading the command line: " + mistake(*program, e) + "; " + help_hint(*program));
  }
  check_globals(globals, given);
  const CLI::App* chosen = program->get_subcommands().front();
  return std::find_if(commands.begin(), commands.end(), [&](const Command& c) { return c.app == chosen; })->run();
}

std::map<std::string, std::string> manual_pages() {
  Globals globals;
  Given given;
  const auto program = make_program();
  add_globals(*program, globals, given);
  std::map<std::string, std::string> out;
  for (const auto add : all_commands) {
    const CLI::App* command = add(*program, globals).app;
    out[program->get_name() + "-" + command->get_name()] = manual_page(*command);
  }
  out[program->get_name()] = manual_page(*program);
  return out;
}

Exit run_cairn(int argc, const char* const* argv) {
  try {
    return parse_and_run(argc, argv);
  } catch (const OutputClosed&) {
    return Exit::failed;
  } catch (const Error& e) {
    return report(e);
  } catch (const std::bad_alloc&) {
    complain("working: out of memory; try fewer --jobs");
  } catch (const std::exception& e) {
    complain("working: unexpected error: " + printable(e.what()) + "; please report it");
  }
  return Exit::failed;
}

}  // namespace cairn
