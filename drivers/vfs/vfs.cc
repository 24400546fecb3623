#include "drivers/vfs/vfs.h"

#include <unistd.h>

#include "core/util/error.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/layer_stage.h"
#include "drivers/sys/merge_parent.h"
#include "drivers/sys/whole_tree.h"

namespace cairn {

namespace fs = std::filesystem;

namespace {

class Vfs : public WholeTreeDriver {
 public:
  explicit Vfs(const fs::path& root) : WholeTreeDriver(root, "vfs/dir") {}

  std::string_view name() const noexcept override { return "vfs"; }
  DriverStatus probe() const override;
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  std::unique_ptr<DiffTarget> reopen(const LayerId& id) override;
  void remove(const LayerId& id) override;
};

// The layer's own entries, with overlay's marks, in the directory that becomes the layer once the parent's are added.
class VfsTarget : public OverlayMarking {
 public:
  VfsTarget(Vfs& driver, const LayerId& id) : driver_(driver), stage_(driver.home(), id, 0755) {}
  VfsTarget(Vfs& driver, const LayerId& id, Fd stage) : driver_(driver), stage_(driver.home(), id, std::move(stage)) {}
  int root_fd() const override { return stage_.fd(); }
  bool leave() override { return stage_.leave(), true; }
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

std::unique_ptr<DiffTarget> Vfs::reopen(const LayerId& id) {
  auto stage = home_.reopen(id);
  return stage ? std::make_unique<VfsTarget>(*this, id, std::move(*stage)) : nullptr;
}

void Vfs::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                require_unmounted(id);
                if (home_.unpublish(id)) home_.discard(id);
              });
}

DriverStatus Vfs::probe() const {
  if (::geteuid() == 0) return {};
  return status_without_root("layers hold files of any owner, devices and capabilities");
}

}  // namespace

std::unique_ptr<Driver> open_vfs(const fs::path& root, const DriverOptions& options) {
  refuse_options("vfs", options, {"size", "vfs.size"});
  return std::make_unique<Vfs>(root);
}

}  // namespace cairn
