#include "tests/support/tree_listing.h"

#include <sys/sysmacros.h>

#include <memory>
#include <utility>

#include "core/archive/stream.h"
#include "core/digest/digest.h"
#include "core/util/error.h"

namespace cairn::test {

namespace {

struct Listed {
  TreeListing lines;
  std::map<std::pair<dev_t, ino_t>, std::string> first_names;

  void add(const TreeNode& node, const std::string& path);
  std::string content(const TreeNode& node);
};

std::string type_of(const struct stat& st) {
  switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
      return "d";
    case S_IFREG:
      return "f";
    case S_IFLNK:
      return "l";
    case S_IFCHR:
      return "c";
    case S_IFBLK:
      return "b";
    case S_IFIFO:
      return "p";
    default:
      return "?";
  }
}

std::string Listed::content(const TreeNode& node) {
  const auto source = content_of(node);
  Sha256 hash;
  char buffer[64 << 10];
  while (const size_t n = source->read(buffer)) hash.update(std::span(buffer, n));
  return hash.finish().hex().substr(0, 16);
}

void Listed::add(const TreeNode& node, const std::string& path) {
  const struct stat& st = node.st();
  std::string line = type_of(st) + " " + std::to_string(st.st_mode & 07777) + " " + std::to_string(st.st_uid) + ":" +
                     std::to_string(st.st_gid);
  if (!node.is_dir()) {
    line += " size=" + std::to_string(st.st_size) + " mtime=" + std::to_string(st.st_mtim.tv_sec) + "." +
            std::to_string(st.st_mtim.tv_nsec);
    const auto [first, fresh] = first_names.emplace(std::pair(st.st_dev, st.st_ino), path);
    if (!fresh) line += " same-as=" + printable(first->second);
  }
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
    line += " dev=" + std::to_string(major(st.st_rdev)) + ":" + std::to_string(minor(st.st_rdev));
  if (S_ISLNK(st.st_mode)) line += " -> " + printable(node.link_target());
  if (S_ISREG(st.st_mode)) line += " sha=" + content(node);
  for (const auto& [name, value] : node.xattrs()) line += " " + printable(name) + "=" + printable(value);
  lines[path] = line;
  for (const auto& child : node.children()) add(child, path == "." ? child.name() : path + "/" + child.name());
}

}  // namespace

TreeListing listing_of(const Tree& tree) {
  Listed listed;
  listed.add(tree.root(), ".");
  return listed.lines;
}

TreeListing listing_of_directory(const std::string& path) {
  return listing_of(Tree({Branch{std::make_shared<Fd>(open_dir(path)), WhiteoutStyle::none}}));
}

}  // namespace cairn::test
