#include "tests/core/archive/random_tree.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "tests/support/temp_dir.h"

namespace cairn::test {

namespace fs = std::filesystem;

// Sorted, so that the same seed does the same whatever the file system's order.
std::vector<fs::path> RandomTree::all(const fs::path& root, bool directories) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    if (directories == fs::is_directory(entry.symlink_status())) out.push_back(entry.path());
  if (directories) out.push_back(root);
  std::sort(out.begin(), out.end());
  return out;
}

fs::path RandomTree::any_directory(const fs::path& root) {
  const auto directories = all(root, true);
  return directories[static_cast<size_t>(pick(static_cast<int>(directories.size())))];
}

void RandomTree::set_metadata(const fs::path& path) {
  struct stat st;
  ::lstat(path.c_str(), &st);
  if (pick(3) == 0) ::lchown(path.c_str(), static_cast<uid_t>(pick(3) * 500), static_cast<gid_t>(pick(2) * 70000));
  const mode_t modes[] = {0644, 0755, 0600, 04755, 02755, 01777, 0000};
  if (!S_ISLNK(st.st_mode)) ::chmod(path.c_str(), modes[pick(7)]);
  if ((S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) && pick(4) == 0)
    ::lsetxattr(path.c_str(), "user.note", "x", static_cast<size_t>(pick(2)), 0);
  timespec times[2] = {{1000000000, 0}, {1000000000 + pick(1000), options_.subseconds ? pick(1000000000) : 0}};
  times[0] = times[1];
  ::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW);
}

void RandomTree::add_entry(const fs::path& directory, const fs::path& root) {
  static const char* names[] = {"a", "b", "c", "d", "a-b", "a.b", "z", "\xff\xfe", "name with spaces", "\xc3\xa4"};
  const fs::path path = directory / (std::string(names[pick(10)]) + (pick(3) == 0 ? std::to_string(pick(9)) : ""));
  if (fs::exists(fs::symlink_status(path))) return;
  switch (pick(12)) {
    case 0:
    case 1:
    case 2:
      fs::create_directory(path);
      break;
    case 3:
      fs::create_symlink(std::to_string(pick(100)), path);
      break;
    case 4:
      ::mknod(path.c_str(), S_IFCHR, makedev(1, static_cast<unsigned>(3 + pick(3))));
      break;
    case 5:
      ::mkfifo(path.c_str(), 0644);
      break;
    case 6:
      ::mknod(path.c_str(), options_.sockets ? S_IFSOCK : S_IFBLK, makedev(7, 1));
      break;
    case 7:
    case 8: {
      const auto files = all(root, false);
      if (!files.empty()) fs::create_hard_link(files[static_cast<size_t>(pick(static_cast<int>(files.size())))], path);
      return;
    }
    default:
      write_file(path, std::string(static_cast<size_t>(pick(5) * pick(2000)), static_cast<char>('a' + pick(26))));
  }
  set_metadata(path);
}

void RandomTree::make(const fs::path& root) {
  for (int i = 0; i < options_.entries; ++i) add_entry(any_directory(root), root);
  for (const auto& directory : all(root, true)) set_metadata(directory);
}

void RandomTree::change(const fs::path& path) {
  const bool directory = fs::is_directory(fs::symlink_status(path));
  switch (pick(5)) {
    case 0:
      fs::remove_all(path);
      break;
    case 1:
      fs::remove_all(path), fs::create_directory(path), write_file(path / "inside", "x"), set_metadata(path / "inside"),
          set_metadata(path);
      break;
    case 2:
      fs::remove_all(path), write_file(path, "replaced"), set_metadata(path);
      break;
    case 3:
      set_metadata(path);
      break;
    default:
      if (!directory && fs::is_regular_file(fs::symlink_status(path)))
        write_file(path, std::string(static_cast<size_t>(pick(3000)), 'm')), set_metadata(path);
  }
}

void RandomTree::mutate(const fs::path& root) {
  for (int i = 0; i < options_.entries / 3; ++i) {
    const auto candidates = all(root, pick(4) == 0);
    const auto& path = candidates[static_cast<size_t>(pick(static_cast<int>(candidates.size())))];
    if (path != root && pick(2) == 0)
      change(path);
    else
      add_entry(any_directory(root), root);
  }
}

}  // namespace cairn::test
