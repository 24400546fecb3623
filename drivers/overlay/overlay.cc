#include "drivers/overlay/overlay.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/util/error.h"
#include "drivers/sys/home.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/overlay.h"
#include "drivers/sys/usage.h"

namespace cairn {

namespace fs = std::filesystem;

namespace {

constexpr const char* kReadOnly =
    "overlay (version 1) stores are only read and mounted; 'cairn migrate' carries them to overlay2";

class Overlay : public Driver {
 public:
  explicit Overlay(const fs::path& root) : home_(root, "overlay", 0700) {}

  std::string_view name() const noexcept override { return "overlay"; }
  DriverStatus probe() const override;
  bool layers_stand_alone() const noexcept override { return false; }  // a container's does not
  bool exists(const LayerId& id) const override { return home_.exists(id); }
  std::vector<LayerId> list() const override { return home_.list(); }
  void create(const LayerId& id, const std::optional<LayerId>&) override { refuse("creating", id); }
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override { refuse("making", id); }
  void remove(const LayerId& id) override { refuse("removing", id); }
  Tree tree(const LayerId& id) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;
  void mount(const LayerId& id, Access access, const fs::path& target) override;
  int home_fd() const override { return home_.fd(); }

 private:
  [[noreturn]] static void refuse(const std::string& doing, const LayerId& id) {
    throw Error(Errc::unsupported, doing + " the layer '" + id.str() + "': " + kReadOnly);
  }
  Fd open_part(const LayerId& id, const std::string& part) const;  // corrupt when missing
  std::optional<Fd> try_root(const LayerId& id) const;             // nullopt for containers
  LayerId lower_of(const LayerId& id) const;

  LayerHome home_;
};

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

Tree Overlay::tree(const LayerId& id) const {
  if (auto root = try_root(id)) return Tree({Branch{std::make_shared<Fd>(std::move(*root)), WhiteoutStyle::none}});
  // Both in overlay's style: the kernel would take a device 0/0 in the lower one for a whiteout, too.
  return Tree({Branch{std::make_shared<Fd>(open_part(id, "upper")), WhiteoutStyle::overlay},
               Branch{std::make_shared<Fd>(open_part(lower_of(id), "root")), WhiteoutStyle::overlay}});
}

int64_t Overlay::layer_size(const LayerId& id, int64_t content_bytes) const {
  home_.open(id);
  return content_bytes;
}

uint64_t Overlay::disk_usage(const LayerId& id) const {
  const auto root = try_root(id);
  return usage_of(root ? root->get() : open_part(id, "upper").get()).on_disk;
}

void Overlay::mount(const LayerId& id, Access access, const fs::path& target) {
  if (const auto root = try_root(id)) {
    if (access == Access::read_write)
      throw Error(Errc::invalid,
                  "mounting the layer '" + id.str() + "' for writing: it is an image's, and shares files with others");
    MountGuard(bind_spec(path_of(root->get()), free_mount_point(target), true)).release();
    return;
  }
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

DriverStatus Overlay::probe() const {
  DriverStatus status;
  const auto home = home_.try_fd();
  status.readable = !home || ::faccessat(*home, ".", R_OK | X_OK, AT_EACCESS) == 0;
  status.writable = false;
  status.mountable = ::geteuid() == 0;
  status.why_not = kReadOnly;
  status.remedy = "'cairn migrate --to DIR --storage-driver overlay2'";
  return status;
}

}  // namespace

std::unique_ptr<Driver> open_overlay(const fs::path& root, const DriverOptions& options) {
  for (const auto& [key, value] : options.storage_opts)
    throw Error(Errc::invalid, "opening overlay: it has no storage option '" + printable(key) + "'");
  return std::make_unique<Overlay>(root);
}

}  // namespace cairn
