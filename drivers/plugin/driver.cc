#include <unistd.h>

#include <cstdio>
#include <map>
#include <mutex>

#include "core/layer/store_lock.h"
#include "core/util/error.h"
#include "drivers/plugin/mounts.h"
#include "drivers/plugin/plugin.h"
#include "drivers/plugin/stage.h"
#include "drivers/sys/home.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn::plugin {

namespace fs = std::filesystem;

namespace {

void warn_of(const std::exception& e) { std::fprintf(stderr, "cairn: warning: %s\n", e.what()); }

// A reference to a layer: the plugin shows it at dir() until this dies.
class Reference {
 public:
  Reference(const Client& plugin, const LayerId& id) : plugin_(plugin), id_(id), dir_(plugin.get(id)) {}
  ~Reference() {
    try {
      if (!kept_) plugin_.put(id_);
    } catch (const std::exception& e) {
      warn_of(e);
    }
  }
  Reference(const Reference&) = delete;
  const fs::path& dir() const noexcept { return dir_; }
  void keep() noexcept { kept_ = true; }  // it outlives this process

 private:
  Client plugin_;
  LayerId id_;
  fs::path dir_;
  bool kept_ = false;
};

class PluginDriver : public Driver {
 public:
  PluginDriver(const fs::path& root, std::string plugin, const DriverOptions& options, Setup setup);

  std::string_view name() const noexcept override { return name_; }
  DriverStatus probe() const override;
  // Some plugins' do, but all of them can be given a layer that does not.
  bool layers_stand_alone() const noexcept override { return false; }
  bool layers_are_directories() const noexcept override { return false; }
  bool exists(const LayerId& id) const override { return plugin().exists(id); }
  std::vector<LayerId> list() const override;
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  void remove(const LayerId& id) override;
  std::optional<fs::path> mounted(const LayerId& id) const override { return mounts_.mounted(plugin(), id); }
  Tree tree(const LayerId& id) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;
  void mount(const LayerId& id, Access access, const fs::path& target) override;
  int home_fd() const override { return stages_.make(); }

  LayerHome& stages() { return stages_; }
  const Client& plugin() const;
  void fill(const LayerId& id, const std::optional<LayerId>& parent, int stage);
  void need_parent(const std::optional<LayerId>& parent) const;

 private:
  void need(const LayerId& id) const;
  void give_up(const LayerId& id) const;
  Client connect() const;

  fs::path root_;
  std::string plugin_, name_;
  std::vector<std::string> options_;
  Setup setup_;
  MountNotes mounts_;
  mutable LayerHome stages_;
  mutable std::mutex mutex_;
  mutable std::optional<Client> client_;
  mutable bool exact_diffs_ = false;
  std::map<LayerId, int64_t> sizes_;  // of layers made here, as the plugin counted
};

// The layer's own entries, with overlay's marks, in a directory of ours until the parent is known.
class PluginTarget : public DiffTarget {
 public:
  PluginTarget(PluginDriver& driver, const LayerId& id) : driver_(driver), id_(id) {
    driver_.stages().make();
    stage_ = driver_.stages().begin(id, 0755);
  }
  ~PluginTarget() override {
    try {
      driver_.stages().discard(id_);
    } catch (const std::exception& e) {
      warn_of(e);
    }
  }
  int root_fd() const override { return stage_.get(); }
  void hide(int dir_fd, const std::string& name) override { write_whiteout(dir_fd, name); }
  void make_opaque(int dir_fd) override { write_opaque(dir_fd); }
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  PluginDriver& driver_;
  LayerId id_;
  Fd stage_;
};

void PluginTarget::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + id_.str() + "'"; },
              [&] {
                driver_.need_parent(parent);
                if (parent && !implied_dirs.empty())
                  complete_implied(stage_.get(), driver_.tree(*parent), implied_dirs);
                driver_.fill(id_, parent, stage_.get());
              });
}

std::vector<std::string> option_texts(const DriverOptions& options) {
  std::vector<std::string> out;
  for (const auto& [key, value] : options.storage_opts) out.push_back(key + "=" + value);
  return out;
}

PluginDriver::PluginDriver(const fs::path& root, std::string plugin, const DriverOptions& options, Setup setup)
    : root_(root),
      plugin_(std::move(plugin)),
      name_(name_of(plugin_)),
      options_(option_texts(options)),
      setup_(std::move(setup)),
      mounts_(setup_.places.mounts),
      stages_(root, name_ + "/.cairn", 0710) {}

Client PluginDriver::connect() const {
  const Address address = locate(plugin_, setup_.places);
  Client client(address.name, address.socket, setup_.patience);
  if (!client.is_graph_driver())
    throw Error(Errc::unsupported, "using the plugin '" + name_ + "': it is no graph driver");
  // An engine at work has done this, and a plugin may take it for the start of a new life.
  const auto root = try_open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY);
  if (!root || !engine_holding(root->get()))
    client.init((root ? fs::path(path_of(root->get())) : fs::absolute(root_)) / name_, options_);
  return client;
}

const Client& PluginDriver::plugin() const {
  const std::lock_guard lock(mutex_);
  if (!client_) {
    Client client = connect();
    exact_diffs_ = client.reproduces_exact_diffs();
    client_.emplace(std::move(client));
  }
  return *client_;
}

