#include "cli/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "cli/wiring.h"
#include "core/util/error.h"

namespace cairn {

namespace {

// Docker 24 has no aufs and no overlay any more, 25 no devicemapper.
const std::set<std::string> kRemoved{"aufs", "overlay", "devicemapper"};

std::set<std::string> drivers_of(const RootScan& scan) {
  std::set<std::string> out;
  for (const auto& driver : scan.drivers)
    if (driver.images + driver.layers + driver.containers > 0) out.insert(driver.name);
  return out;
}

std::string listed(const std::set<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "" : ", ") + printable(name);
  return out;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Adviser {
 public:
  Adviser(const RootScan& scan, const Surroundings& here)
      : scan_(scan), here_(here), drivers_(drivers_of(scan)), root_(shell_word(scan.root)) {
    for (const auto& driver : scan.drivers) graph_ |= driver.layout == "graph", damage_ += driver.damage.size();
  }

  Advice run() {
    if (drivers_.empty()) {
      out_.why = scan_.remapped.empty() ? "Nothing in it is to be migrated."
                                        : "Look at what engines with user namespaces left in it.";
    } else if (was_migrated_in_place()) {
      out_.why = "It was migrated in place: what is in graph/ is there for the old engine only.";
      out_.steps.push_back({"cairn migrate " + root_ + " --in-place --remove-source", "when all is well: frees it"});
    } else if (!needs_migration()) {
      out_.why = fmt::format("Engines with the driver {} work on this root as it is.", printable(*drivers_.begin()));
      if (has(here_.usable, "overlay2") && drivers_.contains("vfs"))
        out_.notes.push_back("vfs keeps every layer whole; 'cairn migrate " + root_ +
                             " --in-place --storage-driver overlay2' would free space");
    } else if (here_.usable.empty()) {
      out_.why += " No driver of current engines works here:";
      add_unusable();
    } else {
      choose_way();
      add_steps();
      add_notes();
    }
    for (const auto& name : scan_.remapped)
      out_.steps.push_back({"cairn scan " + shell_word((std::filesystem::path(scan_.root) / name).string()),
                            "a root of its own, of an engine with user namespaces: it is migrated by itself"});
    return std::move(out_);
  }

 private:
  // All of each graph is in the store of the current layout that lies beside it.
  bool was_migrated_in_place() const {
    return graph_ && std::all_of(scan_.drivers.begin(), scan_.drivers.end(), [](const DriverScan& one) {
             return one.layout != "graph" || (one.taken_over_images > 0 && one.taken_over_images == one.images &&
                                              one.taken_over_containers == one.containers);
           });
  }

  bool was_half_migrated() const {
    return std::any_of(scan_.drivers.begin(), scan_.drivers.end(),
                       [](const DriverScan& one) { return one.taken_over_images > 0; });
  }

  // Sets `why` if so.
  bool needs_migration() {
    const std::string& name = *drivers_.begin();
    if (graph_ && was_half_migrated())
      out_.why = "An engine began to migrate it: some of what is in graph/ no current engine sees.";
    else if (graph_)
      out_.why = "No current engine opens what Docker 1.9 and older left in graph/.";
    else if (drivers_.size() > 1)
      out_.why = "It holds the stores of several drivers (" + listed(drivers_) + "); an engine sees one of them.";
    else if (kRemoved.contains(name))
      out_.why = "Current engines have no driver " + printable(name) + " any more.";
    else if (std::any_of(here_.unusable.begin(), here_.unusable.end(),
                         [&](const auto& one) { return one.first == name; }))
      out_.why = "The driver " + printable(name) + " does not work here.";
    return !out_.why.empty();
  }

  void choose_way() {
    Way way;
    way.in_place = !here_.read_only && (here_.is_new_root || !here_.new_root_is_free);
    if (!way.in_place) way.target = here_.new_root_is_free ? here_.new_root : "NEW-ROOT";
    way.driver = here_.usable.front();
    // A store of that driver already, but for its layout: its layers stay where they are.
    if (way.in_place && drivers_.size() == 1 && drivers_.contains(way.driver)) way.driver.clear();
    out_.way = way;
  }

  std::string command_of(const Way& way) const {
    return "cairn migrate " + root_ + (way.in_place ? " --in-place" : " --to " + shell_word(way.target)) +
           (here_.only.empty() ? "" : " --source-driver " + here_.only) +
           (way.driver.empty() ? "" : " --storage-driver " + way.driver);
  }

  void add_steps() {
    const Way& way = *out_.way;
    if (!here_.engine.empty()) out_.steps.push_back({"systemctl stop docker", here_.engine + " has it open"});
    out_.steps.push_back({command_of(way) + " --dry-run", "what would be done, image by image; writes nothing"});
    out_.steps.push_back({command_of(way) + " --verify --report migration.html",
                          way.driver.empty() ? "adds files of the current layout beside the old ones"
                          : way.in_place
                              ? "makes the new store beside the old one, from links, and exchanges them at the end"
                              : "makes the new store; this root is only read"});
    if (!way.in_place) return;
    const std::string same = "cairn migrate " + root_ + " --in-place";
    if (!way.driver.empty())
      out_.steps.push_back({same + " --rollback", "if the engine does not like it: the old store again"});
    out_.steps.push_back({same + " --remove-source", "when all is well: frees what only the old engine reads"});
  }

  void add_unusable() {
    for (const auto& [name, why] : here_.unusable) out_.notes.push_back(name + ": " + printable(why, 1000));
  }

  void add_notes() {
    const Way& way = *out_.way;
    if (here_.read_only)
      out_.notes.push_back("the root is on a read-only file system, so the new one is made elsewhere");
    if (way.in_place)
      out_.notes.push_back(
          "instead of --in-place, --to NEW-ROOT leaves this root as it is; on the same file system layers are linked "
          "all the same");
    else if (!here_.read_only)
      out_.notes.push_back("instead of --to, --in-place works in this root and needs least space");
    if (drivers_.size() > 1)
      out_.notes.push_back("--source-driver takes one of them only (" + listed(drivers_) +
                           "); without it all become one store");
    if (was_half_migrated())
      out_.notes.push_back("what an engine migrated already comes over once, as the engine made it");
    if (drivers_.contains("devicemapper")) add_devicemapper();
    if (damage_ > 0)
      out_.notes.push_back(fmt::format("{} damaged: what needs {} stays behind and is named, all else comes over",
                                       damage_ == 1 ? "one thing is" : fmt::format("{} things are", damage_),
                                       damage_ == 1 ? "it" : "them"));
    add_unusable();
  }

  void add_devicemapper() {
    if (!here_.thin_pools)
      out_.notes.push_back(
          "this kernel has no thin pools: cairn reads the pool itself, and puts each layer together as a sparse file "
          "in $TMPDIR, else /var/tmp, while it needs it");
    out_.notes.push_back(
        "a pool on block devices is found with --storage-opt dm.datadev=... --storage-opt dm.metadatadev=...");
  }

  const RootScan& scan_;
  const Surroundings& here_;
  const std::set<std::string> drivers_;
  const std::string root_;
  bool graph_ = false;
  size_t damage_ = 0;
  Advice out_;
};

}  // namespace

Advice advise(const RootScan& scan, const Surroundings& here) { return Adviser(scan, here).run(); }

std::string shell_word(const std::string& text) {
  const bool plain = !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("/._-+:@%,=").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return text;
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace cairn
