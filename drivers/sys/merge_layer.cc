#include "drivers/sys/merge_layer.h"

#include <sys/stat.h>

#include <vector>

#include "core/archive/apply.h"
#include "core/archive/changes.h"
#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {
namespace {

// A directory as it is: what is gone is really removed.
class PlainTarget : public DiffTarget {
 public:
  explicit PlainTarget(int root) : root_(root) {}
  int root_fd() const override { return root_; }
  void hide(int dir_fd, const std::string& name) override { remove_tree_at(dir_fd, name); }
  void make_opaque(int dir_fd) override {
    for (const auto& name : list_dir(dir_fd)) remove_tree_at(dir_fd, name);
  }
  void finish(const std::optional<LayerId>&, const std::vector<std::string>&) override {}

 private:
  int root_;
};

class Merger {
 public:
  explicit Merger(PlainTarget& target) : target_(target) {}

  // Makes room for what `own` has, where `whole` is the parent's directory of that path, if it has one; notes what is
  // to be put there.
  void clear(int own, const Fd* whole, const std::string& path) {
    check_interrupt();
    if (whole != nullptr && is_opaque(own)) target_.make_opaque(whole->get());
    for (const auto& name : list_dir(own)) {
      const auto st = stat_at(own, name);
      if (!st) continue;
      const std::string full = path + "/" + name;
      const auto below = whole ? stat_at(whole->get(), name) : std::nullopt;
      const bool join = S_ISDIR(st->st_mode) && below && S_ISDIR(below->st_mode);
      if (below && !join) target_.hide(whole->get(), name);
      if (is_whiteout_device(*st)) continue;
      changes.push_back({ChangeKind::modified, full});
      if (!S_ISDIR(st->st_mode)) continue;
      const Fd own_dir = open_dir_at(own, name);
      if (!join) {
        clear(own_dir.get(), nullptr, full);
        continue;
      }
      const Fd whole_dir = open_dir_at(whole->get(), name);
      clear(own_dir.get(), &whole_dir, full);
    }
  }
  std::vector<Change> changes;

 private:
  PlainTarget& target_;
};

}  // namespace

void merge_layer(int own_root, int whole_root) {
  PlainTarget target(whole_root);
  Merger merger(target);
  const Fd whole = dup_fd(whole_root);
  merger.clear(own_root, &whole, "");
  // In overlay's style, so that the marks are not taken for content.
  const Tree own({Branch{std::make_shared<Fd>(dup_fd(own_root)), WhiteoutStyle::overlay}});
  apply_tree(own, merger.changes, target, Links::none);
}

}  // namespace cairn
