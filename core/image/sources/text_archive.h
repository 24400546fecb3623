// A tar that can be read once, front to back, of which only manifests and configurations are wanted.
#pragma once

#include <map>

#include "core/archive/tar_reader.h"
#include "core/image/sources/archive.h"
#include "core/image/sources/member_links.h"

namespace cairn {

class TextArchive : public Archive {
 public:
  // Reads `tar` (uncompressed) to its end.
  explicit TextArchive(ByteSource& tar);

  std::optional<std::string> text(const std::string& member) const override;
  std::vector<std::string> directories() const override { return {}; }
  uint64_t size_of(const std::string&) const override { return 0; }
  bool can_give(const ArchiveLayer&) const override { return false; }
  // There are none: Errc::unsupported.
  std::vector<LayerRecord> register_layers(const std::optional<ChainId>& base,
                                           const std::vector<ArchiveLayer>& layers) override;

 private:
  std::map<std::string, std::string> texts_;
  MemberLinks links_;
};

}  // namespace cairn
