#include "cli/output/out_file.h"

#include <unistd.h>

#include <cstdio>

#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {

mode_t OutFile::user_umask = 022;

OutFile::OutFile(const std::string& path, const std::string& what) : path_(path) {
  if (path.empty() || path == "-") {
    if (is_terminal(STDOUT_FILENO))
      throw UserError(Errc::invalid,
                      "writing " + what + ": standard output is a terminal; use -o FILE, or redirect it");
    return;
  }
  struct stat st;
  const bool there = ::stat(path.c_str(), &st) == 0;
  if (there && !S_ISREG(st.st_mode)) {
    file_ = as_named_by_user([&] { return open_at(AT_FDCWD, path, O_WRONLY | O_NOCTTY); });
    if (is_terminal(file_.get()))
      throw UserError(Errc::invalid,
                      "writing " + what + " to '" + printable(path) + "': it is a terminal; name a file");
    return;
  }
  temporary_ = path + ".tmp-cairn-" + random_hex(4);
  const mode_t mode = there ? st.st_mode & 0777 : 0666 & ~user_umask;
  file_ = as_named_by_user([&] {
    return while_doing([&] { return "writing " + what + " to '" + printable(path) + "'"; },
                       [&] { return open_at(AT_FDCWD, temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode); });
  });
}

OutFile::~OutFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutFile::write(std::span<const char> bytes) {
  if (file_)
    write_all(file_.get(), bytes);
  else
    print({bytes.data(), bytes.size()});
}

void OutFile::commit() {
  if (temporary_.empty()) return;
  fsync_fd(file_.get(), path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0)
    throw_errno("naming the complete file '" + printable(path_) + "'");
  temporary_.clear();
}

}  // namespace cairn
