#include "core/archive/changes.h"

#include <algorithm>
#include <map>

#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

constexpr int kMaxDepth = 4096;  // PATH_MAX allows half of it

struct Inode {
  dev_t dev;
  ino_t ino;
  auto operator<=>(const Inode&) const = default;
};
Inode inode_of(const TreeNode& node) { return {node.st().st_dev, node.st().st_ino}; }

bool same_time(const timespec& a, const timespec& b, Compare rule) {
  if (a.tv_sec != b.tv_sec) return false;
  return a.tv_nsec == b.tv_nsec || (rule == Compare::docker && (a.tv_nsec == 0 || b.tv_nsec == 0));
}

bool same_content(const TreeNode& a, const TreeNode& b) {
  constexpr size_t kChunk = 256 << 10;
  thread_local std::vector<char> one(kChunk), two(kChunk);
  const Fd x = a.open_file(), y = b.open_file();
  for (;;) {
    const size_t n = read_full(x.get(), one), m = read_full(y.get(), two);
    if (n != m || !std::equal(one.begin(), one.begin() + static_cast<ptrdiff_t>(n), two.begin())) return false;
    if (n < kChunk) return true;
    check_interrupt();
  }
}

bool same_capability(const TreeNode& a, const TreeNode& b) {
  const Xattrs x = a.xattrs(), y = b.xattrs();
  const auto p = x.find("security.capability"), q = y.find("security.capability");
  return p == x.end() || q == y.end() ? (p == x.end()) == (q == y.end()) : p->second == q->second;
}

class Comparison {
 public:
  explicit Comparison(const CompareOptions& options) : options_(options) {}
  std::vector<Change> run(const Tree& tree, const Tree& parent);

 private:
  bool differ(const TreeNode& now, const TreeNode& before) const;
  bool forced(const std::string& path) const {
    return options_.forced != nullptr && options_.forced->contains(path.substr(1));
  }
  bool forced_below(const std::string& path) const;
  void add_all(const TreeNode& node, const std::string& path, int depth);
  bool compare_children(const TreeNode& now, const TreeNode& before, const std::string& path, int depth);
  bool compare(const TreeNode& now, const TreeNode& before, const std::string& path, int depth);
  void note_names(const TreeNode& now, const TreeNode* before, const std::string& path, bool changed);
  void find_names(const TreeNode& node, const std::string& path, int depth);
  void complete_groups(const Tree& tree);
  void add_parents();

  // One name of an inode that has several, in the tree or in its parent.
  struct Name {
    std::string path;
    std::optional<Inode> before;  // the parent's inode of that name
    bool changed;
  };
  struct Group {
    nlink_t links = 0;  // as the inode counts them
    std::vector<Name> names;
  };
  const CompareOptions& options_;
  std::vector<Change> changes_;
  std::map<Inode, Group> groups_;
  std::vector<std::string> pruned_;  // directories that were not compared: both trees show the same
};

void check_depth(int depth, const std::string& path) {
  if (depth > kMaxDepth)
    throw Error(Errc::unsupported, "comparing '" + printable(path) + "': directories are nested too deeply");
}

bool Comparison::differ(const TreeNode& now, const TreeNode& before) const {
  const auto &a = now.st(), &b = before.st();
  const bool exact = options_.rule == Compare::exact;
  if (!now.is_dir() && now.same_source(before)) return false;
  if (a.st_mode != b.st_mode || a.st_uid != b.st_uid || a.st_gid != b.st_gid || a.st_rdev != b.st_rdev) return true;
  if (!now.is_dir() && (a.st_size != b.st_size || !same_time(a.st_mtim, b.st_mtim, options_.rule))) return true;
  if (now.is_dir() && exact && options_.directory_times && !same_time(a.st_mtim, b.st_mtim, options_.rule)) return true;
  if (!exact) return !same_capability(now, before);
  if (now.xattrs() != before.xattrs()) return true;
  if (S_ISLNK(a.st_mode)) return now.link_target() != before.link_target();
  return S_ISREG(a.st_mode) && a.st_size > 0 && options_.compare_content && !same_content(now, before);
}

bool Comparison::forced_below(const std::string& path) const {
  if (options_.forced == nullptr) return false;
  const std::string prefix = path.substr(1) + "/";
  const auto first = options_.forced->lower_bound(prefix);
  return first != options_.forced->end() && first->starts_with(prefix);
}

// Names count only where links are to be kept, and only of inodes that have several.
void Comparison::note_names(const TreeNode& now, const TreeNode* before, const std::string& path, bool changed) {
  if (options_.rule != Compare::exact || now.is_dir()) return;
  if (before != nullptr && before->is_dir()) before = nullptr;
  if (now.st().st_nlink < 2 && (before == nullptr || before->st().st_nlink < 2)) return;
  Group& group = groups_[inode_of(now)];
  group.links = now.st().st_nlink;
  group.names.push_back({path, before ? std::optional(inode_of(*before)) : std::nullopt, changed});
}

void Comparison::add_all(const TreeNode& node, const std::string& path, int depth) {
  check_depth(depth, path);
  check_interrupt();
  for (const auto& child : node.children()) {
    const std::string name = path + "/" + child.name();
    changes_.push_back({ChangeKind::added, name});
    note_names(child, nullptr, name, true);
    if (child.is_dir()) add_all(child, name, depth + 1);
  }
}

