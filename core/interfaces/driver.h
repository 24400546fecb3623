// Stores layers; knows nothing of digests, images or tar. LayerStore holds the lock; a driver takes none. All functions
// may be called from several threads for different layers.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/archive/tree.h"
#include "core/interfaces/damage.h"
#include "core/util/fd.h"
#include "core/util/ids.h"

namespace cairn {

// A layer in the making. Core fills the directory root_fd() with this layer's own entries (never its parent's); the
// driver writes its own kind of whiteout. Until finish() the layer does not exist; the destructor removes what is left.
class DiffTarget {
 public:
  virtual ~DiffTarget() = default;
  virtual int root_fd() const = 0;
  // `name`, in the directory `dir_fd` below root_fd(), is gone from the merged tree. No entry of that name is there.
  virtual void hide(int dir_fd, const std::string& name) = 0;
  // The directory hides all that parents have in it; what this layer put or puts there stays.
  virtual void make_opaque(int dir_fd) = 0;

  // The layer is complete and lies on `parent` (which is finished, or this throws not_found). Directories named in
  // `implied_dirs` (and the root, when "." is in it) take owner, mode, times and xattrs from the parent where it has a
  // directory of that name. Nothing is durable yet: the caller syncs the file system before naming the layer anywhere.
  virtual void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) = 0;

  // What lies there is all there will be: the destructor leaves it, for Driver::reopen(). False where that cannot be.
  virtual bool leave() { return false; }
};

enum class Access { read_only, read_write };

// Whether and how this driver can work in this place.
struct DriverStatus {
  bool readable = true, writable = true, mountable = true;
  bool writable_mounts = true;  // where mountable; false: all that works is Access::read_only
  // False: another program keeps the layers. list() then names those half made here and those that metadata names, and
  // nothing keeps a layer from being removed because a mounted one lies on it.
  bool keeps_layers = true;
  std::string why_not;  // one line, empty when all is well
  std::string remedy;
};

// Which layer lies on which, as metadata knows it.
using LayerParents = std::map<LayerId, std::optional<LayerId>>;

class Driver {
 public:
  virtual ~Driver() = default;
  virtual std::string_view name() const noexcept = 0;
  virtual DriverStatus probe() const = 0;

  // True when a layer's own directory holds its whole tree (vfs): the parent is not needed to read it.
  virtual bool layers_stand_alone() const noexcept = 0;

  // Layers are directories on the file system of home_fd(): what they hold can be linked to, and is soon measured.
  // False: each is a file system of its own (devicemapper), or another program's.
  virtual bool layers_are_directories() const noexcept { return true; }

  virtual bool exists(const LayerId& id) const = 0;
  // Every layer on disk, half-made ones included, sorted.
  virtual std::vector<LayerId> list() const = 0;

  // An empty layer over `parent`, to be mounted and written. Throws already_exists, or not_found if `parent` is
  // missing. On a throw nothing of `id` remains.
  virtual void create(const LayerId& id, const std::optional<LayerId>& parent) = 0;

  // Starts a layer that is filled from a tar or a tree. Throws already_exists.
  virtual std::unique_ptr<DiffTarget> begin(const LayerId& id) = 0;
  // What DiffTarget::leave() left, by whatever process; nullptr if there is none, or this driver leaves nothing.
  virtual std::unique_ptr<DiffTarget> reopen(const LayerId& /*id*/) { return nullptr; }

  // Absent is success, so that a crashed removal can be repeated. Throws in_use while mounted.
  virtual void remove(const LayerId& id) = 0;

  // Where the layer is part of a mount, so that remove() would refuse. nullopt where the driver cannot tell beforehand.
  virtual std::optional<std::filesystem::path> mounted(const LayerId& /*id*/) const { return std::nullopt; }

  // The merged tree, without a mount where the format allows. Throws not_found, or corrupt naming what is damaged.
  virtual Tree tree(const LayerId& id) const = 0;
  // The merged tree of `id` over `ancestors`, nearest first, whatever the driver's own records say of them; they are
  // not read. Drivers that keep no such records need none.
  virtual Tree tree_over(const LayerId& id, const std::vector<LayerId>& /*ancestors*/) const { return tree(id); }
  // The layer's own directory as it lies, overlay's marks included; nullopt for drivers that keep layers in another
  // way.
  virtual std::optional<Tree> own_files(const LayerId& /*id*/) const { return std::nullopt; }
  // What is wrong with the driver's own records of the layers in `parents` that it has.
  virtual std::vector<Damage> examine(const LayerParents& /*parents*/) const { return {}; }

  // Bytes of this layer's own files as the engine would record them in layerdb `size` (formats: content-addressed, 3);
  // `content_bytes` is the sum of the tar's header sizes.
  virtual int64_t layer_size(const LayerId& id, int64_t content_bytes) const = 0;
  // Disk space of the layer's own directory, hard links counted once.
  virtual uint64_t disk_usage(const LayerId& id) const = 0;

  // Mounts the merged tree on `target`, an existing directory; it outlives this process. Throws in_use if `target` is a
  // mount point already, unsupported where the kernel cannot. read_write only for layers made by create().
  virtual void mount(const LayerId& id, Access access, const std::filesystem::path& target) = 0;

  // A descriptor on the file system the layers lie on, for syncfs.
  virtual int home_fd() const = 0;
};

// How a driver is opened: what --storage-opt said, in the engine's own names ("overlay2.size", "dm.thinpooldev").
struct DriverOptions {
  std::vector<std::pair<std::string, std::string>> storage_opts;
};

// Unmounts what a driver mounted on `target`. Throws not_found if it is no mount point, in_use if busy.
// Implemented in drivers/sys.
void unmount(const std::filesystem::path& target);

}  // namespace cairn
