// A repository by the Registry HTTP API V2 (formats: registry, 5).
#pragma once

#include "core/interfaces/registry.h"
#include "registry/transport.h"

namespace cairn {

class HttpRepository : public RemoteRepository {
 public:
  explicit HttpRepository(std::unique_ptr<RegistryTransport> transport);

  const std::string& name() const override { return name_; }
  std::optional<Digest> resolve(const std::string& tag_or_digest) override;
  RemoteManifest manifest(const std::string& tag_or_digest) override;
  std::vector<std::string> tags() override;
  std::unique_ptr<ByteSource> blob(const Descriptor& blob) override;

  std::optional<uint64_t> size_of(const Digest& blob) override;
  bool mount(const Digest& blob, const std::string& from) override;
  UploadedBlob upload(const BlobProducer& produce) override;
  Digest put_manifest(const std::string& tag_or_digest, const std::string& media_type,
                      const std::string& bytes) override;
  std::string note_of(const Digest& blob) const override {
    return metadata_hmac(metadata_hmac_key(transport_->who()), blob, name_);
  }

 private:
  std::unique_ptr<RegistryTransport> transport_;
  std::string name_;
};

}  // namespace cairn
