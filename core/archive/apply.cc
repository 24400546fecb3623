#include "core/archive/apply.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <climits>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/archive/attributes.h"
#include "core/archive/branch.h"
#include "core/archive/layer_dirs.h"
#include "core/util/error.h"
#include "core/util/ids.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kWhiteoutMeta = ".wh..wh.";  // at the root: aufs' own files
constexpr std::string_view kPseudoLinks = ".wh..wh.plnk";
constexpr std::string_view kOpaque = ".wh..opq";  // after kWhiteout

bool leaves_root(const std::string& cleaned) { return cleaned == ".." || cleaned.starts_with("../"); }

void check_path(const char* what, const std::string& path) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Errc::invalid, std::string("its ") + what + " '" + printable(path, 80) + "' " + why);
  };
  if (leaves_root(path)) refuse("is outside of the layer");
  if (path.size() > PATH_MAX) refuse("is longer than 4096 bytes");
  if (path.find('\0') != std::string::npos) refuse("contains a zero byte");
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    // A whiteout's own name never reaches the file system: any name can be hidden.
    if (end == path.size() && path.compare(at, kWhiteout.size(), kWhiteout) == 0) at += kWhiteout.size();
    if (end - at > NAME_MAX) refuse("has a component longer than 255 bytes");
    at = end + 1;
  }
}

// Go's largest time, which is the last that Docker keeps; anything outside becomes the epoch.
timespec bounded(timespec time) {
  const bool late = time.tv_sec > 9223372036 || (time.tv_sec == 9223372036 && time.tv_nsec > 854775807);
  return time.tv_sec < 0 || late ? timespec{} : time;
}

