#include "cli/commands.h"
#include "cli/output/json.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"

namespace cairn {

static bool usable(const DriverStatus& status) {
  return status.readable && status.writable && status.mountable && status.writable_mounts;
}
static std::string yes_or_no(bool yes) { return yes ? "yes" : "no"; }
static std::string mounts(const DriverStatus& status) {
  return status.mountable && !status.writable_mounts ? "read-only" : yes_or_no(status.mountable);
}

static Exit run_drivers(const Globals& globals) {
  require_readable(globals.root);
  const auto reports = probe_drivers(globals);
  Json document = Json::array();
  std::vector<Row> rows{{"DRIVER", "USABLE", "READ", "WRITE", "MOUNT", "IMAGES", "WHY NOT"}};
  for (const auto& [name, status, images] : reports) {
    document.push_back({{"name", name},
                        {"usable", usable(status)},
                        {"readable", status.readable},
                        {"writable", status.writable},
                        {"mountable", status.mountable},
                        {"writable_mounts", status.mountable && status.writable_mounts},
                        {"images", images},
                        {"why_not", text_or_null(status.why_not)},
                        {"remedy", text_or_null(status.remedy)}});
    rows.push_back({name, yes_or_no(usable(status)), yes_or_no(status.readable), yes_or_no(status.writable),
                    mounts(status), std::to_string(images), printable(status.why_not, 1000)});
    if (!status.remedy.empty()) rows.back().back() += "; " + printable(status.remedy, 1000);
  }
  print(globals.json ? json_document(document) : format_table(rows));
  return Exit::done;
}

Command drivers_command(CLI::App& program, const Globals& globals) {
  CLI::App* app = program.add_subcommand(
      "drivers", "Tell of each storage driver whether it works here, why not, and what would help");
  app->footer(
      "Drivers are tried where the root is, as that depends on its file system. IMAGES is what the root holds of "
      "each.\n"
      "Plugins of engines (plugin:NAME) are listed where they are found: in /run/docker/plugins, /etc/docker/plugins "
      "and\n"
      "/usr/lib/docker/plugins; they are asked what they are, and not started on the root.\n"
      "devicemapper reads, and mounts read-only, also without the kernel's thin pools: on a read-only disk, and where\n"
      "--storage-opt dm.offline=true says so. Layers are copied for that, to TMPDIR or else /var/tmp.\n"
      "With --json: an array of objects with name, usable, readable, writable, mountable, writable_mounts, "
      "images, why_not and remedy.\n\n"
      "Examples:\n"
      "  cairn drivers\n"
      "  cairn --root /srv/docker drivers --json");
  return {app, [&globals] { return run_drivers(globals); }};
}

}  // namespace cairn
