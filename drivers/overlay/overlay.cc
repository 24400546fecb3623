#include "drivers/overlay/overlay.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/layer/parents.h"
#include "core/util/error.h"
#include "core/util/usage.h"
#include "drivers/overlay/driver.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/overlay.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {

namespace fs = std::filesystem;

namespace overlay {

Fd Overlay::open_part(const LayerId& id, const std::string& part) const {
  const Fd layer = home_.open(id);
  const auto st = stat_at(layer.get(), part);
  if (!st || !S_ISDIR(st->st_mode))
    throw Error(Errc::corrupt,
                "opening '" + id.str() + "/" + part + "' of overlay: the directory is missing; the layer is lost");
  return open_dir_at(layer.get(), part);
}

std::optional<Fd> Overlay::try_root(const LayerId& id) const {
  const Fd layer = home_.open(id);
  const auto st = stat_at(layer.get(), "root");
  if (!st && exists_at(layer.get(), "lower-id")) return std::nullopt;
  return open_part(id, "root");
}

LayerId Overlay::lower_of(const LayerId& id) const {
  const Fd layer = home_.open(id);
  const auto st = stat_at(layer.get(), "lower-id");
  std::string text = st && S_ISREG(st->st_mode) ? read_file_at(layer.get(), "lower-id", 4096) : "";
  if (text.ends_with('\n')) text.pop_back();
  if (!LayerId::valid(text) || !home_.exists(LayerId(text)))
    throw Error(Errc::corrupt,
                "reading '" + id.str() + "/lower-id' of overlay: '" + printable(text, 80) +
                    "' names no layer that is there; write the id of the container's image layer into it");
  return LayerId(text);
}

Tree Overlay::tree_of_root(const LayerId& id) const {
  return Tree({Branch{std::make_shared<Fd>(open_part(id, "root")), WhiteoutStyle::none}});
}

Tree Overlay::tree(const LayerId& id) const {
  if (try_root(id)) return tree_of_root(id);
  require_visible_marks(home_.fd());
  // Both in overlay's style: the kernel would take a device 0/0 in the lower one for a whiteout, too.
  return Tree({Branch{std::make_shared<Fd>(open_part(id, "upper")), WhiteoutStyle::overlay},
               Branch{std::make_shared<Fd>(open_part(lower_of(id), "root")), WhiteoutStyle::overlay}});
}

// What a container lies on: the init layer between is copied into it.
std::optional<LayerId> Overlay::image_layer_in(const std::vector<LayerId>& ancestors) const {
  for (const auto& id : ancestors)
    if (home_.exists(id) && stat_at(home_.fd(), id.str() + "/root")) return id;
  return std::nullopt;
}

Tree Overlay::tree_over(const LayerId& id, const std::vector<LayerId>& ancestors) const {
  if (stat_at(home_.open(id).get(), "root") || !stat_at(home_.open(id).get(), "upper")) return tree_of_root(id);
  require_visible_marks(home_.fd());
  std::vector<Branch> branches{{std::make_shared<Fd>(open_part(id, "upper")), WhiteoutStyle::overlay}};
  if (const auto lower = image_layer_in(ancestors))
    branches.push_back({std::make_shared<Fd>(open_part(*lower, "root")), WhiteoutStyle::overlay});
  return Tree(std::move(branches));
}

std::vector<Damage> Overlay::examine(const LayerParents& parents) const {
  std::vector<Damage> out;
  for (const auto& [id, parent] : parents) {
    if (!home_.try_fd() || !home_.exists(id) || !stat_at(home_.fd(), id.str() + "/upper")) continue;
    try {
      const LayerId lower = lower_of(id);
      const auto wanted = image_layer_in(ancestors_in(parents, id));
      // A layer that metadata does not know may stand in another's place: of two with equal content Docker 1.10's own
      // migration named one.
      if (wanted && lower != *wanted && parents.contains(lower))
        out.push_back({"overlay-lower-id-mismatch", id.str(), "its 'lower-id' names another layer than its image's"});
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
      out.push_back({"overlay-lower-id-invalid", id.str(), e.what()});
    }
  }
  return out;
}

int64_t Overlay::layer_size(const LayerId& id, int64_t content_bytes) const {
  home_.open(id);
  return content_bytes;
}

uint64_t Overlay::disk_usage(const LayerId& id) const {
  const auto root = try_root(id);
  return usage_of(root ? root->get() : open_part(id, "upper").get()).on_disk;
}

void Overlay::bind_root(const LayerId& id, int root, Access access, const fs::path& target) const {
  if (access == Access::read_write && usage_of(root).shared)
    throw Error(Errc::invalid,
                "mounting the layer '" + id.str() + "' for writing: it is an image's, and shares files with others");
  MountGuard(bind_spec(path_of(root), free_mount_point(target), access == Access::read_only)).release();
}

void Overlay::mount(const LayerId& id, Access access, const fs::path& target) {
  if (const auto root = try_root(id)) return bind_root(id, root->get(), access, target);
  require_visible_marks(home_.fd());
  const LayerId lower = lower_of(id);
  open_part(lower, "root");
  open_part(id, "upper");
  OverlayLayers layers{{lower.str() + "/root"}, "", ""};
  if (access == Access::read_write) {
    if (const auto elsewhere = mounted_on(home_, id.str(), {id.str() + "/upper"}))
      throw Error(Errc::in_use, "mounting the layer '" + id.str() + "' for writing: it is mounted on '" +
                                    printable(elsewhere->string()) + "'");
    open_part(id, "work");
    layers.upper = id.str() + "/upper";
    layers.work = id.str() + "/work";
  } else {
    layers.lowers.insert(layers.lowers.begin(), id.str() + "/upper");
  }
  const auto options = overlay_options(kernel_overlay_parameters(), access);
  MountGuard(
      overlay_spec(home_.path(), layers, options, free_mount_point(target), static_cast<size_t>(::getpagesize())))
      .release();
}

std::optional<fs::path> Overlay::mounted(const LayerId& id) const {
  if (!home_.exists(id)) return std::nullopt;
  return mounted_on(home_, id.str(), {id.str() + "/root", id.str() + "/upper"});
}

void Overlay::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                if (const auto target = mounted(id)) throw_mounted(*target);
                if (home_.unpublish(id)) home_.discard(id);
              });
}

}  // namespace overlay

std::unique_ptr<Driver> open_overlay(const fs::path& root, const DriverOptions& options) {
  for (const auto& [key, value] : options.storage_opts)
    throw Error(Errc::invalid, "opening overlay: it has no storage option '" + printable(key) + "'");
  return std::make_unique<overlay::Overlay>(root);
}

}  // namespace cairn
