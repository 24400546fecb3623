#include "drivers/aufs/masks.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "core/archive/branch.h"
#include "core/archive/tree.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "drivers/aufs/marks.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn::aufs {

namespace {

// One branch's directory of a merged one.
struct Part {
  std::shared_ptr<const Fd> dir;
  size_t branch;
};

// What one part says about a name.
struct Said {
  size_t part;
  bool whiteout;
  unsigned char type;  // DT_*, of what is there under this name
};

// A merged directory, and its counterparts in the masks as far as these were needed.
struct Level {
  Level* above;
  std::string name;
  std::vector<Part> parts;
  std::map<size_t, Fd> masks;
  std::string path() const { return above ? above->path() + "/" + name : name; }
};

struct Names {
  std::map<std::string, std::vector<Said>> said;  // by part; a whiteout comes before a name beside it
  std::set<std::string> marks;                    // `.wh.*`
};

class MaskWriter {
 public:
  explicit MaskWriter(int into) : into_(into) {}
  std::vector<std::string> run(const std::vector<std::shared_ptr<const Fd>>& branches);

 private:
  void walk(Level& level);
  Names list(Level& level);
  bool list_part(const Part& part, size_t index, Names& names) const;
  std::vector<Part> settle(Level& level, const std::string& name, const std::vector<Said>& said);
  std::optional<Part> open_part(const Level& level, const Part& part, const std::string& name);
  int mask_dir(Level& level, size_t mask);
  void hide(Level& level, size_t mask, const std::string& name);

