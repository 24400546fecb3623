// Making layers.
#include <fcntl.h>
#include <sys/stat.h>

#include "core/archive/apply.h"
#include "core/archive/changes.h"
#include "core/util/error.h"
#include "drivers/overlay/driver.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/merge_parent.h"

namespace cairn::overlay {

namespace {

// The upper directory of a container's layer, filled as any layer is.
class UpperDirectory : public OverlayMarking {
 public:
  explicit UpperDirectory(int upper) : upper_(upper) {}
  int root_fd() const override { return upper_; }
  void finish(const std::optional<LayerId>&, const std::vector<std::string>&) override {}

 private:
  int upper_;
};

// What a container is made of; the upper directory is returned. `lower` is the image layer.
Fd add_container_parts(const LayerStage& stage, const LayerId& lower) {
  mkdir_at(stage.fd(), "upper", 0755);
  mkdir_at(stage.fd(), "work", 0700);
  mkdir_at(stage.fd(), "merged", 0700);
  create_file_at(stage.fd(), "lower-id", lower.str(), 0600);
  return open_dir_at(stage.fd(), "upper");
}

}  // namespace

ImageLayer::ImageLayer(Overlay& driver, const LayerId& id) : driver_(driver), stage_(driver.home(), id, 0710) {
  mkdir_at(stage_.fd(), "root", 0755);
  root_ = open_dir_at(stage_.fd(), "root");
}

void ImageLayer::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + stage_.id().str() + "'"; },
              [&] {
                const Tree below = parent ? driver_.tree(*parent) : Tree();
                // Only what nobody writes to may be shared: no container, and no root that is mounted for writing.
                const bool still =
                    parent && driver_.try_root(*parent) && !bound_on(driver_.home(), parent->str() + "/root");
                complete_implied(root_.get(), below, implied_dirs);
                merge_parent(root_.get(), parent ? std::optional(below.root()) : std::nullopt,
                             still ? Files::linked : Files::copied);
                stage_.publish();
              });
}

std::unique_ptr<DiffTarget> Overlay::begin(const LayerId& id) { return std::make_unique<ImageLayer>(*this, id); }

// On a container lies what it changed, copied, over the same image layer: a container has one lower directory only.
void Overlay::create(const LayerId& id, const std::optional<LayerId>& parent) {
  if (!parent) return begin(id)->finish(parent, {});
  while_doing([&] { return "creating the layer '" + id.str() + "'"; },
              [&] {
                const bool on_image = try_root(*parent).has_value();
                const LayerId lower = on_image ? *parent : lower_of(*parent);
                LayerStage stage(home_, id, 0710);
                const Fd upper = add_container_parts(stage, lower);
                const Tree below = tree(*parent), image = tree_of_root(lower);
                UpperDirectory target(upper.get());
                if (!on_image) {
                  const CompareOptions exactly{.rule = Compare::exact, .directory_times = true};
                  apply_tree(below, changes_between(below, image, exactly), target, Links::none);
                }
                copy_dir_attributes(below.root(), upper.get());
                stage.publish();
              });
}

}  // namespace cairn::overlay
