#include "drivers/btrfs/btrfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "core/util/error.h"
#include "drivers/btrfs/merge.h"
#include "drivers/btrfs/subvolume.h"
#include "drivers/sys/home.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/layer_stage.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"
#include "drivers/sys/tree_copy.h"
#include "drivers/sys/usage.h"

namespace cairn {

namespace fs = std::filesystem;

namespace btrfs {

namespace {

constexpr const char* kRemedy = "put the root on a btrfs file system, or choose overlay2";

// The home, or the nearest directory above where it would be.
Fd nearest(fs::path path) {
  for (;; path = path.parent_path())
    if (auto fd = try_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY); fd || path == path.parent_path())
      return std::move(fd.value());
}

// "'PATH' is on ext4, not btrfs", or nothing if it is on btrfs.
std::string other_file_system(const fs::path& home) {
  const Fd there = nearest(home);
  if (on_btrfs(there.get())) return "";
  struct stat st;
  if (::fstat(there.get(), &st) != 0) throw_errno("reading the status of '" + printable(path_of(there.get())) + "'");
  std::string type = "another file system";
  for (const auto& one : mount_table())
    if (one.device == st.st_dev) type = one.type;
  return "'" + printable(path_of(there.get())) + "' is on " + printable(type) + ", not btrfs";
}

class Btrfs : public Driver {
 public:
  explicit Btrfs(const fs::path& root) : place_(fs::absolute(root) / "btrfs"), home_(root, "btrfs/subvolumes", 0700) {}

  std::string_view name() const noexcept override { return "btrfs"; }
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
  void require_btrfs() const;

 private:
  fs::path place_;
  LayerHome home_;
};

// A plain directory beside the layers, with the subvolumes it takes to make one. It goes with this object.
class Stage {
 public:
  Stage(Btrfs& driver, const LayerId& id) : driver_(driver), id_(id) {
    driver_.require_btrfs();
    dir_ = driver_.home().begin(id, 0700);
  }
  ~Stage() {
    try {
      remove_deep(driver_.home_fd(), LayerHome::stage_name(id_));
    } catch (const std::exception& e) {
      std::fprintf(stderr, "cairn: warning: %s\n", e.what());
    }
  }
  Stage(const Stage&) = delete;
  Fd add(const std::string& name) const { return create_subvolume(dir_.get(), name, 0755); }
  // A snapshot; where `parent` is a plain directory, as a restored backup has them, a copy by reflinks.
  Fd add_child_of(const LayerId& parent, const std::string& name) const;
  void drop(const std::string& name) const { remove_deep(dir_.get(), name); }
  void publish(const std::string& name) const {
    if (::renameat2(dir_.get(), name.c_str(), driver_.home_fd(), id_.str().c_str(), RENAME_NOREPLACE) != 0)
      throw_errno("making the layer '" + id_.str() + "'");
  }

 private:
  Btrfs& driver_;
  LayerId id_;
  Fd dir_;
};

Fd Stage::add_child_of(const LayerId& parent, const std::string& name) const {
  const Fd source = driver_.home().open(parent);
  if (is_subvolume(source.get())) return snapshot(source.get(), dir_.get(), name);
  Fd whole = add(name);
  const TreeNode root = driver_.tree(parent).root();
  TreeCopy copies(whole.get());
  for (const auto& node : root.children()) copies.copy(node, {whole.get(), "", false});
  copy_dir_attributes(root, whole.get());
  return whole;
}

// The layer's own entries, with overlay's marks, in a subvolume of their own until the parent is known. They cannot be
// moved from one subvolume to another, only reflinked; but without a parent that subvolume becomes the layer.
class BtrfsTarget : public OverlayMarking {
 public:
  BtrfsTarget(Btrfs& driver, const LayerId& id)
      : driver_(driver), id_(id), stage_(driver, id), own_(stage_.add(kOwn)) {}
  int root_fd() const override { return own_.get(); }
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  static constexpr const char* kOwn = "own";

