#include "core/image/sources/directory_archive.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/image/sources/member_links.h"
#include "core/util/error.h"

namespace cairn {

// Links are followed inside the directory only; O_NONBLOCK, for a fifo would be waited for.
std::optional<Fd> DirectoryArchive::find(const std::string& member) const {
  const std::string name = member_name(member);
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, dir_.get(), name.c_str(), &how, sizeof how);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (fd < 0 && errno == EXDEV)
    throw Error(Errc::corrupt, "opening '" + printable(name) + "': a link leads out of the archive's directory");
  if (fd < 0) throw_errno("opening '" + printable(name) + "'");
  Fd file(static_cast<int>(fd));
  struct stat st;
  if (::fstat(file.get(), &st) != 0) throw_errno("reading the status of '" + printable(name) + "'");
  if (!S_ISREG(st.st_mode)) throw Error(Errc::corrupt, "opening '" + printable(name) + "': not a regular file");
  return file;
}

std::optional<std::string> DirectoryArchive::text(const std::string& member) const {
  const auto source = open(member);
  if (!source) return std::nullopt;
  return while_doing([&] { return "reading '" + printable(member) + "'"; },
                     [&] { return read_all(*source, kMaxText); });
}

std::vector<std::string> DirectoryArchive::directories() const {
  std::vector<std::string> out;
  for (const auto& name : list_dir(dir_.get()))
    if (const auto st = stat_at(dir_.get(), name); st && S_ISDIR(st->st_mode)) out.push_back(name);
  return out;
}

uint64_t DirectoryArchive::size_of(const std::string& member) const {
  const auto file = find(member);
  struct stat st;
  return file && ::fstat(file->get(), &st) == 0 ? static_cast<uint64_t>(st.st_size) : 0;
}

std::unique_ptr<ByteSource> DirectoryArchive::open(const std::string& member) const {
  auto file = find(member);
  return file ? read_from(std::move(*file)) : nullptr;
}

}  // namespace cairn
