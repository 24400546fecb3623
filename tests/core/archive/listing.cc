#include "tests/core/archive/listing.h"

#include <sys/mount.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>

#include "core/util/error.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

Xattrs xattrs_of(const std::string& path) {
  Xattrs out;
  char names[8192], value[65536];
  const ssize_t n = ::llistxattr(path.c_str(), names, sizeof names);
  for (const char* at = names; n > 0 && at < names + n; at += std::strlen(at) + 1) {
    const ssize_t size = ::lgetxattr(path.c_str(), at, value, sizeof value);
    if (size >= 0) out.emplace(at, std::string(value, static_cast<size_t>(size)));
  }
  return out;
}

struct Shown {
  std::string path;
  struct stat st;
  std::string body;  // content or link target
  Xattrs xattrs;
};

class Describer {
 public:
  explicit Describer(ListingOptions options) : options_(options) {}
  void add(const Shown& shown) {
    const auto& st = shown.st;
    std::string text = std::to_string(st.st_mode >> 12) + " " + std::to_string(st.st_mode & 07777) + " " +
                       std::to_string(st.st_uid) + ":" + std::to_string(st.st_gid);
    if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) text += " dev " + std::to_string(st.st_rdev);
    if (options_.times) text += " at " + std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec);
    if (S_ISREG(st.st_mode)) text += " size " + std::to_string(st.st_size);
    if (!shown.body.empty()) text += " [" + printable(shown.body, 200) + "]";
    for (const auto& [name, value] : shown.xattrs)
      if (!name.starts_with("trusted.overlay.")) text += " " + name + "=" + printable(value);
    if (options_.links && !S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      const auto [first, is_new] = first_.emplace(std::pair(st.st_dev, st.st_ino), shown.path);
      if (!is_new) text += " =" + first->second;
    }
    listing.emplace(shown.path, text);
  }
  TreeListing listing;

 private:
  ListingOptions options_;
  std::map<std::pair<dev_t, ino_t>, std::string> first_;
};

void walk_directory(Describer& into, const std::filesystem::path& root, const std::string& path) {
  Shown shown{path, {}, "", {}};
  const std::string full = root.string() + path;
  if (::lstat(full.c_str(), &shown.st) != 0) {
    if (errno == ENOENT) return;  // overlay lists the whiteouts of a directory that only one layer has
    throw_errno("reading the status of " + full);
  }
  shown.xattrs = xattrs_of(full);
  if (S_ISREG(shown.st.st_mode)) shown.body = read_file(full);
  if (S_ISLNK(shown.st.st_mode)) shown.body = std::filesystem::read_symlink(full);
  into.add(shown);
  if (!S_ISDIR(shown.st.st_mode)) return;
  const Fd dir = open_dir_at(AT_FDCWD, full);
  for (const auto& name : list_dir(dir.get())) walk_directory(into, root, path + "/" + name);
}

void walk_tree(Describer& into, const TreeNode& node, const std::string& path) {
  Shown shown{path, node.st(), "", node.xattrs()};
  if (S_ISREG(node.st().st_mode)) shown.body = read_all(*content_of(node), 64 << 20);
  if (S_ISLNK(node.st().st_mode)) shown.body = node.link_target();
  into.add(shown);
  for (const auto& child : node.children()) walk_tree(into, child, path + "/" + child.name());
}

}  // namespace

TreeListing list_directory(const std::filesystem::path& root, ListingOptions options) {
  Describer out(options);
  walk_directory(out, root, "");
  return out.listing;
}

TreeListing list_tree(const Tree& tree, ListingOptions options) {
  Describer out(options);
  walk_tree(out, tree.root(), "");
  return out.listing;
}

std::vector<std::string> differences(const TreeListing& one, const TreeListing& other) {
  std::vector<std::string> out;
  const auto text = [](const TreeListing& listing, const std::string& path) {
    const auto found = listing.find(path);
    return found == listing.end() ? "(absent)" : found->second;
  };
  TreeListing all = one;
  all.insert(other.begin(), other.end());
  for (const auto& [path, ignored] : all)
    if (!path.empty() && text(one, path) != text(other, path))
      out.push_back(printable(path) + ": " + text(one, path) + " | " + text(other, path));
  return out;
}

void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

}  // namespace cairn::test
