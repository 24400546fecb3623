#include "tests/support/fake_diff_target.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "core/util/error.h"

namespace cairn::test {

FakeDiffTarget::FakeDiffTarget(const std::filesystem::path& directory) {
  std::filesystem::create_directories(directory);
  root_ = open_dir(directory);
}

void FakeDiffTarget::hide(int dir_fd, const std::string& name) {
  if (::mknodat(dir_fd, name.c_str(), S_IFCHR, makedev(0, 0)) != 0) throw_errno("hiding '" + name + "'");
}

void FakeDiffTarget::make_opaque(int dir_fd) {
  if (::fsetxattr(dir_fd, "trusted.overlay.opaque", "y", 1, 0) != 0) throw_errno("making a directory opaque");
}

static Branch branch_of(const std::filesystem::path& directory, WhiteoutStyle style) {
  return {std::make_shared<const Fd>(open_dir(directory)), style};
}

Tree overlay_tree(const std::vector<std::filesystem::path>& branches) {
  std::vector<Branch> out;
  for (const auto& branch : branches) out.push_back(branch_of(branch, WhiteoutStyle::overlay));
  return Tree(std::move(out));
}

Tree plain_tree(const std::filesystem::path& directory) { return Tree({branch_of(directory, WhiteoutStyle::none)}); }

}  // namespace cairn::test
