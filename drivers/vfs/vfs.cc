#include "drivers/vfs/vfs.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/util/error.h"
#include "drivers/sys/home.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/layer_stage.h"
#include "drivers/sys/merge_parent.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/usage.h"

namespace cairn {

namespace fs = std::filesystem;

namespace {

class Vfs : public Driver {
 public:
  explicit Vfs(const fs::path& root) : home_(root, "vfs/dir", 0700) {}

  std::string_view name() const noexcept override { return "vfs"; }
  DriverStatus probe() const override;
  bool layers_stand_alone() const noexcept override { return true; }
  bool exists(const LayerId& id) const override { return home_.exists(id); }
  std::vector<LayerId> list() const override { return home_.list(); }
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  void remove(const LayerId& id) override;
  Tree tree(const LayerId& id) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override { return usage_of(home_.open(id).get()).on_disk; }
  void mount(const LayerId& id, Access access, const fs::path& target) override;
  int home_fd() const override { return home_.fd(); }

  LayerHome& home() { return home_; }

 private:
  LayerHome home_;
};

// The layer's own entries, with overlay's marks, in the directory that becomes the layer once the parent's are added.
class VfsTarget : public OverlayMarking {
 public:
  VfsTarget(Vfs& driver, const LayerId& id) : driver_(driver), stage_(driver.home(), id, 0755) {}
  int root_fd() const override { return stage_.fd(); }
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  Vfs& driver_;
  LayerStage stage_;
};

void VfsTarget::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + stage_.id().str() + "'"; },
              [&] {
                const Tree below = parent ? driver_.tree(*parent) : Tree();
                complete_implied(stage_.fd(), below, implied_dirs);
                merge_parent(stage_.fd(), parent ? std::optional(below.root()) : std::nullopt, Files::copied);
                stage_.publish();
              });
}

void Vfs::create(const LayerId& id, const std::optional<LayerId>& parent) {
  while_doing([&] { return "creating the layer '" + id.str() + "'"; }, [&] { begin(id)->finish(parent, {"."}); });
}

std::unique_ptr<DiffTarget> Vfs::begin(const LayerId& id) { return std::make_unique<VfsTarget>(*this, id); }

void Vfs::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                if (home_.exists(id))
                  if (const auto target = mounted_on(home_, id.str(), {id.str()})) throw_mounted(*target);
                if (home_.unpublish(id)) home_.discard(id);
              });
}

Tree Vfs::tree(const LayerId& id) const {
  return Tree({Branch{std::make_shared<Fd>(home_.open(id)), WhiteoutStyle::none}});
}

int64_t Vfs::layer_size(const LayerId& id, int64_t content_bytes) const {
  home_.open(id);
  return content_bytes;
}

void Vfs::mount(const LayerId& id, Access access, const fs::path& target) {
  const Fd layer = home_.open(id);
  MountGuard(bind_spec(path_of(layer.get()), free_mount_point(target), access == Access::read_only)).release();
}

DriverStatus Vfs::probe() const {
  DriverStatus status;
  if (::geteuid() == 0) return status;
  const auto home = home_.try_fd();
  status.readable = !home || ::faccessat(*home, ".", R_OK | X_OK, AT_EACCESS) == 0;
  status.writable = status.mountable = false;
  status.why_not = "not root: layers hold files of any owner, devices and capabilities";
  status.remedy = "run as root";
  return status;
}

}  // namespace

std::unique_ptr<Driver> open_vfs(const fs::path& root, const DriverOptions& options) {
  for (const auto& [key, value] : options.storage_opts)
    if (key == "size" || key == "vfs.size")
      throw Error(Errc::unsupported,
                  "opening vfs: storage option '" + key + "=" + printable(value) + "': cairn sets no quotas");
    else
      throw Error(Errc::invalid, "opening vfs: it has no storage option '" + printable(key) + "'");
  return std::make_unique<Vfs>(root);
}

}  // namespace cairn