bool before(const timespec& a, const timespec& b) {
  return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

Attributes attributes_of(const TarEntry& entry) {
  const timespec atime = before(entry.atime, entry.mtime) ? entry.mtime : entry.atime;
  return {entry.uid, entry.gid, entry.mode & 07777, bounded(atime), bounded(entry.mtime), &entry.xattrs};
}

// Files of aufs' .wh..wh.plnk/, kept in a directory of an unguessable name until the layer's hard links to them are
// made.
class PseudoLinks {
 public:
  explicit PseudoLinks(int root_fd) : root_fd_(root_fd) {}
  ~PseudoLinks() {
    try {
      remove();
    } catch (const Error&) {  // the layer has failed already, and its owner removes all of it
    }
  }
  int dir() {
    if (!dir_) {
      name_ = ".cairn-plnk-" + random_hex(16);
      mkdir_at(root_fd_, name_, 0700);
      dir_ = open_dir_at(root_fd_, name_);
    }
    return dir_.get();
  }
  // The name in dir() under which the file `base` is to be kept.
  const std::string& add(const std::string& base) { return names_[base] = std::to_string(next_++); }
  const std::string* find(const std::string& base) const {
    const auto found = names_.find(base);
    return found == names_.end() ? nullptr : &found->second;
  }
  void remove() {
    if (dir_) remove_tree_at(root_fd_, name_);
    dir_.reset();
  }

 private:
  int root_fd_;
  Fd dir_;
  std::string name_;
  uint64_t next_ = 0;
  std::unordered_map<std::string, std::string> names_;
};

// What is to be done about a path when all entries are there.
struct Note {
  bool hidden = false, opaque = false;
  bool implied = false;                                // a directory without an entry
  std::optional<std::string> link;                     // a hard link to this path of a parent
  std::optional<std::pair<timespec, timespec>> times;  // of a directory
  std::string default_acl;
};

class LayerApplier {
 public:
  LayerApplier(TarReader& tar, DiffTarget& target)
      : tar_(tar),
        target_(target),
        root_(target.root_fd()),
        pseudo_links_(root_),
        dirs_(root_, [this](const std::string& path) { note_implied(path); }) {}
  Applied run();

 private:
  void unpack(const TarEntry& entry);
  void whiteout(const std::string& folder, const std::string& name);
  void keep_pseudo_link(const TarEntry& entry, const std::string& name);
  void put_root(const TarEntry& entry);
  void put_directory(const TarEntry& entry, const LayerDir& dir, const std::string& name);
  void put_file(const TarEntry& entry, const LayerDir& dir, const std::string& name);
  void put_node(const TarEntry& entry, const LayerDir& dir, const std::string& name);
  void put_link(const TarEntry& entry, const LayerDir& dir, const std::string& name);
  void link_here(const TarEntry& entry, const LayerDir& from, const std::string& source, const struct stat& st,
                 const LayerDir& dir, const std::string& name);
  void link_parents_file(const std::string& target, const LayerDir& dir, const std::string& name);
  void write_content(const TarEntry& entry, int fd);

  template <typename Create>
  int create(const LayerDir& dir, const std::string& name, Create&& make);
  void remove(const LayerDir& dir, const std::string& name);
  bool settle(const std::string& path);
  bool gone(const std::string& path) const;
  void note_implied(const std::string& path);
  void finish();
  Applied report();

  TarReader& tar_;
  DiffTarget& target_;
  int root_;
  Creation creation_;
  PseudoLinks pseudo_links_;
  std::map<std::string, Note> notes_;
  bool any_gone_ = false;  // some note may be hidden or a link
  Applied applied_;
  LayerDirs dirs_;
};

Applied LayerApplier::run() {
  raise_descriptor_limit();
  while (const TarEntry* entry = tar_.next()) {
    check_interrupt();
    if (entry->type == TarType::global_header) continue;
    while_doing([&] { return "unpacking '" + printable(entry->name) + "'"; }, [&] { unpack(*entry); });
  }
  finish();
  return report();
}

void LayerApplier::unpack(const TarEntry& entry) {
  applied_.content_bytes += static_cast<int64_t>(entry.size);
  ++applied_.entries;
  const std::string path = clean_path(entry.name);
  check_path("name", path);
  const std::string name = base_of(path);
  if (path.starts_with(kWhiteoutMeta) && path.substr(kWhiteout.size()) != kOpaque) {
    if (path.starts_with(kPseudoLinks) && entry.type == TarType::file) keep_pseudo_link(entry, name);
    return;
  }
  if (name.starts_with(kWhiteout)) return whiteout(folder_of(path), name.substr(kWhiteout.size()));
  if (entry.type == TarType::other)
    throw Error(Errc::invalid, "unhandled tar entry type '" + printable({&entry.type_flag, 1}) + "'");
  if (entry.uid == UINT32_MAX || entry.gid == UINT32_MAX)  // chown(2) would leave the owner as it is
    throw Error(Errc::invalid, "its owner is " + std::to_string(UINT32_MAX) + ": no such id can exist");
  if (path == ".") return put_root(entry);
  // To overlayfs this device is a whiteout. It is one in every store, so that all show the same.
  if (entry.type == TarType::char_device && entry.device_major == 0 && entry.device_minor == 0)
    return whiteout(folder_of(path), name);
  const auto dir = dirs_.open_or_make(folder_of(path));
  switch (entry.type) {
    case TarType::directory:
      return put_directory(entry, *dir, name);
    case TarType::file:
      return put_file(entry, *dir, name);
    case TarType::hard_link:
      return put_link(entry, *dir, name);
    default:
      return put_node(entry, *dir, name);
  }
}

// Removes what this layer has at `name`, with all that was still to be done about it.
void LayerApplier::remove(const LayerDir& dir, const std::string& name) {
  const std::string path = dir.child(name);
  const auto st = stat_at(dir.fd.get(), name);
  if (st && (S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode))) {
    remove_tree_at(dir.fd.get(), name);
    dirs_.forget();  // `dir` itself is its caller's to keep alive
    notes_.erase(notes_.lower_bound(path + "/"), notes_.lower_bound(path + "0"));  // '0' follows '/'
  } else if (st && ::unlinkat(dir.fd.get(), name.c_str(), 0) != 0) {
    throw_errno("removing what the layer had there");
  }
  notes_.erase(path);
}

