#include "cli/output/out_file.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {

mode_t OutFile::user_umask = 022;

// What `path` leads to, if it has a name: nullopt for an open file that a link of /proc leads to, -1 for nothing at
// all. The kernel follows links for us, as it knows whose must not be followed in directories of everybody.
static std::optional<Fd> look_at(const std::filesystem::path& path, const std::string& doing) {
  const std::string parent = path.parent_path().string(), name = path.filename().string();
  const auto folder = try_open_at(AT_FDCWD, parent.empty() ? "." : parent, O_PATH | O_DIRECTORY);
  if (!folder) return Fd();
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, folder->get(), name.empty() ? "." : name.c_str(), &how, sizeof how);
  if (fd < 0 && errno == ELOOP) return std::nullopt;
  if (fd < 0 && errno != ENOENT) throw_errno(doing);
  return Fd(static_cast<int>(fd));
}

OutFile::OutFile(const std::string& path, const std::string& what) : path_(path) {
  if (path.empty() || path == "-") {
    if (is_terminal(STDOUT_FILENO))
      throw UserError(Errc::invalid,
                      "writing " + what + ": standard output is a terminal; use -o FILE, or redirect it");
    return;
  }
  as_named_by_user([&] { open("writing " + what + " to '" + printable(path) + "'"); });
}

void OutFile::open(const std::string& doing) {
  const auto there = look_at(path_, doing);
  struct stat st;
  if (there && *there && ::fstat(there->get(), &st) != 0) throw_errno(doing);
  if (!there || (*there && !S_ISREG(st.st_mode))) return open_directly(doing);
  const auto own = stat_at(AT_FDCWD, path_);
  const bool link = own && S_ISLNK(own->st_mode);
  if (link && !*there) throw Error(Errc::invalid, doing + ": it is a symbolic link to nothing; name the file itself");
  target_ = link ? path_of(there->get()) : path_;
  temporary_ = target_ + ".tmp-cairn-" + random_hex(4);
  const mode_t mode = *there ? st.st_mode & 0777 : 0666 & ~user_umask;
  file_ = Fd(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  if (!file_) {
    temporary_.clear();
    throw_errno(doing);
  }
}

void OutFile::open_directly(const std::string& doing) {
  struct stat here, out;
  const bool is_stdout = ::stat(path_.c_str(), &here) == 0 && ::fstat(STDOUT_FILENO, &out) == 0 &&
                         here.st_dev == out.st_dev && here.st_ino == out.st_ino;
  if (!is_stdout) {  // opened again, that would be written from its beginning
    file_ = Fd(::open(path_.c_str(), O_WRONLY | O_NOCTTY | O_TRUNC | O_CLOEXEC));
    if (!file_) throw_errno(doing);
  }
  if (is_terminal(is_stdout ? STDOUT_FILENO : file_.get()))
    throw Error(Errc::invalid, doing + ": it is a terminal; name a file");
}

OutFile::~OutFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutFile::write(std::span<const char> bytes) {
  if (file_)
    write_all(file_.get(), bytes, path_);
  else
    print({bytes.data(), bytes.size()});
}

void OutFile::commit() {
  if (temporary_.empty()) return;
  fsync_fd(file_.get(), path_);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0)
    throw_errno("naming the complete file '" + printable(path_) + "'");
  temporary_.clear();
}

std::string OutFile::folder() const {
  const std::string parent = std::filesystem::path(target_).parent_path().string();
  return target_.empty() || !parent.empty() ? parent : ".";
}

}  // namespace cairn
