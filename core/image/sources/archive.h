// An image archive, whatever it is packed in: small texts by name, and layers that can be registered. What the texts
// mean is docker_archive.h's, oci_layout.h's and v1_archive.h's business.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest/digest.h"
#include "core/layer/layer_store.h"

namespace cairn {

inline constexpr size_t kMaxText = 8u << 20;    // one manifest, configuration or index
inline constexpr size_t kMaxTexts = 64u << 20;  // all of them that are kept at once

// Errc::corrupt when an archive has more files and links, or more bytes of texts, than are kept in memory.
void check_member_count(size_t members);
void check_kept_texts(uint64_t bytes);
// Whether a file that begins like this is a manifest or a configuration.
bool looks_like_json(std::string_view head);

struct ArchiveLayer {
  std::string member;          // name in the archive
  std::optional<Digest> blob;  // of its bytes as they are there
  std::optional<DiffId> diff;
  std::string elsewhere;  // where it is to be had when the archive lacks it ("" if unknown)
  uint64_t bytes = 0;     // as shipped, as the archive says; 0 if it does not

  std::string label() const;  // "layer 1a2b3c4d5e6f", for progress and messages
};

// An image read from an archive, not yet in the store.
struct ArchiveImage {
  std::string config;                // exact bytes
  std::vector<ArchiveLayer> layers;  // base first, one for each DiffID
  std::optional<ImageId> parent;
};

// One image of an archive. `read` throws what is wrong with it.
struct ArchiveItem {
  std::string label;              // its first name or digest, for messages
  std::vector<std::string> tags;  // familiar
  std::function<ArchiveImage()> read;
};

class Archive {
 public:
  virtual ~Archive() = default;
  // nullopt if there is no such file; links inside the archive are followed. Errc::corrupt above kMaxText.
  virtual std::optional<std::string> text(const std::string& member) const = 0;
  virtual std::vector<std::string> directories() const = 0;       // at the top, sorted
  virtual uint64_t size_of(const std::string& member) const = 0;  // 0 if unknown
  // The archive has it; or it leaves it out, and the store has the same tar, be it on other layers.
  virtual bool can_give(const ArchiveLayer& layer) const = 0;

  // Registers `layers` on `base` as LayerStore::register_layers does. What the store has need not be in the archive.
  virtual std::vector<LayerRecord> register_layers(const std::optional<ChainId>& base,
                                                   const std::vector<ArchiveLayer>& layers) = 0;
};

// Of a layer the archive should have. Errc::not_found.
[[noreturn]] void throw_missing(const ArchiveLayer& layer);
// The same for those of an image that has `all` layers.
[[noreturn]] void throw_missing(const std::vector<const ArchiveLayer*>& layers, size_t all);

// An archive that can be read anywhere and by several threads at once.
class RandomArchive : public Archive {
 public:
  explicit RandomArchive(LayerStore& layers) : layers_(layers) {}
  bool can_give(const ArchiveLayer& layer) const override;
  std::vector<LayerRecord> register_layers(const std::optional<ChainId>& base,
                                           const std::vector<ArchiveLayer>& layers) override;

 protected:
  virtual std::unique_ptr<ByteSource> open(const std::string& member) const = 0;  // nullptr if there is none

 private:
  LayerStore& layers_;
};

}  // namespace cairn
