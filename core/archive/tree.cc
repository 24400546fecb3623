#include "core/archive/tree.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <mutex>
#include <span>

#include "core/archive/branch.h"
#include "core/archive/sparse_source.h"
#include "core/archive/xattr_at.h"
#include "core/util/error.h"

namespace cairn {

struct TreeNode::Data {
  std::string name;
  struct stat st {};
  std::shared_ptr<const BranchStack> parent;  // null for the root
  std::vector<uint16_t> places;               // indices into parent->dirs that have it, uppermost first
  std::optional<LowerLookup::File> data;      // overlay metacopy: where the content is
  bool metacopy = false;
  mutable std::mutex opening;
  mutable std::weak_ptr<const BranchStack> opened;  // guarded by `opening`
  std::shared_ptr<const BranchStack> root_stack;

  const BranchDir& place(size_t i) const { return parent->dirs[places[i]]; }
  std::shared_ptr<const BranchStack> stack() const;
};

namespace {

// A name as one branch lists it. `whiteout`: the branch says by a name of its own (aufs) that it is gone.
struct Listed {
  uint32_t at;  // in Listing::text
  uint16_t length, place;
  unsigned char type;  // DT_*
  bool whiteout;
};
struct Listing {
  std::string text;
  std::vector<Listed> names;
  std::string_view name(const Listed& entry) const { return std::string_view(text).substr(entry.at, entry.length); }
};

struct KernelDirent {  // getdents64(2)
  uint64_t ino;
  int64_t offset;
  uint16_t record_length;
  unsigned char type;
  char name[];
};

void add_name(Listing& into, std::string_view name, WhiteoutStyle style, uint16_t place, unsigned char type) {
  bool whiteout = false;
  if (style == WhiteoutStyle::aufs && name.starts_with(".wh.")) {
    name.remove_prefix(4);
    if (name.starts_with(".wh.") || name.empty()) return;  // .wh..wh..opq and the branch's own files
    whiteout = true;
  }
  into.names.push_back(
      {static_cast<uint32_t>(into.text.size()), static_cast<uint16_t>(name.size()), place, type, whiteout});
  into.text += name;
  if (into.text.size() > UINT32_MAX - 2 * NAME_MAX)
    throw Error(Errc::unsupported, "listing a directory: too many names");
}

void list_branch(Listing& into, const BranchDir& dir, uint16_t place, bool own_descriptor) {
  Fd again;
  if (!own_descriptor) again = Fd(open_untouched(dir.fd->get(), ".", O_DIRECTORY));
  const int fd = own_descriptor ? dir.fd->get() : again.get();
  alignas(KernelDirent) char buffer[32 << 10];
  for (;;) {
    const long n = fd < 0 ? -1 : ::syscall(SYS_getdents64, fd, buffer, sizeof buffer);
    if (n < 0) throw_errno("listing '" + printable(path_of(dir.fd->get())) + "'");
    if (n == 0) return;
    for (long at = 0; at < n;) {
      const auto* entry = reinterpret_cast<const KernelDirent*>(buffer + at);
      const std::string_view name = entry->name;
      if (name != "." && name != "..") add_name(into, name, dir.style, place, entry->type);
      at += entry->record_length;
    }
  }
}

Listing list_merged(const BranchStack& stack) {
  Listing listing;
  const bool first = !stack.listed.test_and_set();
  for (size_t i = 0; i < stack.dirs.size(); ++i) list_branch(listing, stack.dirs[i], static_cast<uint16_t>(i), first);
  std::sort(listing.names.begin(), listing.names.end(), [&](const Listed& a, const Listed& b) {
    const int order = listing.name(a).compare(listing.name(b));
    if (order != 0) return order < 0;
    return a.place != b.place ? a.place < b.place : a.whiteout > b.whiteout;
  });
  return listing;
}

// aufs keeps a 251-byte name's whiteout under a name that fits no more; then there is none.
std::optional<struct stat> stat_in(const BranchDir& dir, const std::string& name) {
  struct stat st;
  if (::fstatat(dir.fd->get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  if (errno == ENOENT || errno == ENAMETOOLONG) return std::nullopt;
  throw_errno("reading the status of '" + printable(path_of(dir.fd->get()) + "/" + name, 4096) + "'");
}

// Content copied up without its data keeps its size and allocates nothing; the directory says that it may hold such
// files.
void resolve_metacopy(TreeNode::Data& node) {
  const BranchDir& dir = node.place(0);
  if (dir.style != WhiteoutStyle::overlay || !S_ISREG(node.st.st_mode) || node.st.st_size == 0) return;
  if (!dir.impure && node.st.st_blocks * 512 >= node.st.st_size) return;
  const OverlayMarks marks = marks_of_file(dir.fd->get(), node.name, dir.user_marks);
  if (!marks.metacopy) return;
  node.metacopy = true;
  LowerLookup lookup(*node.parent, node.name, dir.branch);
  if (!marks.redirect.empty()) lookup.redirect(marks.redirect);
  node.data = lookup.data_file();
  if (!node.data) return;
  node.st.st_size = node.data->st.st_size;
  node.st.st_blocks = node.data->st.st_blocks;
}

// What the entries of one name, uppermost first, show together. `known`: their status, where the caller has it.
std::optional<TreeNode> merge(const std::shared_ptr<const BranchStack>& stack, std::string name,
                              std::span<const Listed> entries, std::span<const struct stat> known = {}) {
  auto node = std::make_shared<TreeNode::Data>();
  for (size_t i = 0; i < entries.size(); ++i) {
    const Listed& entry = entries[i];
    const BranchDir& dir = stack->dirs[entry.place];
    if (entry.whiteout) break;
    if (!node->places.empty()) {
      if (entry.type == DT_UNKNOWN) {
        const auto st = stat_in(dir, name);
        if (!st || !S_ISDIR(st->st_mode)) break;
      } else if (entry.type != DT_DIR) {
        break;
      }
    } else {
      const auto st = known.empty() ? stat_in(dir, name) : known[i];
      if (!st) continue;  // gone since it was listed
      if (is_whiteout(dir, name, *st)) break;
      node->st = *st;
    }
    node->places.push_back(entry.place);
    if (!S_ISDIR(node->st.st_mode)) break;
  }
  if (node->places.empty()) return std::nullopt;
  node->name = std::move(name);
  node->parent = stack;
  resolve_metacopy(*node);
  return TreeNode(std::move(node));
}

[[noreturn]] void not_a(const TreeNode& node, const std::string& what) {
  throw Error(Errc::invalid, "reading '" + printable(node.name()) + "': it is not a " + what);
}

}  // namespace

// Opens the branches' directories, down to an opaque one.
std::shared_ptr<const BranchStack> TreeNode::Data::stack() const {
  if (root_stack) return root_stack;
  const std::lock_guard lock(opening);
  if (auto alive = opened.lock()) return alive;
  auto out = std::make_shared<BranchStack>();
  out->roots = parent->roots;
  for (size_t i = 0; i < places.size(); ++i) {
    OverlayMarks marks;
    auto dir = open_branch_dir(place(i), name, marks);
    if (!dir) throw_errno("opening the directory '" + printable(name) + "' of a layer");
    out->dirs.push_back(std::move(*dir));
    if (marks.opaque) break;
    if (marks.redirect.empty()) continue;
    LowerLookup lookup(*parent, name, place(i).branch);
    lookup.redirect(marks.redirect);
    while (auto lower = lookup.next_dir()) out->dirs.push_back(std::move(*lower));
    break;
  }
  opened = out;
  return out;
}

const std::string& TreeNode::name() const { return data_->name; }
const struct stat& TreeNode::st() const { return data_->st; }
bool TreeNode::whole() const { return !data_->metacopy; }

std::vector<TreeNode> TreeNode::children() const {
  std::vector<TreeNode> out;
  if (!is_dir()) return out;
  const auto stack = data_->stack();
  const Listing listing = list_merged(*stack);
  const auto& names = listing.names;
  for (size_t i = 0, end; i < names.size(); i = end) {
    const std::string_view name = listing.name(names[i]);
    for (end = i + 1; end < names.size() && listing.name(names[end]) == name;) ++end;
    if (auto node = merge(stack, std::string(name), std::span(names).subspan(i, end - i)))
      out.push_back(std::move(*node));
  }
  return out;
}

std::optional<TreeNode> TreeNode::child(const std::string& name) const {
  if (!is_dir() || name.empty() || name == "." || name == ".." || name.size() > NAME_MAX) return std::nullopt;
  if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos) return std::nullopt;
  const auto stack = data_->stack();
  std::vector<Listed> entries;
  std::vector<struct stat> known;
  for (size_t i = 0; i < stack->dirs.size(); ++i) {
    const BranchDir& dir = stack->dirs[i];
    if (dir.style == WhiteoutStyle::aufs && name.starts_with(".wh.")) continue;
    if (dir.style == WhiteoutStyle::aufs && has_aufs_whiteout(dir, name)) break;
    const auto st = stat_in(dir, name);
    if (!st) continue;
    known.push_back(*st);
    entries.push_back({0, 0, static_cast<uint16_t>(i), static_cast<unsigned char>(IFTODT(st->st_mode)), false});
    if (!S_ISDIR(st->st_mode)) break;
  }
  return merge(stack, name, entries, known);
}

Fd TreeNode::open_file() const {
  if (!S_ISREG(st().st_mode)) not_a(*this, "regular file");
  if (data_->metacopy && !data_->data)
    throw Error(Errc::corrupt,
                "reading '" + printable(name()) + "': overlay says a lower layer has its content, but none has");
  const int dir = data_->data ? data_->data->dir->get() : source_dir();
  const std::string& file = data_->data ? data_->data->name : source_name();
  Fd fd(open_untouched(dir, file.c_str(), 0));
  if (!fd) throw_errno("opening '" + printable(path_of(dir) + "/" + file, 4096) + "'");
  return fd;
}

std::string TreeNode::link_target() const {
  if (!S_ISLNK(st().st_mode)) not_a(*this, "symbolic link");
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(source_dir(), source_name().c_str(), target, sizeof target);
  if (n < 0) throw_errno("reading the link '" + printable(name()) + "'");
  return {target, static_cast<size_t>(n)};
}

Xattrs TreeNode::xattrs() const {
  const BranchDir& place = data_->parent ? data_->place(0) : data_->root_stack->dirs[0];
  const int dir = place.fd->get();
  const std::string own_name = data_->parent ? data_->name : ".";
  const bool overlay = place.style == WhiteoutStyle::overlay;
  char few[512];
  std::string many, value(256, '\0');
  char* names = few;
  ssize_t n = list_xattrs_at(dir, own_name, few, sizeof few);
  if (n < 0 && errno == ERANGE) {
    many.resize(XATTR_LIST_MAX);
    names = many.data();
    n = list_xattrs_at(dir, own_name, names, many.size());
  }
  if (n < 0 && errno == EOPNOTSUPP) n = 0;
  if (n < 0) throw_errno("listing the xattrs of '" + printable(name()) + "'");
  Xattrs out;
  for (const char* at = names; at < names + n; at += std::strlen(at) + 1) {
    if ((overlay && is_overlay_private(at)) || is_raw_acl(at)) continue;
    ssize_t size = get_xattr_at(dir, own_name, at, value.data(), value.size());
    if (size < 0 && errno == ERANGE) {
      value.resize(XATTR_SIZE_MAX);
      size = get_xattr_at(dir, own_name, at, value.data(), value.size());
    }
    if (size < 0 && errno == ENODATA) continue;
    if (size < 0) throw_errno("reading the xattr " + printable(at) + " of '" + printable(name()) + "'");
    out.emplace(at, value.substr(0, static_cast<size_t>(size)));
  }
  return out;
}

bool TreeNode::same_source(const TreeNode& other) const {
  const Data &a = *data_, &b = *other.data_;
  if (a.st.st_dev != b.st.st_dev || a.st.st_ino != b.st.st_ino || a.st.st_mode != b.st.st_mode) return false;
  const auto same_dirs = [](std::span<const BranchDir> x, std::span<const BranchDir> y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), [](auto& p, auto& q) { return p.same_directory(q); });
  };
  if (!is_dir()) return a.metacopy == b.metacopy && (!a.data || !b.data || a.data->st.st_ino == b.data->st.st_ino);
  if (!a.parent || !b.parent) return !a.parent && !b.parent && same_dirs(a.root_stack->dirs, b.root_stack->dirs);
  if (a.name != b.name || a.places.size() != b.places.size()) return false;
  for (size_t i = 0; i < a.places.size(); ++i)
    if (!a.place(i).same_directory(b.place(i))) return false;
  // A redirect may lead to anything below the uppermost place, so all of that must be the same, too.
  const auto below = [](const Data& node, const std::vector<BranchDir>& dirs) {
    const auto lower = [&](const BranchDir& dir) { return dir.branch > node.place(0).branch; };
    return std::span(std::find_if(dirs.begin(), dirs.end(), lower), dirs.end());
  };
  return a.place(0).style != WhiteoutStyle::overlay ||
         (same_dirs(below(a, a.parent->dirs), below(b, b.parent->dirs)) &&
          same_dirs(below(a, a.parent->roots->dirs), below(b, b.parent->roots->dirs)));
}

