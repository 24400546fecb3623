#include "drivers/aufs/driver.h"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "core/util/error.h"
#include "core/util/usage.h"
#include "drivers/aufs/ancestors.h"
#include "drivers/aufs/aufs.h"
#include "drivers/aufs/branches.h"
#include "drivers/aufs/diff_target.h"
#include "drivers/aufs/masks.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"
#include "drivers/sys/overlay.h"
#include "drivers/sys/scratch.h"

namespace cairn {

namespace fs = std::filesystem;

std::unique_ptr<Driver> open_aufs(const fs::path& root, const DriverOptions& options) {
  for (const auto& [key, value] : options.storage_opts)
    throw Error(Errc::invalid, "opening aufs: it has no storage option '" + printable(key) + "'");
  return std::make_unique<aufs::Aufs>(root);
}

namespace aufs {

static constexpr std::string_view kRemoving = "-removing";

bool Aufs::exists(const LayerId& id) const {
  const auto home = home_.try_fd();
  return home && exists_at(*home, "layers/" + id.str());
}

std::vector<LayerId> Aufs::list() const {
  std::set<LayerId> out;
  const auto home = home_.try_fd();
  for (const char* part : {"layers", "diff", "mnt"}) {
    const auto dir = home ? try_open_at(*home, part, O_RDONLY | O_DIRECTORY) : std::nullopt;
    if (!dir) continue;
    for (std::string name : list_dir(dir->get())) {
      if (part != std::string("layers") && name.ends_with(kRemoving)) name.resize(name.size() - kRemoving.size());
      if (LayerId::valid(name)) out.insert(LayerId(name));
    }
  }
  return {out.begin(), out.end()};
}

void Aufs::create(const LayerId& id, const std::optional<LayerId>& parent) {
  while_doing([&] { return "creating the layer '" + id.str() + "'"; }, [&] { begin(id)->finish(parent, {"."}); });
}

std::unique_ptr<DiffTarget> Aufs::begin(const LayerId& id) {
  if (id.str().ends_with(kRemoving))
    throw Error(Errc::invalid, "making the layer '" + id.str() + "': aufs keeps what it deletes under such names");
  return std::make_unique<AufsTarget>(*this, id);
}

// The directory `part`/ID is out of the way from here on.
static void retire(int home, const std::string& part, const LayerId& id) {
  const std::string path = part + "/" + id.str(), retired = path + std::string(kRemoving);
  if (!exists_at(home, path)) return;
  remove_tree_at(home, retired);
  if (::renameat(home, path.c_str(), home, retired.c_str()) != 0) throw_errno("renaming '" + path + "'");
}

void Aufs::discard(const LayerId& id) const {
  const auto home = home_.try_fd();
  if (!home) return;
  retire(*home, "mnt", id);
  remove_tree_at(*home, "layers/" + id.str());  // whatever damage made of it
  retire(*home, "diff", id);
  for (const char* part : {"mnt/", "diff/"}) remove_tree_at(*home, part + id.str() + std::string(kRemoving));
}

void Aufs::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                if (const auto target = mounted(id)) throw_mounted(*target);
                if (home_.try_fd()) discard(id);
              });
}

// The layer whose diff directory a mount's source names, if it is one of this home.
static std::optional<LayerId> layer_of(const fs::path& source, int home) {
  const std::string name = source.filename();
  if (source.parent_path().filename() != "diff" || !LayerId::valid(name)) return std::nullopt;
  const auto own = stat_at(home, "diff/" + name);
  if (!own) return std::nullopt;
  const auto st = stat_at(AT_FDCWD, source);
  const bool same = !st || (st->st_dev == own->st_dev && st->st_ino == own->st_ino);
  return same ? std::optional(LayerId(name)) : std::nullopt;
}

// Where `id` is part of a mount: by its own path, or because a layer above it is mounted. What a mount joins is not to
// be read from its options, but its source (ours) or its target (the engine's, mnt/ID) names the uppermost layer.
std::optional<fs::path> Aufs::mounted(const LayerId& id) const {
  if (!home_.try_fd()) return std::nullopt;
  if (const auto target = mounted_on(home_, "mnt/" + id.str(), {"diff/" + id.str()})) return target;
  const fs::path mounts = home_.path() / "mnt";
  for (const auto& one : mount_table()) {
    auto top = one.type == "overlay" || one.type == "aufs" ? layer_of(one.source, home_.fd()) : std::nullopt;
    if (one.target.parent_path() == mounts && LayerId::valid(one.target.filename().string()))
      top = LayerId(one.target.filename().string());
    if (!top) continue;
    const auto text = *top == id ? std::nullopt : try_read_file_at(home_.fd(), "layers/" + top->str());
    if (*top == id || (text && ("\n" + *text).find("\n" + id.str() + "\n") != std::string::npos)) return one.target;
  }
  return std::nullopt;
}

