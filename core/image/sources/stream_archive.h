// A tar that can be read once, front to back (a pipe, or compressed): layers are applied as they come by, small files
// are kept, and which layer belongs where is learned at the end. What no image needs is discarded with this object.
#pragma once

#include <map>

#include "core/archive/tar_reader.h"
#include "core/image/sources/archive.h"
#include "core/image/sources/member_links.h"
#include "core/util/error.h"

namespace cairn {

class StreamArchive : public Archive {
 public:
  // Reads `tar` (uncompressed) to its end.
  StreamArchive(ByteSource& tar, LayerStore& layers, LayerMetadata& known);

  std::optional<std::string> text(const std::string& member) const override;
  std::vector<std::string> directories() const override;
  uint64_t size_of(const std::string&) const override { return 0; }
  bool can_give(const ArchiveLayer& layer) const override;
  std::vector<LayerRecord> register_layers(const std::optional<ChainId>& base,
                                           const std::vector<ArchiveLayer>& layers) override;

 private:
  // What became of a file: one of the four.
  struct Member {
    std::optional<std::string> text;
    std::optional<StagedLayer> staged;
    std::optional<ChainId> published;  // the staged layer was used here
    std::optional<Error> error;        // why it is neither
  };
  struct Batch;  // layers taken and not yet published

  void take(TarReader& tar, const TarEntry& entry);
  bool keep(TarReader& tar, std::string head, uint64_t size, Member& member);
  void stage(TarReader& tar, std::string head, const std::string& name, Member& member);
  const Member* find(const std::string& name) const;
  void use(const ArchiveLayer& layer, Batch& batch);
  static void check(const StagedLayer& staged, const ArchiveLayer& layer);
  void publish(Batch& batch);

  LayerStore& layers_;
  LayerMetadata& known_;
  std::map<std::string, Member> members_;
  MemberLinks links_;
  uint64_t kept_ = 0;   // bytes of texts
  size_t refused_ = 0;  // members that looked like layers and were none
};

}  // namespace cairn
