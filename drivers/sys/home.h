// The directory a driver keeps its layers in, one directory of plain name per layer. Nothing is made before the first
// write. A layer is built, and deleted, under a name of its own beside its final one (".cairn-ID"), so that ID is
// absent or complete; what a crash leaves there is listed, and removed with the layer.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/util/fd.h"
#include "core/util/ids.h"

namespace cairn {

class LayerHome {
 public:
  // `path` below `root`, each component made with `mode` and the root's group when needed; `reserved` names in it are
  // no layers.
  LayerHome(const std::filesystem::path& root, std::string path, mode_t mode, std::vector<std::string> reserved = {});

  int fd() const;                      // throws not_found while there is none
  std::optional<int> try_fd() const;   // nullopt while there is none
  int make();                          // made if need be
  Fd nearest() const;                  // the home, or the nearest directory above where it would be
  std::filesystem::path path() const;  // as the kernel names it, links resolved; the home must exist

  static std::string stage_name(const LayerId& id) { return ".cairn-" + id.str(); }

  bool reserves(std::string_view name) const;  // it is no layer's
  bool exists(const LayerId& id) const;        // under its final name; invalid for a reserved name
  std::vector<LayerId> list() const;           // sorted; stages as well
  Fd open(const LayerId& id) const;            // throws not_found naming the layer, invalid for a reserved name
  // An empty directory to build `id` in. Throws already_exists, invalid for a reserved name.
  Fd begin(const LayerId& id, mode_t mode);
  std::optional<Fd> reopen(const LayerId& id) const;  // the stage, if there is one
  void publish(const LayerId& id) const;              // the stage becomes the layer
  // The stage's name, now holding what there was of `id` under either name; nullopt when there was nothing.
  std::optional<std::string> unpublish(const LayerId& id) const;
  void discard(const LayerId& id) const;  // deletes the stage

 private:
  void refuse_reserved(const LayerId& id) const;

  std::filesystem::path root_;
  std::string path_;
  mode_t mode_;
  std::vector<std::string> reserved_;
  mutable std::mutex mutex_;
  mutable Fd fd_;
};

// Where the directory `relative` below `home` is bind-mounted.
std::optional<std::filesystem::path> bound_on(const LayerHome& home, const std::string& relative);

// Where the directory `relative` below `home` is part of a mount: the target to name in a message. `relative` may be
// any of several names of it ("ID/diff", "l/LINK"). Mounts of its parts (ID/merged) are looked for below `layer_dir`.
std::optional<std::filesystem::path> mounted_on(const LayerHome& home, const std::string& layer_dir,
                                                const std::vector<std::string>& relative);
[[noreturn]] void throw_mounted(const std::filesystem::path& target);  // in_use

}  // namespace cairn
