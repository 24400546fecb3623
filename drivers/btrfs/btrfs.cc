#include "drivers/btrfs/btrfs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "core/util/error.h"
#include "drivers/btrfs/subvolume.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/layer_stage.h"
#include "drivers/sys/merge_own.h"
#include "drivers/sys/merge_parent.h"
#include "drivers/sys/mount_table.h"
#include "drivers/sys/tree_copy.h"
#include "drivers/sys/whole_tree.h"

namespace cairn {

namespace fs = std::filesystem;

namespace btrfs {

namespace {

constexpr ino_t kLostSubvolume = 2;  // BTRFS_EMPTY_SUBVOL_DIR_OBJECTID: what a snapshot has of a nested subvolume
constexpr const char* kRemedy = "put the root on a btrfs file system, or choose overlay2";

bool can_have_entries(const struct stat& st) { return S_ISDIR(st.st_mode) && st.st_ino != kLostSubvolume; }

// "'PATH' is on ext4, not btrfs", or nothing if it is on btrfs.
std::string other_file_system(const LayerHome& home) {
  const Fd there = home.nearest();
  if (on_btrfs(there.get())) return "";
  struct stat st;
  if (::fstat(there.get(), &st) != 0) throw_errno("reading the status of '" + printable(path_of(there.get())) + "'");
  std::string type = "another file system";
  for (const auto& one : mount_table())
    if (one.device == st.st_dev) type = one.type;
  return "'" + printable(path_of(there.get())) + "' is on " + printable(type) + ", not btrfs";
}

class Btrfs : public WholeTreeDriver {
 public:
  explicit Btrfs(const fs::path& root)
      : WholeTreeDriver(root, "btrfs/subvolumes"), place_(fs::absolute(root) / "btrfs") {}

  std::string_view name() const noexcept override { return "btrfs"; }
  DriverStatus probe() const override;
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  void remove(const LayerId& id) override;

  void require_btrfs() const;

 private:
  fs::path place_;
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
                  merge_parent(own_.get(), std::nullopt, Files::copied);
                  return stage_.publish(kOwn);
                }
                const Fd whole = stage_.add_child_of(*parent, "whole");
                complete_implied(own_.get(), driver_.tree(*parent), implied_dirs);
                merge_own(own_.get(), {whole.get(), remove_deep, can_have_entries});
                own_.reset();
                stage_.drop(kOwn);  // a crash after publishing leaves no more than an empty directory
                stage_.publish("whole");
              });
}

void Btrfs::require_btrfs() const {
  if (const auto why = other_file_system(home_); !why.empty())
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
                require_unmounted(id);
                if (home_.exists(id)) remove_deep(home_.fd(), stage);
                if (home_.unpublish(id)) remove_deep(home_.fd(), stage);
                const auto quotas = try_open_at(AT_FDCWD, place_ / "quotas", O_RDONLY | O_DIRECTORY);
                if (quotas && ::unlinkat(quotas->get(), id.str().c_str(), 0) != 0 && errno != ENOENT)
                  throw_errno("removing 'quotas/" + id.str() + "'");
              });
}

DriverStatus Btrfs::probe() const {
  if (::geteuid() != 0)
    return status_without_root("layers hold files of any owner, and removing a subvolume needs CAP_SYS_ADMIN");
  DriverStatus status;
  status.why_not = other_file_system(home_);
  status.writable = status.why_not.empty();
  if (!status.writable) status.remedy = kRemedy;
  return status;
}

}  // namespace

}  // namespace btrfs

std::unique_ptr<Driver> open_btrfs(const fs::path& root, const DriverOptions& options) {
  refuse_options("btrfs", options, {"size", "btrfs.min_space"});
  return std::make_unique<btrfs::Btrfs>(root);
}

}  // namespace cairn