int TreeNode::source_dir() const { return data_->place(0).fd->get(); }
const std::string& TreeNode::source_name() const { return data_->name; }

struct Tree::State {
  std::shared_ptr<const BranchStack> root;
  std::mutex mutex;
  std::vector<TreeNode> last_found;  // the directories of the last path, and what was found there
};

static std::shared_ptr<const BranchRoots> open_roots(std::vector<Branch> branches, std::shared_ptr<void> keep_alive) {
  auto roots = std::make_shared<BranchRoots>();
  roots->keep_alive = std::move(keep_alive);
  for (auto& branch : branches) {
    struct stat st;
    if (::fstat(branch.root->get(), &st) != 0) throw_errno("reading the status of a layer's directory");
    if (!S_ISDIR(st.st_mode))
      throw Error(Errc::invalid, "reading a layer: '" + path_of(branch.root->get()) + "' is no directory");
    BranchDir dir;
    dir.style = branch.style;
    dir.branch = static_cast<uint16_t>(roots->dirs.size());
    dir.dev = st.st_dev;
    dir.ino = st.st_ino;
    dir.user_marks = st.st_uid != 0;
    dir.fd = std::move(branch.root);
    if (dir.style == WhiteoutStyle::overlay) {
      const OverlayMarks marks = marks_of_dir(dir.fd->get(), dir.user_marks);
      dir.xattr_whiteouts = marks.xattr_whiteouts;
      dir.impure = marks.impure;
    }
    roots->dirs.push_back(std::move(dir));
  }
  return roots;
}

