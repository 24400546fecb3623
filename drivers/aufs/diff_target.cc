#include "drivers/aufs/diff_target.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <cstdio>

#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "core/util/take_group.h"
#include "drivers/aufs/ancestors.h"
#include "drivers/aufs/marks.h"
#include "drivers/sys/implied.h"

namespace cairn::aufs {

static Fd begin_diff(Aufs& driver, const LayerId& id) {
  const int home = driver.home().make();
  for (const char* part : {"mnt", "diff", "layers"})
    if (ensure_dir_at(home, part, 0710)) take_group(open_dir_at(home, part).get(), home);
  for (const auto& path :
       {"layers/" + id.str(), "mnt/" + id.str(), "mnt/" + id.str() + "-removing", "diff/" + id.str() + "-removing"})
    if (exists_at(home, path))
      throw Error(Errc::already_exists,
                  "making the layer '" + id.str() + "': '" + path + "' is there; removing the layer removes it");
  mkdir_at(home, "diff/" + id.str(), 0755);
  return open_dir_at(home, "diff/" + id.str());
}

// Delegates, so that the destructor removes only what this constructor made.
AufsTarget::AufsTarget(Aufs& driver, const LayerId& id) : AufsTarget(driver, id, begin_diff(driver, id)) {}

AufsTarget::~AufsTarget() {
  if (finished_) return;
  try {
    driver_.discard(id_);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

void AufsTarget::make_mark(int dir_fd, const std::string& name) {
  create_file_at(dir_fd, name, "", 0444);
  // A set-group-id directory gives its group to what is made in it.
  if (::fchownat(dir_fd, name.c_str(), 0, 0, AT_SYMLINK_NOFOLLOW) != 0) throw_errno("giving it to root");
  marks_.insert(stat_at(dir_fd, name)->st_ino);
}

void AufsTarget::mark(int dir_fd, const std::string& name) {
  while_doing([&] { return "making '" + printable(name) + "'"; },
              [&] {
                const std::string own(kMark);
                if (!exists_at(diff_.get(), own)) make_mark(diff_.get(), own);
                if (::linkat(diff_.get(), own.c_str(), dir_fd, name.c_str(), 0) == 0) return;
                if (!exists_at(dir_fd, name)) make_mark(dir_fd, name);  // too many links, or a file system without them
              });
}

void AufsTarget::hide(int dir_fd, const std::string& name) {
  if (name.starts_with(kWhiteout)) return;  // no layer has such a name
  if (name.size() + kWhiteout.size() > NAME_MAX)
    throw Error(Errc::unsupported, "hiding '" + printable(name) +
                                       "': aufs would do it by a file '.wh.NAME', whose name " + "is too long (" +
                                       std::to_string(name.size() + kWhiteout.size()) + " bytes of " +
                                       std::to_string(NAME_MAX) + "); load the image into an overlay2 store");
  mark(dir_fd, std::string(kWhiteout) + name);
}

void AufsTarget::make_opaque(int dir_fd) { mark(dir_fd, std::string(kOpaque)); }

// Runs `body`, which puts marks into `dir_fd`, and gives the directory back the times that the layer set.
template <typename Body>
static void keep_times(int dir_fd, Body&& body) {
  struct stat before;
  if (::fstat(dir_fd, &before) != 0) throw_errno("reading the status of a layer's directory");
  body();
  const timespec times[2] = {before.st_atim, before.st_mtim};
  if (::futimens(dir_fd, times) != 0) throw_errno("restoring the times of a layer's directory");
}

// The kernel's aufs looks for no mark in a branch's root, so each name that it would hide is hidden by itself.
void AufsTarget::spell_out_opaque_root(const TreeNode& parent) {
  for (const auto& node : parent.children()) {
    const auto own = stat_at(diff_.get(), node.name());
    if (!own) hide(diff_.get(), node.name());
    if (!own || !S_ISDIR(own->st_mode)) continue;
    const Fd dir = open_dir_at(diff_.get(), node.name());
    keep_times(dir.get(), [&] { make_opaque(dir.get()); });
  }
}

void AufsTarget::refuse_forged_marks(int dir_fd, const std::string& path) const {
  for (const auto& [name, type] : entries_of(dir_fd)) {
    if (type == DT_DIR && !name.starts_with(kWhiteout)) {
      refuse_forged_marks(open_dir_at(dir_fd, name).get(), path + name + "/");
    } else if (name.starts_with(kWhiteout)) {
      const auto st = stat_at(dir_fd, name);
      if (st && !marks_.contains(st->st_ino))
        throw Error(Errc::unsupported, "its '" + printable(path + name) +
                                           "' is what aufs takes for a whiteout: no file " +
                                           "in an aufs store can have such a name");
    }
  }
}

// The ids for the file `layers`.
std::vector<LayerId> AufsTarget::lie_on(const LayerId& parent, const std::vector<std::string>& implied_dirs) {
  if (!driver_.exists(parent))
    throw Error(Errc::not_found, "opening the parent '" + parent.str() + "': aufs has no such layer");
  auto ancestors = ancestors_of(driver_.home_fd(), parent);
  if (ancestors.size() >= kMaxParents)
    throw Error(Errc::unsupported, "making a layer on '" + parent.str() + "': it has " +
                                       std::to_string(ancestors.size()) + " parents already, and the limit is " +
                                       std::to_string(kMaxParents));
  ancestors.insert(ancestors.begin(), parent);
  const Tree below = driver_.tree(parent);
  complete_implied(diff_.get(), below, implied_dirs, WhiteoutStyle::aufs);
  if (exists_at(diff_.get(), std::string(kOpaque)))
    keep_times(diff_.get(), [&] { spell_out_opaque_root(below.root()); });
  return ancestors;
}

void AufsTarget::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + id_.str() + "'"; },
              [&] {
                refuse_forged_marks(diff_.get(), "");
                const auto ancestors = parent ? lie_on(*parent, implied_dirs) : std::vector<LayerId>();
                const int home = driver_.home_fd();
                mkdir_at(home, "mnt/" + id_.str(), 0755);
                replace_file_at(home, "layers/" + id_.str(), ancestors_text(ancestors), 0644,
                                Durable::no);  // as all of the layer: the caller syncs
                finished_ = true;
              });
}

}  // namespace cairn::aufs
