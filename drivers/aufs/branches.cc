#include "drivers/aufs/branches.h"

#include <fcntl.h>
#include <sys/mount.h>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn::aufs {

namespace fs = std::filesystem;

static const std::string kDirperm = ",dirperm1";
static constexpr size_t kOthers = 54;  // what the engine sets aside for the other options

namespace {

// Appends `item` if it fits into `room` together with what is there.
bool fits(std::string& options, const std::string& item, size_t room) {
  if (options.size() + item.size() > room) return false;
  options += item;
  return true;
}

[[noreturn]] void throw_no_room(const LayerId& id, size_t room) {
  throw Error(Errc::unsupported, "mounting the layer '" + id.str() +
                                     "' by aufs: a single layer's path needs more than " + std::to_string(room) +
                                     " bytes of mount options; a shorter --root helps");
}

}  // namespace

std::vector<MountSpec> mount_steps(const fs::path& home, const LayerId& id, const std::vector<LayerId>& parents,
                                   Access access, const fs::path& target, size_t page_size, bool dirperm1) {
  if (parents.size() >= kMaxBranches)
    throw Error(Errc::unsupported, "mounting the layer '" + id.str() + "' by aufs: it has " +
                                       std::to_string(parents.size()) + " parents, and the kernel joins " +
                                       std::to_string(kMaxBranches) + " branches at most");
  const bool plain = home.string().find_first_of(",:=\\") == std::string::npos;
  const std::string diff = (plain ? home.string() + "/" : "") + "diff/";
  const size_t room = page_size - kOthers - (dirperm1 ? kDirperm.size() : 0);
  MountSpec first;
  first.type = "aufs";
  first.source = (home / "diff" / id.str()).string();  // by which a mount tells what it shows
  first.target = target;
  first.flags = access == Access::read_only ? static_cast<unsigned long>(MS_RDONLY) : 0;
  if (!plain) first.directory = home;
  MountSpec next = first;
  next.flags |= MS_REMOUNT;

  size_t done = 0;
  if (!fits(first.data, "br:" + diff + id.str() + (access == Access::read_write ? "=rw" : "=ro+wh"), room))
    throw_no_room(id, room);
  while (done < parents.size() && fits(first.data, ":" + diff + parents[done].str() + "=ro+wh", room)) ++done;
  first.data += ",dio,xino=/dev/shm/aufs.xino" + (dirperm1 ? kDirperm : "");
  std::vector<MountSpec> out{first};
  while (done < parents.size()) {
    next.data.clear();
    while (done < parents.size() && fits(next.data, "append:" + diff + parents[done].str() + "=ro+wh,", room)) ++done;
    if (next.data.empty()) throw_no_room(parents[done], room);
    out.push_back(next);
  }
  return out;
}

}  // namespace cairn::aufs