DriverStatus PluginDriver::probe() const {
  DriverStatus status;
  status.keeps_layers = false;
  try {
    plugin();
    if (exact_diffs_) {
      status.writable = false;
      status.why_not = "the plugin gives back layers' tars itself (ReproducesExactDiffs) and would need the originals";
    }
  } catch (const Error& e) {
    status.readable = status.writable = status.mountable = false;
    status.why_not = e.what();
    status.remedy = "start the plugin as root before cairn";
  }
  return status;
}

void PluginDriver::need(const LayerId& id) const {
  if (!plugin().exists(id))
    throw Error(Errc::not_found, "opening the layer '" + id.str() + "': the plugin '" + name_ + "' does not have it");
}

void PluginDriver::need_parent(const std::optional<LayerId>& parent) const {
  if (parent) need(*parent);
}

std::vector<LayerId> PluginDriver::list() const {
  std::vector<LayerId> out = stages_.list();
  for (const auto& layer : setup_.named())
    if (plugin().exists(layer.id)) out.push_back(layer.id);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void PluginDriver::create(const LayerId& id, const std::optional<LayerId>& parent) {
  while_doing([&] { return "creating the layer '" + id.str() + "'"; },
              [&] {
                if (exists(id)) throw Error(Errc::already_exists, "it exists already");
                need_parent(parent);
                try {
                  plugin().create_read_write(id, parent);
                } catch (const Error&) {
                  give_up(id);
                  throw;
                }
              });
}

std::unique_ptr<DiffTarget> PluginDriver::begin(const LayerId& id) {
  if (exists(id)) throw Error(Errc::already_exists, "making the layer '" + id.str() + "': it exists already");
  if (exact_diffs_) throw Error(Errc::unsupported, "making the layer '" + id.str() + "': " + probe().why_not);
  return std::make_unique<PluginTarget>(*this, id);
}

// By Create and ApplyDiff, as engines make layers of images: what a plugin prepares for containers (CreateReadWrite, to
// be mounted and written) may have a quota, or be kept in another way.
void PluginDriver::fill(const LayerId& id, const std::optional<LayerId>& parent, int stage) {
  plugin().create(id, parent);
  try {
    const Marks marks = parent ? Marks::write : Marks::leave_out;
    const int64_t size = plugin().apply_diff(id, parent, [&](ByteSink& out) { write_stage(stage, marks, out); });
    const Reference made(plugin(), id);
    sync_file_system(open_dir(made.dir()).get());  // which need not be the one of home_fd()
    const std::lock_guard lock(mutex_);
    sizes_[id] = size;
  } catch (...) {
    give_up(id);
    throw;
  }
}

// Removes what there may be of a layer whose making failed. That failure is the one to tell.
void PluginDriver::give_up(const LayerId& id) const {
  try {
    plugin().remove(id);
  } catch (const Error&) {  // a plugin that died has nobody to remove it; recover() comes back to it
  }
}

void PluginDriver::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                if (const auto target = mounted(id)) throw_mounted(*target);
                if (exists(id)) plugin().remove(id);
                stages_.discard(id);
              });
}

Tree PluginDriver::tree(const LayerId& id) const {
  need(id);
  auto reference = std::make_shared<Reference>(plugin(), id);
  return Tree({Branch{std::make_shared<Fd>(open_dir(reference->dir())), WhiteoutStyle::none}}, reference);
}

int64_t PluginDriver::layer_size(const LayerId& id, int64_t content_bytes) const {
  need(id);
  const std::lock_guard lock(mutex_);
  const auto known = sizes_.find(id);
  return known == sizes_.end() ? content_bytes : known->second;
}

uint64_t PluginDriver::disk_usage(const LayerId& id) const {
  std::optional<LayerId> parent;
  for (const auto& layer : setup_.named())
    if (layer.id == id) parent = layer.parent;
  need(id);
  return static_cast<uint64_t>(std::max<int64_t>(plugin().diff_size(id, parent), 0));
}

void PluginDriver::mount(const LayerId& id, Access access, const fs::path& target) {
  need(id);
  const fs::path place = free_mount_point(target);
  mounts_.mounted(plugin(), id);  // references of mounts that are gone
  Reference reference(plugin(), id);
  const std::string note = mounts_.add(plugin(), id, reference.dir(), place);
  try {
    MountGuard(bind_spec(path_of(open_dir(reference.dir()).get()), place, access == Access::read_only)).release();
  } catch (...) {
    mounts_.drop(note);
    throw;
  }
  reference.keep();
}

}  // namespace

std::unique_ptr<Driver> open_plugin(const fs::path& root, const std::string& plugin, const DriverOptions& options,
                                    Setup setup) {
  return std::make_unique<PluginDriver>(root, plugin, options, std::move(setup));
}

std::vector<Found> find_plugins(const Places& places) {
  std::vector<Found> out;
  for (const auto& name : discovered(places)) {
    DriverStatus status;
    try {
      const Address address = locate(name, places);
      const Patience brief{std::chrono::seconds(2), std::chrono::seconds(2)};
      if (!Client(address.name, address.socket, brief).is_graph_driver()) continue;
    } catch (const Error& e) {
      if (e.code() == Errc::invalid) continue;  // no engine would take it for a driver either
      status.readable = status.writable = status.mountable = false;
      status.why_not = e.what();
    }
    out.push_back({name, status});
  }
  return out;
}

void release_mounts_on(const fs::path& target, const Places& places) { MountNotes(places.mounts).unmounted(target); }

}  // namespace cairn::plugin