// True if `path` or something below it was listed.
bool Comparison::compare(const TreeNode& now, const TreeNode& before, const std::string& path, int depth) {
  bool changed = forced(path);
  if (now.is_dir() && !changed && now.same_source(before) && !forced_below(path)) {
    pruned_.push_back(path);
    return false;
  }
  changed = changed || differ(now, before);
  bool below = false;
  if (now.is_dir() && before.is_dir())
    below = compare_children(now, before, path, depth + 1);
  else if (now.is_dir())
    add_all(now, path, depth + 1);
  note_names(now, &before, path, changed);
  if (changed || below) changes_.push_back({ChangeKind::modified, path});
  return changed || below;
}

bool Comparison::compare_children(const TreeNode& now, const TreeNode& before, const std::string& path, int depth) {
  check_depth(depth, path);
  check_interrupt();
  const auto fresh = now.children(), old = before.children();
  bool changed = false;
  for (auto a = fresh.begin(), b = old.begin(); a != fresh.end() || b != old.end();) {
    const int order = a == fresh.end() ? 1 : b == old.end() ? -1 : a->name().compare(b->name());
    const std::string name = path + "/" + (order > 0 ? b->name() : a->name());
    if (order > 0) {
      changes_.push_back({ChangeKind::deleted, name});
      changed = true;
    } else if (order < 0) {
      changes_.push_back({ChangeKind::added, name});
      note_names(*a, nullptr, name, true);
      if (a->is_dir()) add_all(*a, name, depth + 1);
      changed = true;
    } else {
      changed = compare(*a, *b, name, depth) || changed;
    }
    if (order <= 0) ++a;
    if (order >= 0) ++b;
  }
  return changed;
}

// Further names, in subtrees that were not compared, of inodes that changed.
void Comparison::find_names(const TreeNode& node, const std::string& path, int depth) {
  check_depth(depth, path);
  check_interrupt();
  for (const auto& child : node.children()) {
    const std::string name = path + "/" + child.name();
    if (child.is_dir()) {
      find_names(child, name, depth + 1);
    } else if (const auto group = groups_.find(inode_of(child)); group != groups_.end()) {
      group->second.names.push_back({name, inode_of(child), false});
    }
  }
}

// A file that is written anew comes with all its names, or they would fall apart; and names that share an inode now,
// but did not before (or the other way round), are written anew.
void Comparison::complete_groups(const Tree& tree) {
  const auto changed = [](const Name& name) { return name.changed; };
  const bool incomplete = std::any_of(groups_.begin(), groups_.end(), [&](const auto& group) {
    const auto& names = group.second.names;
    return names.size() < group.second.links && std::any_of(names.begin(), names.end(), changed);
  });
  if (incomplete)
    for (const auto& path : pruned_)
      if (const auto node = tree.find(path)) find_names(*node, path, 0);

  std::map<Inode, size_t> groups_of_before;  // in how many groups now are the unchanged names of an old inode
  for (auto& [inode, group] : groups_) {
    std::set<Inode> before;
    const bool rewritten = std::any_of(group.names.begin(), group.names.end(), changed);
    for (const auto& name : group.names)
      if (!rewritten && name.before) before.insert(*name.before);
    for (const auto& old : before) ++groups_of_before[old];
  }
  for (auto& [inode, group] : groups_) {
    std::set<Inode> before;
    bool rewrite = false;
    for (const auto& name : group.names) {
      rewrite = rewrite || name.changed || (name.before && groups_of_before[*name.before] > 1);
      if (name.before) before.insert(*name.before);
    }
    if (!rewrite && before.size() < 2) continue;
    for (const auto& name : group.names)
      if (!name.changed) changes_.push_back({ChangeKind::modified, name.path});
  }
}

// Directories above what complete_groups() added.
void Comparison::add_parents() {
  std::set<std::string> listed, missing;
  for (const auto& change : changes_) listed.insert(change.path);
  for (const auto& path : listed)
    for (size_t slash = path.rfind('/'); slash != 0; slash = path.rfind('/', slash - 1))
      if (const std::string above = path.substr(0, slash); !listed.contains(above)) missing.insert(above);
  for (const auto& path : missing) changes_.push_back({ChangeKind::modified, path});
}

std::vector<Change> Comparison::run(const Tree& tree, const Tree& parent) {
  if (tree.empty() && parent.empty()) return {};
  if (tree.empty()) {
    for (const auto& child : parent.root().children()) changes_.push_back({ChangeKind::deleted, "/" + child.name()});
  } else if (parent.empty()) {
    add_all(tree.root(), "", 0);
  } else if (const TreeNode now = tree.root(), before = parent.root();
             !now.same_source(before) || options_.forced != nullptr) {
    compare_children(now, before, "", 0);
    const size_t compared = changes_.size();
    if (options_.rule == Compare::exact) complete_groups(tree);
    if (changes_.size() > compared) add_parents();
  }
  std::sort(changes_.begin(), changes_.end(), [](const Change& a, const Change& b) { return a.path < b.path; });
  return std::move(changes_);
}

}  // namespace

std::vector<Change> changes_between(const Tree& tree, const Tree& parent, const CompareOptions& options) {
  return Comparison(options).run(tree, parent);
}

}  // namespace cairn