Tree::Tree(std::vector<Branch> branches, std::shared_ptr<void> keep_alive) {
  if (branches.empty()) return;
  if (branches.size() > UINT16_MAX) throw Error(Errc::invalid, "reading a layer: it has more than 65535 ancestors");
  raise_descriptor_limit();
  auto stack = std::make_shared<BranchStack>();
  stack->roots = open_roots(std::move(branches), std::move(keep_alive));
  stack->listed.test_and_set();  // the roots' descriptors belong to others as well
  for (const auto& dir : stack->roots->dirs) {
    stack->dirs.push_back(dir);
    if (dir.style == WhiteoutStyle::aufs && has_aufs_whiteout(dir, ".wh..opq")) break;
  }
  state_ = std::make_shared<State>();
  state_->root = std::move(stack);
}

TreeNode Tree::root() const {
  if (!state_) throw Error(Errc::not_found, "reading the root of a tree: it is empty");
  auto data = std::make_shared<TreeNode::Data>();
  data->root_stack = state_->root;
  if (::fstat(state_->root->dirs[0].fd->get(), &data->st) != 0)
    throw_errno("reading the status of a layer's directory");
  return TreeNode(std::move(data));
}

namespace {

// A path being resolved: what lies ahead, and the nodes from the root to where it is.
struct Walk {
  std::vector<std::string> ahead;  // the next component is last
  std::vector<TreeNode> at;
  int links = 0;

