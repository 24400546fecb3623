// One function per command: adds it, with its flags and help, to the program and returns what runs it.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "cli/exit.h"
#include "cli/globals.h"

namespace cairn {

struct Command {
  CLI::App* app;
  std::function<Exit()> run;
};
using AddCommand = Command (*)(CLI::App& program, const Globals& globals);

Command scan_command(CLI::App& program, const Globals& globals);
Command migrate_command(CLI::App& program, const Globals& globals);
Command images_command(CLI::App& program, const Globals& globals);
Command history_command(CLI::App& program, const Globals& globals);
Command inspect_command(CLI::App& program, const Globals& globals);
Command ps_command(CLI::App& program, const Globals& globals);
Command load_command(CLI::App& program, const Globals& globals);
Command pull_command(CLI::App& program, const Globals& globals);
Command push_command(CLI::App& program, const Globals& globals);
Command save_command(CLI::App& program, const Globals& globals);
Command apply_command(CLI::App& program, const Globals& globals);
Command tag_command(CLI::App& program, const Globals& globals);
Command rmi_command(CLI::App& program, const Globals& globals);
Command import_command(CLI::App& program, const Globals& globals);
Command commit_command(CLI::App& program, const Globals& globals);
Command mount_command(CLI::App& program, const Globals& globals);
Command umount_command(CLI::App& program, const Globals& globals);
Command create_command(CLI::App& program, const Globals& globals);
Command rm_command(CLI::App& program, const Globals& globals);
Command ls_command(CLI::App& program, const Globals& globals);
Command cat_command(CLI::App& program, const Globals& globals);
Command cp_command(CLI::App& program, const Globals& globals);
Command export_command(CLI::App& program, const Globals& globals);
Command diff_command(CLI::App& program, const Globals& globals);
Command changes_command(CLI::App& program, const Globals& globals);
Command df_command(CLI::App& program, const Globals& globals);
Command tree_command(CLI::App& program, const Globals& globals);
Command drivers_command(CLI::App& program, const Globals& globals);
Command serve_driver_command(CLI::App& program, const Globals& globals);

}  // namespace cairn