  int into_;
  std::set<size_t> masks_;
  size_t used_ = 0;         // branches
  std::string unshowable_;  // the first path that overlayfs would misread
};

// True if the part is opaque.
bool MaskWriter::list_part(const Part& part, size_t index, Names& names) const {
  bool opaque = false;
  for (const auto& [name, type] : entries_of(part.dir->get())) {
    if (!name.starts_with(kWhiteout)) {
      names.said[name].push_back({index, false, type});
      continue;
    }
    names.marks.insert(name);
    opaque = opaque || name == kOpaque;
    const std::string hidden = name.substr(kWhiteout.size());
    if (!hidden.empty() && !hidden.starts_with(kWhiteout)) names.said[hidden].push_back({index, true, DT_UNKNOWN});
  }
  return opaque;
}

// Leaves the level without the parts below an opaque one.
Names MaskWriter::list(Level& level) {
  Names names;
  for (size_t i = 0; i < level.parts.size(); ++i) {
    if (!list_part(level.parts[i], i, names) || i + 1 == level.parts.size()) continue;
    if (level.above)
      write_opaque(mask_dir(level, level.parts[i].branch + 1));
    else
      used_ = i + 1;  // overlayfs never takes a root for opaque
    level.parts.resize(i + 1);
  }
  for (auto& [name, said] : names.said)
    std::stable_sort(said.begin(), said.end(), [](const Said& a, const Said& b) {
      return a.part != b.part ? a.part < b.part : a.whiteout > b.whiteout;
    });
  return names;
}

int MaskWriter::mask_dir(Level& level, size_t mask) {
  const auto found = level.masks.find(mask);
  if (found != level.masks.end()) return found->second.get();
  const int above = level.above ? mask_dir(*level.above, mask) : into_;
  const std::string name = level.above ? level.name : "m" + std::to_string(mask);
  mkdir_at(above, name, 0755);
  masks_.insert(mask);
  return level.masks.emplace(mask, open_dir_at(above, name)).first->second.get();
}

void MaskWriter::hide(Level& level, size_t mask, const std::string& name) {
  write_whiteout(mask_dir(level, mask), name);
}

bool has_overlay_marks(int dir) {
  for (const char* mark : {"trusted.overlay.opaque", "trusted.overlay.redirect"})
    if (::fgetxattr(dir, mark, nullptr, 0) >= 0) return true;
  return false;
}

// No directory, and not what overlayfs would show: it takes the one for a whiteout, and looks below for the other's
// data.
bool misread(int dir, const std::string& name, unsigned char type) {
  if (type == DT_REG) {
    const std::string path = "/proc/self/fd/" + std::to_string(dir) + "/" + name;
    return ::lgetxattr(path.c_str(), "trusted.overlay.metacopy", nullptr, 0) >= 0;
  }
  const auto st = type == DT_CHR ? stat_at(dir, name) : std::nullopt;
  return st && is_whiteout_device(*st);
}

std::optional<Part> MaskWriter::open_part(const Level& level, const Part& part, const std::string& name) {
  auto dir = try_open_at(part.dir->get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!dir) return std::nullopt;
  if (unshowable_.empty() && has_overlay_marks(dir->get())) unshowable_ = level.path() + "/" + name;
  return Part{std::make_shared<const Fd>(std::move(*dir)), part.branch};
}

// Writes what the masks say about a name, and returns the directories it shows, if it shows any.
std::vector<Part> MaskWriter::settle(Level& level, const std::string& name, const std::vector<Said>& said) {
  std::vector<Part> dirs;
  for (size_t i = 0; i < said.size(); ++i) {
    const Part& part = level.parts[said[i].part];
    if (said[i].whiteout) {
      const bool beside = i + 1 < said.size() && said[i + 1].part == said[i].part;
      bool below = false;
      for (size_t k = i + 1; k < said.size(); ++k) below = below || !said[k].whiteout;
      if (below) hide(level, part.branch + (beside ? 0 : 1), name);
      break;
    }
    if (said[i].type == DT_DIR) {
      if (auto dir = open_part(level, part, name)) dirs.push_back(std::move(*dir));
      continue;
    }
    if (dirs.empty() && unshowable_.empty() && misread(part.dir->get(), name, said[i].type))
      unshowable_ = level.path() + "/" + name;
    break;
  }
  return dirs;
}

void MaskWriter::walk(Level& level) {
  check_interrupt();
  const Names names = list(level);
  for (const auto& mark : names.marks) hide(level, 0, mark);
  for (const auto& [name, said] : names.said) {
    Level below{&level, name, settle(level, name, said), {}};
    if (!below.parts.empty()) walk(below);
  }
  const auto shown = level.masks.find(0);
  if (shown != level.masks.end())
    copy_dir_attributes(Tree({Branch{level.parts.front().dir, WhiteoutStyle::none}}).root(), shown->second.get());
}

std::vector<std::string> MaskWriter::run(const std::vector<std::shared_ptr<const Fd>>& branches) {
  raise_descriptor_limit();  // (depth x branches) directories are open
  Level root{nullptr, "", {}, {}};
  for (const auto& branch : branches) {
    if (unshowable_.empty() && has_overlay_marks(branch->get())) unshowable_ = "/";
    root.parts.push_back({branch, root.parts.size()});
  }
  used_ = branches.size();
  walk(root);
  std::vector<std::string> out;
  for (size_t i = 0; i < used_; ++i) {
    if (masks_.contains(i)) out.push_back("m" + std::to_string(i));
    const std::string source = path_of(branches[i]->get()), name = std::to_string(i);
    if (::symlinkat(source.c_str(), into_, name.c_str()) != 0) throw_errno("linking to '" + printable(source) + "'");
    out.push_back(name);
  }
  if (out.size() > 1 && !unshowable_.empty())
    throw Error(Errc::unsupported, "showing aufs layers by overlay: '" + printable(unshowable_) +
                                       "' is what overlay takes for a mark of its own (a device 0/0, or an xattr " +
                                       "trusted.overlay.*); export, cp and ls work without a mount");
  return out;
}

}  // namespace

std::vector<std::string> write_masks(const std::vector<std::shared_ptr<const Fd>>& branches, int into) {
  return MaskWriter(into).run(branches);
}

}  // namespace cairn::aufs
