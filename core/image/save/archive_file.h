// The tar that `save` writes: small texts, and layers that are put together while they are written.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "core/archive/tar_reader.h"
#include "core/image/save/save.h"
#include "core/image/save/saved_image.h"

namespace cairn {

struct ArchiveMember {
  std::string name;  // of a directory with '/' at its end
  TarType type = TarType::file;
  int64_t mtime = 0;
  std::string text{};               // content, or where a link leads
  const SavedBlob* blob = nullptr;  // the content, instead of `text`

  uint64_t size() const { return type != TarType::file ? 0 : blob ? blob->bytes : text.size(); }
};

using BlobWriter = std::function<void(const SavedBlob& blob, ByteSink& out)>;

// Owners and modes are those `docker save` gives. `write_blob` is called by several threads if `output` is a file.
void write_archive(std::span<const ArchiveMember> members, const BlobWriter& write_blob, SaveOutput output,
                   unsigned jobs);

}  // namespace cairn