// An entry takes the place of what was noted for its path. True if the parents' entry of that path is gone already.
bool LayerApplier::settle(const std::string& path) {
  if (!any_gone_) return false;
  const auto found = notes_.find(path);
  if (found == notes_.end()) return false;
  const bool linked = found->second.link.has_value();
  found->second.link.reset();
  return std::exchange(found->second.hidden, false) || linked;
}

// Parents show nothing at `path`: this layer has hidden it, or a directory above it.
bool LayerApplier::gone(const std::string& path) const {
  const auto root = notes_.find(".");
  if (root != notes_.end() && root->second.opaque) return true;
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    const auto found = notes_.find(path.substr(0, end));
    if (found != notes_.end() && (found->second.hidden || (found->second.opaque && end != std::string::npos)))
      return true;
    if (end == std::string::npos) return false;
  }
}

void LayerApplier::note_implied(const std::string& path) {
  Note& note = notes_[path];
  if (note.link)
    throw Error(Errc::invalid, "'" + printable(path) + "' on the way to it is a hard link, not a directory");
  // Where a hidden name becomes a directory again, it has nothing to do with the parent's.
  note.opaque = std::exchange(note.hidden, false) || note.opaque;
  note.implied = !note.opaque;
}

void LayerApplier::whiteout(const std::string& folder, const std::string& name) {
  if (name == kOpaque) {
    notes_[dirs_.open_or_make(folder)->path].opaque = true;
    return;
  }
  if (name.empty() || name == "." || name == "..") throw Error(Errc::invalid, "it is a whiteout of no name");
  std::string resolved;
  auto dir = dirs_.open_existing(folder, &resolved);
  if (!dir && gone(resolved)) return;  // nothing below it shows anyway
  if (!dir) dir = dirs_.open_or_make(folder);
  remove(*dir, name);
  notes_[dir->child(name)].hidden = true;
  any_gone_ = true;
}

void LayerApplier::keep_pseudo_link(const TarEntry& entry, const std::string& base) {
  const int dir = pseudo_links_.dir();
  const std::string& name = pseudo_links_.add(base);
  const Fd file = open_at(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, entry.mode & 07777);
  write_content(entry, file.get());
  set_attributes({dir, name, file.get()}, S_IFREG, attributes_of(entry), Creation::unknown());
}

void LayerApplier::put_root(const TarEntry& entry) {
  if (entry.type != TarType::directory) throw Error(Errc::invalid, "the root of a layer can only be a directory");
  const std::string name = ".";
  const Attributes wanted = attributes_of(entry);
  Note& note = notes_[name];
  note.times = {wanted.atime, wanted.mtime};
  const auto acl = entry.xattrs.find(kDefaultAcl);
  if (acl != entry.xattrs.end()) note.default_acl = acl->second;
  set_attributes({root_, name, root_}, S_IFDIR, wanted, Creation::unknown());
  dirs_.forget();
}

void LayerApplier::put_directory(const TarEntry& entry, const LayerDir& dir, const std::string& name) {
  const std::string path = dir.child(name);
  const Attributes wanted = attributes_of(entry);
  bool alone = settle(path);  // the parent's directory of that name is gone
  auto given = creation_.of(wanted.mode, true, dir.set_gid);
  const auto make = [&] { return ::mkdirat(dir.fd.get(), name.c_str(), wanted.mode & 01777); };
  if (make() != 0) {
    if (errno != EEXIST) throw_errno("making the directory");
    const auto st = stat_at(dir.fd.get(), name);
    if (st && S_ISDIR(st->st_mode)) {
      given = Creation::unknown();
      dirs_.forget();
    } else {
      remove(dir, name);
      alone = true;
      if (make() != 0) throw_errno("making the directory");
    }
  }
  Note& note = notes_[path];
  note.implied = false;
  note.opaque = note.opaque || alone;
  note.times = {wanted.atime, wanted.mtime};
  const auto acl = entry.xattrs.find(kDefaultAcl);
  note.default_acl = acl == entry.xattrs.end() ? "" : acl->second;
  set_attributes({dir.fd.get(), name}, S_IFDIR, wanted, given);
}

