// Mounts that outlive the process that made them. While one is there the plugin keeps a reference to the layer (Get
// without Put): some plugins serve a layer's files themselves and would stop. What is mounted is noted below /run,
// which lives as long as mounts do, so that whoever unmounts, or comes after a plain umount(8), can give the reference
// back.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "core/util/ids.h"
#include "drivers/plugin/client.h"

namespace cairn::plugin {

class MountNotes {
 public:
  explicit MountNotes(std::filesystem::path dir) : dir_(std::move(dir)) {}

  // That `target` (canonical) is to show `source`. Returns the note's name, for drop().
  std::string add(const Client& plugin, const LayerId& id, const std::filesystem::path& source,
                  const std::filesystem::path& target) const;
  void drop(const std::string& note) const;

  // Where this plugin's layer is mounted, after the references of those of its mounts that are gone were given back.
  std::optional<std::filesystem::path> mounted(const Client& plugin, const LayerId& id) const;
  // After unmounting `target`: gives the reference back to the plugin that is to have it, if that still runs.
  void unmounted(const std::filesystem::path& target) const;

 private:
  struct Note;
  std::vector<Note> notes() const;

  std::filesystem::path dir_;
};

}  // namespace cairn::plugin
