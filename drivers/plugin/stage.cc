#include "drivers/plugin/stage.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "core/archive/changes.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn::plugin {

// A directory's changes before those of what lies in it.
static void add_changes(int dir, const std::string& path, Marks marks, std::vector<Change>& out) {
  check_interrupt();
  if (marks == Marks::write && is_opaque(dir))
    out.push_back({ChangeKind::deleted, path + "/.wh..opq"});  // becomes ".wh..wh..opq"
  for (const auto& name : list_dir(dir)) {
    const auto st = stat_at(dir, name);
    if (!st) continue;
    const bool gone = is_whiteout_device(*st);
    if (gone && marks == Marks::leave_out) continue;
    out.push_back({gone ? ChangeKind::deleted : ChangeKind::modified, path + "/" + name});
    if (S_ISDIR(st->st_mode)) add_changes(open_dir_at(dir, name).get(), path + "/" + name, marks, out);
  }
}

void write_stage(int own, Marks marks, ByteSink& out) {
  std::vector<Change> changes{{ChangeKind::modified, "/"}};
  add_changes(own, "", marks, changes);
  // In overlay's style, so that the marks are not taken for content.
  const Tree tree({Branch{std::make_shared<Fd>(dup_fd(own)), WhiteoutStyle::overlay}});
  write_diff(tree, changes, out, Carry::all);
}

}  // namespace cairn::plugin
