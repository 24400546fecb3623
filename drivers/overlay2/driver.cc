#include "drivers/overlay2/driver.h"

#include <unistd.h>

#include <memory>

#include "core/util/error.h"
#include "core/util/usage.h"
#include "drivers/overlay2/diff_target.h"
#include "drivers/overlay2/examine.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/overlay.h"
#include "drivers/sys/overlay_marks.h"
#include "drivers/sys/size.h"

namespace cairn {

namespace fs = std::filesystem;

std::unique_ptr<Driver> open_overlay2(const fs::path& root, const DriverOptions& options) {
  uint64_t size = 0;
  for (const auto& [key, value] : options.storage_opts)
    if (key == "overlay2.size")
      size = parse_size(value);
    else if (key != "overlay2.override_kernel_check")  // which no engine has looked at since 17.12
      throw Error(Errc::invalid, "opening overlay2: it has no storage option '" + printable(key) + "'");
  return std::make_unique<overlay2::Overlay2>(root, size);
}

namespace overlay2 {

void Overlay2::create(const LayerId& id, const std::optional<LayerId>& parent) {
  while_doing([&] { return "creating the layer '" + id.str() + "'"; },
              [&] { Overlay2Target(*this, id, created_size_).finish(parent, {"."}); });
}

std::unique_ptr<DiffTarget> Overlay2::begin(const LayerId& id) { return std::make_unique<Overlay2Target>(*this, id); }
std::unique_ptr<DiffTarget> Overlay2::reopen(const LayerId& id) { return Overlay2Target::reopen(*this, id); }

std::optional<fs::path> Overlay2::mounted(const LayerId& id) const {
  if (!home_.exists(id)) return std::nullopt;
  std::vector<std::string> names{id.str() + "/diff"};
  try {
    names.push_back("l/" + links_.link_of(id));
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;  // a damaged layer can be removed, too
  }
  return mounted_on(home_, id.str(), names);
}

void Overlay2::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                if (const auto target = mounted(id)) throw_mounted(*target);
                const auto stage = home_.unpublish(id);
                if (!stage) return;
                links_.remove_links(id, *stage);
                home_.discard(id);
              });
}

Fd Overlay2::open_diff(const LayerId& id) const {
  const Fd layer = home_.open(id);
  const auto st = stat_at(layer.get(), "diff");
  if (!st || !S_ISDIR(st->st_mode))
    throw Error(Errc::corrupt,
                "opening '" + id.str() +
                    "/diff' of overlay2: the directory is missing; removing the images on it and loading "
                    "them again brings it back");
  return open_dir_at(layer.get(), "diff");
}

Tree Overlay2::tree(const LayerId& id) const {
  std::vector<LayerId> ancestors;
  for (auto& lower : links_.lowers_of(id)) ancestors.push_back(std::move(lower.id));
  return tree_over(id, ancestors);
}

Tree Overlay2::tree_over(const LayerId& id, const std::vector<LayerId>& ancestors) const {
  if (!ancestors.empty()) require_visible_marks(home_.fd());
  std::vector<Branch> branches{{std::make_shared<Fd>(open_diff(id)), WhiteoutStyle::overlay}};
  for (const auto& ancestor : ancestors)
    branches.push_back({std::make_shared<Fd>(open_diff(ancestor)), WhiteoutStyle::overlay});
  return Tree(std::move(branches));
}

std::optional<Tree> Overlay2::own_files(const LayerId& id) const {
  return Tree({Branch{std::make_shared<Fd>(open_diff(id)), WhiteoutStyle::none}});
}

std::vector<Damage> Overlay2::examine(const LayerParents& parents) const {
  return examine_records(home_, links_, parents);
}

int64_t Overlay2::layer_size(const LayerId& id, int64_t) const { return usage_of(open_diff(id).get()).content; }

uint64_t Overlay2::disk_usage(const LayerId& id) const { return usage_of(open_diff(id).get()).on_disk; }

void Overlay2::mount_writable(const LayerId& id, const Fd& layer, const std::vector<Lower>& lowers,
                              const fs::path& target) {
  if (exists_at(layer.get(), "committed"))
    throw Error(Errc::invalid, "mounting the layer '" + id.str() + "' for writing: other layers lie on it");
  if (const auto elsewhere = mounted(id))
    throw Error(Errc::in_use, "mounting the layer '" + id.str() + "' for writing: it is mounted on '" +
                                  printable(elsewhere->string()) + "'");
  const Fd diff = open_diff(id);
  if (lowers.empty()) {
    MountGuard(bind_spec(path_of(diff.get()), target, false)).release();
    return;
  }
  const auto work = stat_at(layer.get(), "work");
  if (!work || !S_ISDIR(work->st_mode))
    throw Error(Errc::corrupt, "mounting the layer '" + id.str() +
                                   "' for writing: its directory 'work' is missing; make it, empty, with mode 0700");
  OverlayLayers layers;
  for (const auto& lower : lowers) layers.lowers.push_back(lower.path);
  layers.upper = id.str() + "/diff";
  layers.work = id.str() + "/work";
  const auto options = overlay_options(kernel_overlay_parameters(), Access::read_write);
  MountGuard guard(overlay_spec(home_.path(), layers, options, target, static_cast<size_t>(::getpagesize())));
  // The kernel made it as this process; under a user namespace the container's root must own it.
  if (::fchownat(layer.get(), "work/work", work->st_uid, work->st_gid, AT_SYMLINK_NOFOLLOW) != 0 && errno != ENOENT)
    throw_errno("giving '" + id.str() + "/work/work' to its owner");
  guard.release();
}

void Overlay2::mount(const LayerId& id, Access access, const fs::path& target) {
  const Fd layer = home_.open(id);
  const fs::path place = free_mount_point(target);
  const auto lowers = links_.lowers_of(id);
  if (!lowers.empty()) require_visible_marks(home_.fd());
  for (const auto& lower : lowers) open_diff(lower.id);  // whole, and no link that leads out of the store
  if (access == Access::read_write) return mount_writable(id, layer, lowers, place);
  const Fd diff = open_diff(id);
  if (lowers.empty()) {  // overlayfs joins two directories or more
    MountGuard(bind_spec(path_of(diff.get()), place, true)).release();
    return;
  }
  OverlayLayers layers;
  layers.lowers.push_back(id.str() + "/diff");
  for (const auto& lower : lowers) layers.lowers.push_back(lower.path);
  const auto options = overlay_options(kernel_overlay_parameters(), Access::read_only);
  MountGuard(overlay_spec(home_.path(), layers, options, place, static_cast<size_t>(::getpagesize()))).release();
}

}  // namespace overlay2
}  // namespace cairn
