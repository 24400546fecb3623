// What is to be saved, between choosing it and writing it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/image/manifest.h"

namespace cairn {

// A layer as it will lie in the archive.
struct SavedBlob {
  ChainId chain;  // where the store has its tar
  DiffId diff;
  std::string image;       // the first that needs it, for messages
  uint64_t tar_bytes = 0;  // 0: left out, and the store does not know
  bool gzip = false, left_out = false;
  Digest digest;       // of its bytes in the archive: the DiffID unless it is packed
  uint64_t bytes = 0;  // in the archive, also if it is left out
  int packed = -1;     // a file with these bytes, if it had to be packed

  std::string label() const { return "layer " + diff.hex().substr(0, 12); }
};

struct SavedImage {
  ImageId id;
  std::vector<std::string> tags;
  std::string config;  // exact bytes
  std::vector<DiffId> diffs;
  int64_t created = 0;
  std::optional<ImageId> parent;      // saved, too
  std::optional<std::string> kept{};  // the exact bytes of a manifest of its that the archive can have
  std::vector<size_t> blobs{};        // of its layers, base first

  std::string label() const { return tags.empty() ? id.str() : tags.front(); }
};

struct SavePlan {
  std::vector<SavedImage> images;
  std::vector<SavedBlob> blobs;
};

}  // namespace cairn