  void push(std::string_view path) {
    std::vector<std::string> parts;
    for (size_t i = 0; i < path.size();) {
      const size_t end = std::min(path.find('/', i), path.size());
      if (end > i) parts.emplace_back(path.substr(i, end - i));
      i = end + 1;
    }
    ahead.insert(ahead.end(), parts.rbegin(), parts.rend());
  }
};

}  // namespace

std::optional<TreeNode> Tree::find(const std::string& path, Last last) const {
  if (!state_) return std::nullopt;
  std::vector<TreeNode> known;
  {
    const std::lock_guard lock(state_->mutex);
    known = state_->last_found;
  }
  Walk walk;
  walk.push(path);
  walk.at.push_back(known.empty() ? root() : known[0]);
  size_t shared = 1;  // walk.at[0..shared) are known[0..shared)
  const bool follow_last = last == Last::follow || path.ends_with('/');
  while (!walk.ahead.empty()) {
    const std::string part = std::move(walk.ahead.back());
    walk.ahead.pop_back();
    if (!walk.at.back().is_dir()) return std::nullopt;
    if (part == ".") continue;
    if (part == "..") {
      if (walk.at.size() > 1) walk.at.pop_back();
      shared = std::min(shared, walk.at.size());
      continue;
    }
    const size_t depth = walk.at.size();
    const bool reuse = shared == depth && known.size() > depth && known[depth].name() == part;
    const auto next = reuse ? std::optional(known[depth]) : walk.at.back().child(part);
    if (!next) return std::nullopt;
    if (!S_ISLNK(next->st().st_mode) || (walk.ahead.empty() && !follow_last)) {
      walk.at.push_back(*next);
      shared += reuse ? 1 : 0;
      continue;
    }
    if (++walk.links > 40)
      throw Error(Errc::invalid, "looking up '" + printable(path) + "': more than 40 symbolic links");
    const std::string target = next->link_target();
    if (target.starts_with('/')) {
      walk.at.erase(walk.at.begin() + 1, walk.at.end());
      shared = 1;
    }
    walk.push(target);
  }
  const std::lock_guard lock(state_->mutex);
  state_->last_found = walk.at;
  return walk.at.back();
}

std::unique_ptr<ByteSource> content_of(const TreeNode& node) {
  const bool has_holes = node.st().st_blocks * 512 < node.st().st_size;
  return has_holes ? read_sparse(node.open_file()) : read_from(node.open_file());
}

}  // namespace cairn