  Btrfs& driver_;
  LayerId id_;
  Stage stage_;
  Fd own_;
};

void BtrfsTarget::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + id_.str() + "'"; },
              [&] {
                if (!parent) {
                  clear_marks(own_.get());
                  return stage_.publish(kOwn);
                }
                const Fd whole = stage_.add_child_of(*parent, "whole");
                complete_implied(own_.get(), driver_.tree(*parent), implied_dirs);
                merge_own(own_.get(), whole.get());
                own_.reset();
                stage_.drop(kOwn);  // a crash after publishing leaves no more than an empty directory
                stage_.publish("whole");
              });
}

void Btrfs::require_btrfs() const {
  if (const auto why = other_file_system(place_ / "subvolumes"); !why.empty())
    throw Error(Errc::unsupported, "making a layer: " + why + "; " + kRemedy);
}

void Btrfs::create(const LayerId& id, const std::optional<LayerId>& parent) {
  while_doing([&] { return "creating the layer '" + id.str() + "'"; },
              [&] {
                const Stage stage(*this, id);
                parent ? stage.add_child_of(*parent, "whole") : stage.add("whole");
                stage.publish("whole");
              });
}

std::unique_ptr<DiffTarget> Btrfs::begin(const LayerId& id) { return std::make_unique<BtrfsTarget>(*this, id); }

void Btrfs::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                const std::string stage = LayerHome::stage_name(id);
                if (home_.exists(id)) {
                  if (const auto target = mounted_on(home_, id.str(), {id.str()})) throw_mounted(*target);
                  remove_deep(home_.fd(), stage);
                }
                if (home_.unpublish(id)) remove_deep(home_.fd(), stage);
                const auto quotas = try_open_at(AT_FDCWD, place_ / "quotas", O_RDONLY | O_DIRECTORY);
                if (quotas && ::unlinkat(quotas->get(), id.str().c_str(), 0) != 0 && errno != ENOENT)
                  throw_errno("removing 'quotas/" + id.str() + "'");
              });
}

Tree Btrfs::tree(const LayerId& id) const {
  return Tree({Branch{std::make_shared<Fd>(home_.open(id)), WhiteoutStyle::none}});
}

int64_t Btrfs::layer_size(const LayerId& id, int64_t content_bytes) const {
  home_.open(id);
  return content_bytes;
}

void Btrfs::mount(const LayerId& id, Access access, const fs::path& target) {
  const Fd layer = home_.open(id);
  MountGuard(bind_spec(path_of(layer.get()), free_mount_point(target), access == Access::read_only)).release();
}

DriverStatus Btrfs::probe() const {
  DriverStatus status;
  if (::geteuid() != 0) {
    const auto home = home_.try_fd();
    status.readable = !home || ::faccessat(*home, ".", R_OK | X_OK, AT_EACCESS) == 0;
    status.writable = status.mountable = false;
    status.why_not = "not root: layers hold files of any owner, and removing a subvolume needs CAP_SYS_ADMIN";
    status.remedy = "run as root";
    return status;
  }
  status.why_not = other_file_system(place_ / "subvolumes");
  status.writable = status.why_not.empty();
  if (!status.writable) status.remedy = kRemedy;
  return status;
}

}  // namespace

}  // namespace btrfs

std::unique_ptr<Driver> open_btrfs(const fs::path& root, const DriverOptions& options) {
  for (const auto& [key, value] : options.storage_opts)
    if (key == "size" || key == "btrfs.min_space")
      throw Error(Errc::unsupported,
                  "opening btrfs: storage option '" + key + "=" + printable(value) + "': cairn sets no quotas");
    else
      throw Error(Errc::invalid, "opening btrfs: it has no storage option '" + printable(key) + "'");
  return std::make_unique<btrfs::Btrfs>(root);
}

}  // namespace cairn
