#include "cli/tree_path.h"

#include "cli/exit.h"

namespace cairn {

std::optional<TreeNode> find_in(const Tree& tree, const Subject& subject, const std::string& path, Tree::Last last) {
  if (tree.empty() && path.find_first_not_of("/.") == path.npos) return std::nullopt;
  const auto node = tree.empty() ? std::nullopt : as_named_by_user([&] { return tree.find(path, last); });
  if (!node)
    throw UserError(Errc::not_found,
                    "finding '" + printable(path) + "' in " + subject.label + ": no such file or directory");
  return node;
}

static char type_letter(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return 'd';
    case S_IFLNK:
      return 'l';
    case S_IFCHR:
      return 'c';
    case S_IFBLK:
      return 'b';
    case S_IFIFO:
      return 'p';
    case S_IFSOCK:
      return 's';
    default:
      return '-';
  }
}

std::string mode_string(mode_t mode) {
  std::string out{type_letter(mode)};
  for (int shift = 6; shift >= 0; shift -= 3) {
    out += (mode >> shift & 4) != 0 ? 'r' : '-';
    out += (mode >> shift & 2) != 0 ? 'w' : '-';
    out += (mode >> shift & 1) != 0 ? 'x' : '-';
  }
  const auto special = [&](mode_t bit, size_t at, char with_x, char without_x) {
    if ((mode & bit) != 0) out[at] = out[at] == 'x' ? with_x : without_x;
  };
  special(S_ISUID, 3, 's', 'S');
  special(S_ISGID, 6, 's', 'S');
  special(S_ISVTX, 9, 't', 'T');
  return out;
}

}  // namespace cairn
