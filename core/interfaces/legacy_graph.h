// A root of Docker 0.7 to 1.9 (formats: legacy-graph), read only. Every id in here has been validated. Damage never
// stops the reading of what is whole: it is recorded and the image is marked.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/stream.h"
#include "core/digest/digest.h"
#include "core/interfaces/metadata_store.h"
#include "core/util/ids.h"

namespace cairn {

struct LegacyImage {
  std::string id;                     // 64 hex
  std::string json;                   // exact bytes
  std::optional<std::string> parent;  // validated id; from graph/<id>/parent, parent, or parent_id
  std::optional<Digest> checksum;     // of the compressed blob, when it parses
  std::optional<int64_t> layer_size;
  bool has_tar_split = false;
  std::string error;  // why it cannot be used, "" if it can (cycles, missing parent, bad json …)
};

struct LegacyContainer {
  std::string id;      // 64 hex
  std::string config;  // config.json, exact bytes
  std::optional<std::string> host_config;
  std::string name;                // "/web", from config or linkgraph.db; "" if none
  std::string image;               // v1 id
  std::string driver;              // "" means aufs
  std::vector<std::string> links;  // "/db:mysql" (name:alias), from linkgraph.db where hostconfig has null
  std::string error;
};

class LegacyGraph {
 public:
  virtual ~LegacyGraph() = default;
  virtual std::string driver() const = 0;                      // the one this graph was opened for
  virtual const std::vector<LegacyImage>& images() const = 0;  // sorted by id
  virtual const LegacyImage* image(const std::string& id) const = 0;
  virtual std::unique_ptr<ByteSource> open_tar_split(const std::string& id) const = 0;      // JSON lines, inflated
  virtual std::unique_ptr<ByteSource> open_raw_tar_split(const std::string& id) const = 0;  // tar-data.json.gz as it is
  // repository -> tag or digest -> v1 id, as written.
  virtual const std::map<std::string, std::map<std::string, std::string>>& repositories() const = 0;
  virtual const std::vector<LegacyContainer>& containers() const = 0;
  virtual const std::vector<Damage>& damage() const = 0;
  virtual int root_fd() const = 0;
};

}  // namespace cairn