Fd Aufs::open_diff(const LayerId& id) const {
  const std::string path = "diff/" + id.str();
  const auto st = stat_at(home_.fd(), path);
  if (!st || !S_ISDIR(st->st_mode))
    throw Error(Errc::corrupt, "opening '" + path +
                                   "' of aufs: the directory is missing; removing the images on it and loading them " +
                                   "again brings it back");
  return open_dir_at(home_.fd(), path);
}

std::vector<std::shared_ptr<const Fd>> Aufs::open_branches(const LayerId& id,
                                                           const std::vector<LayerId>& ancestors) const {
  std::vector<std::shared_ptr<const Fd>> out{std::make_shared<const Fd>(open_diff(id))};
  for (const auto& ancestor : ancestors) out.push_back(std::make_shared<const Fd>(open_diff(ancestor)));
  return out;
}

Tree Aufs::tree(const LayerId& id) const { return tree_over(id, ancestors_of(home_.fd(), id)); }

Tree Aufs::tree_over(const LayerId& id, const std::vector<LayerId>& ancestors) const {
  std::vector<Branch> branches;
  for (auto& dir : open_branches(id, ancestors)) branches.push_back({std::move(dir), WhiteoutStyle::aufs});
  return Tree(std::move(branches));
}

std::vector<Damage> Aufs::examine(const LayerParents& parents) const {
  std::vector<Damage> out;
  const auto home = home_.try_fd();
  if (!home) return out;
  for (const auto& [id, parent] : parents)
    if (exists_at(*home, "diff/" + id.str()))
      if (auto damage = examine_ancestors(*home, id, parents)) out.push_back(std::move(*damage));
  return out;
}

int64_t Aufs::layer_size(const LayerId& id, int64_t) const {
  ancestors_of(home_.fd(), id);
  return usage_of(open_diff(id).get()).content;
}

uint64_t Aufs::disk_usage(const LayerId& id) const {
  ancestors_of(home_.fd(), id);
  return usage_of(open_diff(id).get()).on_disk;
}

void Aufs::check_writable(const LayerId& id) const {
  const std::string doing = "mounting the layer '" + id.str() + "' for writing: ";
  if (has_children(home_.fd(), id)) throw Error(Errc::invalid, doing + "other layers lie on it");
  if (const auto elsewhere = mounted(id))
    throw Error(Errc::in_use, doing + "it is mounted on '" + printable(elsewhere->string()) + "'");
}

// Unmounting such a mount leaves the pseudo-links of that session unflushed: names that were linked to a file of a
// lower layer become files of their own, with the content they had. Only the program auplink(8) writes them out:
// 'auplink TARGET flush' before unmounting keeps them linked.
void Aufs::mount_aufs(const LayerId& id, const std::vector<LayerId>& parents, Access access, const fs::path& target) {
  const auto join = [&](bool dirperm1) {
    const auto steps =
        mount_steps(home_.path(), id, parents, access, target, static_cast<size_t>(::getpagesize()), dirperm1);
    MountGuard guard(steps.front());
    for (size_t i = 1; i < steps.size(); ++i) MountGuard(steps[i]).release();
    guard.release();
  };
  try {
    join(true);
  } catch (const Error& e) {
    if (e.code() != Errc::io) throw;
    join(false);  // aufs before Linux 3.18 refuses dirperm1
  }
}

void Aufs::mount_masked(const LayerId& id, const std::vector<LayerId>& parents, const fs::path& target) {
  const auto branches = open_branches(id, parents);
  const std::string top = path_of(branches.front()->get());
  const Scratch scratch;  // the mount keeps its content
  const auto lowers = write_masks(branches, scratch.fd());
  if (lowers.size() == 1) {  // overlayfs joins two directories or more
    MountGuard(bind_spec(top, target, true)).release();
    return;
  }
  const auto options = overlay_options(kernel_overlay_parameters(), Access::read_only);
  MountSpec spec =
      overlay_spec(scratch.path(), {lowers, "", ""}, options, target, static_cast<size_t>(::getpagesize()));
  spec.source = top;
  MountGuard(spec).release();
}

void Aufs::mount(const LayerId& id, Access access, const fs::path& target) {
  const auto parents = ancestors_of(home_.fd(), id);
  const fs::path place = free_mount_point(target);
  const auto branches = open_branches(id, parents);  // whole, all of them
  if (access == Access::read_write) check_writable(id);
  if (parents.empty() && access == Access::read_write) {
    MountGuard(bind_spec(path_of(branches.front()->get()), place, false)).release();
    return;
  }
  if (!parents.empty() && kernel_has_file_system("aufs")) return mount_aufs(id, parents, access, place);
  if (access == Access::read_write)
    throw Error(Errc::unsupported, "mounting the layer '" + id.str() +
                                       "' for writing: this kernel has no aufs; 'modprobe aufs' where it was built, " +
                                       "or mount it read-only");
  mount_masked(id, parents, place);
}

}  // namespace aufs
}  // namespace cairn
