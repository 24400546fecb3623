// A blob as its bytes come, taken up again where a connection broke.
#pragma once

#include <optional>

#include "core/image/manifest.h"
#include "registry/transport.h"

namespace cairn {

class BlobReader : public ByteSource {
 public:
  // `transport` outlives this.
  BlobReader(RegistryTransport& transport, const Descriptor& blob);
  size_t read(std::span<char> into) override;

 private:
  void open();
  size_t take(std::span<char> into);

  RegistryTransport& transport_;
  std::string digest_;
  uint64_t size_;                // 0: unknown
  uint64_t at_ = 0, since_ = 0;  // bytes read; since the connection broke last
  size_t way_ = 0;               // that answer_ came over
  unsigned failed_ = 0;          // times in a row without getting on
  std::unique_ptr<HttpAnswer> answer_;
};

}  // namespace cairn
