#include "drivers/aufs/marks.h"

#include <dirent.h>
#include <sys/stat.h>

#include <memory>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn::aufs {

static unsigned char type_of(int dir_fd, const std::string& name) {
  const auto st = stat_at(dir_fd, name);
  return st ? static_cast<unsigned char>(IFTODT(st->st_mode)) : static_cast<unsigned char>(DT_UNKNOWN);
}

std::vector<Entry> entries_of(int dir_fd) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::fdopendir(open_dir_at(dir_fd, ".").release()), ::closedir);
  const auto fail = [&] { throw_errno("listing '" + printable(path_of(dir_fd)) + "'"); };
  if (!dir) fail();
  std::vector<Entry> out;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(dir.get());
    if (!entry && errno != 0) fail();
    if (!entry) return out;
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    out.push_back({name, entry->d_type == DT_UNKNOWN ? type_of(dir_fd, name) : entry->d_type});
  }
}

}  // namespace cairn::aufs