// Calls `make` (a system call that fails with EEXIST) and, if the layer has something there, again without it.
template <typename Create>
int LayerApplier::create(const LayerDir& dir, const std::string& name, Create&& make) {
  if (any_gone_) settle(dir.child(name));
  int result = make();
  if (result < 0 && errno == EEXIST) {
    remove(dir, name);
    result = make();
  }
  if (result < 0) throw_errno("making it");
  return result;
}

void LayerApplier::put_file(const TarEntry& entry, const LayerDir& dir, const std::string& name) {
  const Attributes wanted = attributes_of(entry);
  const Fd file(create(dir, name, [&] {
    return ::openat(dir.fd.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, wanted.mode);
  }));
  write_content(entry, file.get());
  set_attributes({dir.fd.get(), name, file.get()}, S_IFREG, wanted, creation_.of(wanted.mode, false, dir.set_gid));
}

void LayerApplier::write_content(const TarEntry& entry, int fd) {
  uint64_t at = 0;
  bool hole_last = false;
  for (;;) {
    if (const uint64_t hole = entry.sparse ? tar_.skip_hole() : 0; hole > 0) {
      at += hole;
      hole_last = true;
      if (::lseek(fd, static_cast<off_t>(at), SEEK_SET) < 0) throw_errno("writing after a hole");
    }
    const auto bytes = tar_.read_view();
    if (bytes.empty()) break;
    write_all(fd, bytes);
    at += bytes.size();
    hole_last = false;
    if (entry.size > (16u << 20)) check_interrupt();
  }
  if (hole_last && ::ftruncate(fd, static_cast<off_t>(at)) != 0) throw_errno("setting the size");
}

void LayerApplier::put_node(const TarEntry& entry, const LayerDir& dir, const std::string& name) {
  const Attributes wanted = attributes_of(entry);
  const auto& target = entry.link_target;
  if (entry.type == TarType::symlink) {
    if (target.empty()) throw Error(Errc::invalid, "it is a symbolic link to nothing");
    if (target.size() >= PATH_MAX || target.find('\0') != std::string::npos)
      throw Error(Errc::invalid, "its link target is longer than 4095 bytes or has a zero byte");
    create(dir, name, [&] { return ::symlinkat(target.c_str(), dir.fd.get(), name.c_str()); });
    return set_attributes({dir.fd.get(), name}, S_IFLNK, wanted, creation_.of(wanted.mode, false, dir.set_gid));
  }
  const bool device = entry.type != TarType::fifo;
  if (device && (entry.device_major > 0xfff || entry.device_minor > 0xfffff))
    throw Error(Errc::invalid, "no device can have the number " + std::to_string(entry.device_major) + ":" +
                                   std::to_string(entry.device_minor));
  const mode_t type = !device ? S_IFIFO : entry.type == TarType::char_device ? S_IFCHR : S_IFBLK;
  const dev_t number = device ? makedev(entry.device_major, entry.device_minor) : 0;
  create(dir, name, [&] { return ::mknodat(dir.fd.get(), name.c_str(), type | wanted.mode, number); });
  set_attributes({dir.fd.get(), name}, type, wanted, creation_.of(wanted.mode, false, dir.set_gid));
}

void LayerApplier::put_link(const TarEntry& entry, const LayerDir& dir, const std::string& name) {
  const std::string cleaned = clean_path(entry.link_target), source = base_of(cleaned);
  check_path("link target", cleaned);
  if (cleaned == ".") throw Error(Errc::invalid, "it is a hard link to the root of the layer");
  if (cleaned.starts_with(kPseudoLinks)) {
    const std::string* kept = pseudo_links_.find(source);
    if (kept == nullptr)
      throw Error(Errc::invalid, "invalid aufs hardlink: the layer has no '" + printable(cleaned) + "'");
    create(dir, name, [&] { return ::linkat(pseudo_links_.dir(), kept->c_str(), dir.fd.get(), name.c_str(), 0); });
    return;
  }
  std::string resolved;
  const auto from = dirs_.open_existing(folder_of(cleaned), &resolved);
  const std::string target = from ? from->child(source) : resolved + "/" + source;
  if (target == dir.child(name)) throw Error(Errc::invalid, "it is a hard link to itself");
  const auto st = from ? stat_at(from->fd.get(), source) : std::nullopt;
  if (st) return link_here(entry, *from, source, *st, dir, name);
  link_parents_file(target, dir, name);
}

