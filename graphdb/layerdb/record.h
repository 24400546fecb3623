// One directory of layerdb/sha256 or layerdb/mounts, read and written.
#pragma once

#include <optional>
#include <string>

#include "core/interfaces/metadata_store.h"
#include "core/util/error.h"

namespace cairn {

// Why an engine would not load a record; `kind` is the word for Damage.
class BadRecord : public Error {
 public:
  BadRecord(std::string kind, const std::string& text) : Error(Errc::corrupt, text), kind_(std::move(kind)) {}
  const std::string& kind() const noexcept { return kind_; }

 private:
  std::string kind_;
};

// `dir_fd`: layerdb/sha256 (layerdb/mounts). nullopt if the directory is absent, BadRecord if it is there and
// incomplete.
std::optional<LayerRecord> read_layer(int dir_fd, const ChainId& chain);
std::optional<MountRecord> read_mount(int dir_fd, const std::string& name);
// What is whole of one that may be damaged in any way.
LayerRemains read_remains(int dir_fd, const ChainId& chain);
MountRemains read_mount_remains(int dir_fd, const std::string& name);
// The cache-id alone, of a directory that may lack everything else.
std::optional<LayerId> read_cache_id(int dir_fd, const std::string& name);

// New files in the empty directory `dir_fd`, not durable.
void write_layer(int dir_fd, const LayerRecord& record);
void write_mount(int dir_fd, const MountRecord& record);

}  // namespace cairn
