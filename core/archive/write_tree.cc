// Layer tars and exports of a tree.
#include <sys/sysmacros.h>

#include <algorithm>
#include <map>
#include <optional>

#include "core/archive/branch.h"
#include "core/archive/changes.h"
#include "core/archive/tar_writer.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

constexpr int kMaxDepth = 4096;

TarType type_of(const struct stat& st) {
  switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
      return TarType::directory;
    case S_IFLNK:
      return TarType::symlink;
    case S_IFCHR:
      return TarType::char_device;
    case S_IFBLK:
      return TarType::block_device;
    case S_IFIFO:
      return TarType::fifo;
    default:
      return TarType::file;
  }
}

class TreeTar {
 public:
  explicit TreeTar(ByteSink& out, Carry carry = Carry::docker, IdBase ids = {})
      : carry_(carry),
        ids_(ids),
        tar_(out, carry == Carry::all ? TarTimes::nanoseconds : TarTimes::seconds),
        buffer_(256 << 10) {}
  TreeTar(ByteSink& out, EngineTarForm form, IdBase ids)
      : ids_(ids),
        tar_(out, TarTimes::seconds, form.root_names ? TarNames::root : TarNames::none, TarModes::with_type),
        buffer_(256 << 10),
        engine_(form) {}

  void add(const TreeNode& node, const std::string& path);  // "a/b"
  void add_below(const TreeNode& node, const std::string& path, int depth);
  void add_whiteout(const std::string& path);
  int64_t finish() {
    tar_.finish();
    return content_bytes_;
  }

 private:
  TarEntry entry_of(const TreeNode& node, const std::string& path);
  void add_as_engine(const TreeNode& node, const std::string& path);
  void write_content(const TreeNode& node);
  bool carries(const std::string& xattr) const {
    if (is_overlay_private(xattr)) return false;
    if (engine_) return xattr == "security.capability";
    return carry_ == Carry::all || xattr == "security.capability" || xattr.starts_with("user.");
  }

  Carry carry_ = Carry::docker;
  IdBase ids_;
  TarWriter tar_;
  std::vector<char> buffer_;
  std::optional<EngineTarForm> engine_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names_;
  int64_t content_bytes_ = 0;
};

TarEntry TreeTar::entry_of(const TreeNode& node, const std::string& path) {
  const auto& st = node.st();
  TarEntry entry;
  entry.type = type_of(st);
  entry.name = entry.type == TarType::directory ? path + "/" : path;
  entry.mode = st.st_mode & (engine_ && engine_->type_bits ? 0177777 : 07777);
  entry.uid = ids_.in_container(st.st_uid);
  entry.gid = ids_.group_in_container(st.st_gid);
  entry.mtime = st.st_mtim;
  if (entry.type == TarType::file) entry.size = static_cast<uint64_t>(st.st_size);
  if (entry.type == TarType::symlink) entry.link_target = node.link_target();
  if (entry.type == TarType::char_device || entry.type == TarType::block_device) {
    entry.device_major = major(st.st_rdev);
    entry.device_minor = minor(st.st_rdev);
  }
  for (auto& [name, value] : node.xattrs())
    if (carries(name)) entry.xattrs.emplace(name, value);
  if (entry.type == TarType::directory || st.st_nlink < 2) return entry;
  const auto [first, is_new] = first_names_.emplace(std::pair(st.st_dev, st.st_ino), path);
  if (is_new) return entry;
  entry.type = TarType::hard_link;
  entry.link_target = first->second;
  entry.size = 0;
  return entry;
}

// overlay's marks become a tar's: a device 0/0 in the name's place, and an attribute of a directory.
void TreeTar::add_as_engine(const TreeNode& node, const std::string& path) {
  TarEntry entry = entry_of(node, path);
  const size_t slash = path.rfind('/') + 1;
  if (entry.type == TarType::char_device && node.st().st_rdev == 0) {
    entry.type = TarType::file;
    entry.name = path.substr(0, slash) + ".wh." + path.substr(slash);
    entry.mode = 0600;
    return tar_.begin(entry);
  }
  tar_.begin(entry);
  content_bytes_ += static_cast<int64_t>(entry.size);
  if (entry.size > 0) write_content(node);
  const auto xattrs = entry.type == TarType::directory ? node.xattrs() : Xattrs();
  if (const auto mark = xattrs.find("trusted.overlay.opaque"); mark == xattrs.end() || mark->second != "y") return;
  TarEntry opaque;
  opaque.name = path + "/.wh..wh..opq";
  opaque.mode = entry.mode & 0777;
  opaque.uid = entry.uid;
  opaque.gid = entry.gid;
  tar_.begin(opaque);
}

void TreeTar::add(const TreeNode& node, const std::string& path) {
  if (S_ISSOCK(node.st().st_mode)) return;
  if (engine_) return add_as_engine(node, path);
  const TarEntry entry = entry_of(node, path);
  tar_.begin(entry);
  content_bytes_ += static_cast<int64_t>(entry.size);
  if (entry.size > 0) write_content(node);
}

void TreeTar::write_content(const TreeNode& node) {
  const auto content = content_of(node);
  for (auto left = static_cast<uint64_t>(node.st().st_size); left > 0;) {
    check_interrupt();
    const size_t n = content->read(std::span(buffer_).first(std::min<uint64_t>(left, buffer_.size())));
    if (n == 0) throw Error(Errc::io, "it became shorter meanwhile");
    tar_.write({buffer_.data(), n});
    left -= n;
  }
}

void TreeTar::add_below(const TreeNode& node, const std::string& path, int depth) {
  if (depth > kMaxDepth) throw Error(Errc::unsupported, "directories are nested too deeply");
  for (const auto& child : node.children()) {
    check_interrupt();
    const std::string name = path.empty() ? child.name() : path + "/" + child.name();
    while_doing([&] { return "packing '/" + printable(name) + "'"; }, [&] { add(child, name); });
    if (child.is_dir()) add_below(child, name, depth + 1);
  }
}

void TreeTar::add_whiteout(const std::string& path) {
  const size_t slash = path.rfind('/') + 1;  // 0 if there is none
  TarEntry entry;
  entry.name = path.substr(0, slash) + ".wh." + path.substr(slash);
  tar_.begin(entry);
}

}  // namespace

int64_t write_diff(const Tree& tree, const std::vector<Change>& changes, ByteSink& out, Carry carry, IdBase ids) {
  TreeTar tar(out, carry, ids);
  for (const auto& change : changes) {
    check_interrupt();
    const std::string path = change.path.substr(change.path.starts_with('/') ? 1 : 0);
    if (path.empty()) {
      if (carry == Carry::all) tar.add(tree.root(), ".");
      continue;
    }
    if (change.kind == ChangeKind::deleted) {
      tar.add_whiteout(path);
      continue;
    }
    while_doing([&] { return "packing '" + printable(change.path) + "'"; },
                [&] {
                  const auto node = tree.find(path);
                  if (!node) throw Error(Errc::not_found, "it is not in the tree");
                  tar.add(*node, path);
                });
  }
  return tar.finish();
}

int64_t write_engine_diff(const Tree& own, EngineTarForm form, ByteSink& out, IdBase ids) {
  TreeTar tar(out, form, ids);
  tar.add_below(own.root(), "", 0);
  return tar.finish();
}

void write_export(const Tree& tree, ByteSink& out) {
  TreeTar tar(out);
  if (!tree.empty()) tar.add_below(tree.root(), "", 0);
  tar.finish();
}

}  // namespace cairn