void LayerApplier::link_here(const TarEntry& entry, const LayerDir& from, const std::string& source,
                             const struct stat& st, const LayerDir& dir, const std::string& name) {
  if (S_ISDIR(st.st_mode)) throw Error(Errc::invalid, "it is a hard link to a directory");
  create(dir, name, [&] { return ::linkat(from.fd.get(), source.c_str(), dir.fd.get(), name.c_str(), 0); });
  const Attributes wanted = attributes_of(entry);
  const bool same = st.st_uid == wanted.uid && st.st_gid == wanted.gid &&
                    (S_ISLNK(st.st_mode) || (st.st_mode & 07777) == wanted.mode) &&
                    st.st_mtim.tv_sec == wanted.mtime.tv_sec && st.st_mtim.tv_nsec == wanted.mtime.tv_nsec;
  if (same && entry.xattrs.empty()) return;
  set_attributes({dir.fd.get(), name}, st.st_mode, wanted, {st.st_uid, st.st_gid, st.st_mode & 07777, true});
}

void LayerApplier::link_parents_file(const std::string& target, const LayerDir& dir, const std::string& name) {
  const auto known = notes_.find(target);
  const std::string source = known != notes_.end() && known->second.link ? *known->second.link : target;
  if (gone(source))
    throw Error(Errc::not_found, "the layer itself removes the hard link's target '" + printable(target) + "'");
  remove(dir, name);
  notes_[dir.child(name)].link = source;
  any_gone_ = true;
}

// Whiteouts first, since they touch directories, whose times come last.
void LayerApplier::finish() {
  for (const auto& noted : notes_) {
    const std::string& at = noted.first;
    const Note& what = noted.second;
    if (!what.hidden && !what.opaque) continue;
    while_doing([&] { return "hiding what parents have at '" + printable(at) + "'"; },
                [&] {
                  const auto dir = dirs_.open_existing(what.hidden ? folder_of(at) : at);
                  if (!dir) throw Error(Errc::io, "its directory has vanished");
                  what.hidden ? target_.hide(dir->fd.get(), base_of(at)) : target_.make_opaque(dir->fd.get());
                });
  }
  pseudo_links_.remove();
  for (const auto& [path, note] : notes_) {
    if (!note.times) continue;
    const auto dir = dirs_.open_existing(folder_of(path));
    if (!dir) throw Error(Errc::io, "setting the times of '" + printable(path) + "': its directory has vanished");
    const std::string name = base_of(path);
    const InodeRef inode{dir->fd.get(), name, path == "." ? root_ : -1};
    if (!note.default_acl.empty()) set_xattr(inode, kDefaultAcl, note.default_acl);
    set_times(inode, note.times->first, note.times->second);
  }
}

Applied LayerApplier::report() {
  const auto root = notes_.find(".");
  if (root == notes_.end() || !root->second.times) applied_.implied_dirs.push_back(".");
  for (const auto& [path, note] : notes_) {
    if (note.implied && !gone(path)) applied_.implied_dirs.push_back(path);
    if (!note.link) continue;
    if (gone(*note.link))
      throw Error(Errc::invalid,
                  "unpacking '" + printable(path) + "': the layer removes its hard link's target later on");
    applied_.links.push_back({path, *note.link});
  }
  return std::move(applied_);
}

}  // namespace

Applied apply_tar(TarReader& tar, DiffTarget& target) { return LayerApplier(tar, target).run(); }

}  // namespace cairn
