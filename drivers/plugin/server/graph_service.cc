#include "drivers/plugin/server/graph_service.h"

#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "core/archive/apply.h"
#include "core/util/error.h"
#include "core/util/fd.h"
#include "drivers/sys/mount_table.h"

namespace cairn::plugin {

namespace fs = std::filesystem;

// A layer that nobody else changes meanwhile.
class GraphService::Held {
 public:
  Held(GraphService& service, const LayerId& id) : service_(service), id_(id) {
    {
      const std::lock_guard lock(service_.mutex_);
      auto& known = service_.layers_[id];
      if (!known) known = std::make_shared<Layer>();
      layer_ = known;
    }
    layer_->mutex.lock();
  }
  ~Held() {
    const bool idle = layer_->shown == 0 && !layer_->to_make;
    layer_->mutex.unlock();
    const std::lock_guard lock(service_.mutex_);
    if (idle && layer_.use_count() == 2) service_.layers_.erase(id_);  // nobody waits for it
  }
  Held(const Held&) = delete;
  Layer* operator->() const { return layer_.get(); }
  Layer& operator*() const { return *layer_; }

 private:
  GraphService& service_;
  LayerId id_;
  std::shared_ptr<Layer> layer_;
};

GraphService::~GraphService() {
  try {
    cleanup();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

void GraphService::init(const fs::path& home, const std::vector<std::string>& options) {
  if (!home.is_absolute() || std::find(home.begin(), home.end(), "..") != home.end() || home == home.root_path())
    throw Error(Errc::invalid, "using the home '" + printable(home.string()) + "': it is not an absolute path");
  std::error_code failed;
  const fs::path canonical = fs::weakly_canonical(home, failed);
  if (failed) throw_errno("using the home '" + printable(home.string()) + "'", failed.value());
  const std::lock_guard lock(mutex_);
  if (driver_ && canonical != home_)
    throw Error(Errc::in_use, "using the home '" + printable(home.string()) + "': '" + printable(home_.string()) +
                                  "' is served here; another home needs another plugin");
  if (driver_) return;
  auto driver = open_(canonical, options);
  const DriverStatus status = driver->probe();
  if (!status.writable || !status.mountable || !status.writable_mounts)
    throw Error(Errc::unsupported, "using the driver '" + std::string(driver->name()) +
                                       "': " + (status.why_not.empty() ? "it cannot be written here" : status.why_not));
  home_ = canonical;
  driver_ = std::move(driver);
}

Driver& GraphService::driver() {
  const std::lock_guard lock(mutex_);
  if (!driver_) throw Error(Errc::invalid, "no engine has told where its layers lie (GraphDriver.Init)");
  return *driver_;
}

void GraphService::make(const LayerId& id, Layer& layer) {
  if (!layer.to_make) return;
  driver().create(id, *layer.to_make);
  layer.to_make.reset();
}

void GraphService::require_whole(const LayerId& id) {
  const Held layer(*this, id);
  make(id, *layer);
  if (!driver().exists(id)) throw Error(Errc::not_found, "opening the layer '" + id.str() + "': there is none");
}

void GraphService::require_new(const LayerId& id, const Layer& layer) {
  if (layer.to_make || driver().exists(id))
    throw Error(Errc::already_exists, "creating the layer '" + id.str() + "': it exists already");
}

void GraphService::create(const LayerId& id, const std::optional<LayerId>& parent) {
  if (parent) require_whole(*parent);
  const Held layer(*this, id);
  require_new(id, *layer);
  layer->to_make.emplace(parent);
}

void GraphService::create_read_write(const LayerId& id, const std::optional<LayerId>& parent) {
  if (parent) require_whole(*parent);
  const Held layer(*this, id);
  require_new(id, *layer);
  ensure_dirs_at(AT_FDCWD, home_.parent_path(), 0755);
  ensure_dir_at(AT_FDCWD, home_, 0710);
  ensure_dir_at(AT_FDCWD, home_ / "rw", 0700);
  try_open_at(AT_FDCWD, home_ / "rw" / id.str(), O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);  // a crash may have left it
  driver().create(id, parent);
}

void GraphService::remove(const LayerId& id) {
  Driver& layers = driver();
  const Held layer(*this, id);
  if (layer->shown > 0) throw Error(Errc::in_use, "removing the layer '" + id.str() + "': it is in use");
  hide(id);
  layers.remove(id);
  layer->to_make.reset();
  if (::unlink((home_ / "rw" / id.str()).c_str()) != 0 && errno != ENOENT && errno != ENOTDIR)
    throw_errno("forgetting the layer '" + id.str() + "'");
}

void GraphService::show(const LayerId& id, const fs::path& place) {
  if (is_mount_point(place)) return;  // by a process that crashed; a container may still be at work in it
  ensure_dir_at(AT_FDCWD, home_ / "mnt", 0710);
  ensure_dir_at(AT_FDCWD, place, 0700);
  const bool written = exists_at(AT_FDCWD, home_ / "rw" / id.str());
  try {
    driver().mount(id, written ? Access::read_write : Access::read_only, place);
  } catch (const Error& e) {
    if (!written || e.code() != Errc::invalid) throw;
    driver().mount(id, Access::read_only, place);  // other layers lie on it by now: a container's first layer
  }
}

// As engines' own drivers do it: who still has files open keeps them.
void GraphService::hide(const LayerId& id) {
  const fs::path place = home_ / "mnt" / id.str();
  if (is_mount_point(place) && ::umount2(place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
    throw_errno("unmounting '" + printable(place.string()) + "'");
  if (::rmdir(place.c_str()) != 0 && errno != ENOENT && errno != ENOTDIR)
    throw_errno("removing '" + printable(place.string()) + "'");
}

fs::path GraphService::get(const LayerId& id) {
  Driver& layers = driver();
  const Held layer(*this, id);
  make(id, *layer);
  const fs::path place = home_ / "mnt" / id.str();
  if (layer->shown == 0) {
    if (!layers.exists(id)) throw Error(Errc::not_found, "opening the layer '" + id.str() + "': there is none");
    show(id, place);
  }
  ++layer->shown;
  return place;
}

void GraphService::put(const LayerId& id) {
  driver();
  const Held layer(*this, id);
  if (layer->shown > 1) {
    --layer->shown;
    return;
  }
  hide(id);
  layer->shown = 0;
}

bool GraphService::exists(const LayerId& id) {
  Driver& layers = driver();
  const Held layer(*this, id);
  return layer->to_make || layers.exists(id);
}

std::vector<std::vector<std::string>> GraphService::status() {
  return {{"Driver", std::string(driver().name())}, {"Home", home_.string()}, {"Served By", "cairn " CAIRN_VERSION}};
}

std::map<std::string, std::string> GraphService::metadata(const LayerId& id) {
  if (!exists(id)) throw Error(Errc::not_found, "describing the layer '" + id.str() + "': there is none");
  return {{"Driver", std::string(driver().name())}, {"MergedDir", (home_ / "mnt" / id.str()).string()}};
}

void GraphService::cleanup() {
  std::set<LayerId> ids;
  {
    const std::lock_guard lock(mutex_);
    if (!driver_) return;
    for (const auto& [id, layer] : layers_) ids.insert(id);
  }
  for (const auto& left : mounted_below(mount_table(), home_ / "mnt"))
    if (const std::string name = left.target.filename(); LayerId::valid(name)) ids.emplace(name);
  for (const auto& id : ids) {
    const Held layer(*this, id);
    hide(id);
    layer->shown = 0;
  }
}

Tree GraphService::tree(const std::optional<LayerId>& id) {
  if (!id) return Tree();
  require_whole(*id);
  return driver().tree(*id);
}

void GraphService::diff(const LayerId& id, const std::optional<LayerId>& parent, ByteSink& out) {
  const Tree own = tree(id), below = tree(parent);
  write_diff(own, changes_between(own, below), out);
}

std::vector<Change> GraphService::changes(const LayerId& id, const std::optional<LayerId>& parent) {
  return changes_between(tree(id), tree(parent));
}

int64_t GraphService::diff_size(const LayerId& id, const std::optional<LayerId>& parent) {
  const Tree own = tree(id);
  std::set<std::pair<dev_t, ino_t>> counted;
  int64_t sum = 0;
  for (const auto& change : changes_between(own, tree(parent))) {
    const auto node = change.kind == ChangeKind::deleted ? std::nullopt : own.find(change.path.substr(1));
    if (!node || node->is_dir()) continue;
    if (counted.emplace(node->st().st_dev, node->st().st_ino).second) sum += node->st().st_size;
  }
  return sum;
}

int64_t GraphService::apply_diff(const LayerId& id, const std::optional<LayerId>& parent, ByteSource& tar) {
  if (parent) require_whole(*parent);
  Driver& layers = driver();
  const Held layer(*this, id);
  if (!layer->to_make && layers.exists(id))
    throw Error(Errc::already_exists, "filling the layer '" + id.str() + "': it is not new");
  return while_doing([&] { return "filling the layer '" + id.str() + "'"; },
                     [&] {
                       const auto target = layers.begin(id);
                       TarReader reader(tar);
                       const Applied applied = apply_tar(reader, *target);
                       const Tree below = parent ? layers.tree(*parent) : Tree();
                       if (!applied.links.empty()) link_parents_files(below, applied.links, *target);
                       target->finish(parent, applied.implied_dirs);
                       layer->to_make.reset();
                       sync_file_system(layers.home_fd());
                       return layers.layer_size(id, applied.content_bytes);
                     });
}

}  // namespace cairn::plugin
