// One repository of a registry, as images travel to it and from it. registry/ implements it over the Registry HTTP API
// V2 (formats: registry, 5). Thread-safe: several blobs may be under way at once. Everything that comes from here is
// hostile: manifests are verified against their digest before they are returned, blobs are verified by whoever reads
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/stream.h"
#include "core/digest/digest.h"
#include "core/image/manifest.h"

namespace cairn {

struct RemoteManifest {
  std::string media_type;  // as the registry said, "" if it did not
  std::string bytes;       // exact
  std::string payload;     // what was signed of schema 1, the signature checked; else the bytes
  Digest digest;           // of the payload
};

// Writes a whole blob. Called again where an upload has to be taken up anew, and writes the same bytes then.
using BlobProducer = std::function<void(ByteSink&)>;

struct UploadedBlob {
  Digest digest;
  uint64_t size;  // bytes
};

class RemoteRepository {
 public:
  virtual ~RemoteRepository() = default;
  virtual const std::string& name() const = 0;  // canonical: "docker.io/library/busybox"

  // What a tag or digest means, in one short request; nullopt where the registry does not tell without sending it all,
  // or has none of that name: manifest() says which.
  virtual std::optional<Digest> resolve(const std::string& tag_or_digest) = 0;
  // Errc::not_found; Errc::corrupt if the bytes have another digest than asked for or announced.
  virtual RemoteManifest manifest(const std::string& tag_or_digest) = 0;
  virtual std::vector<std::string> tags() = 0;
  // The bytes as shipped. A connection that breaks is taken up again where it broke; what is longer or shorter than
  // `blob.size` (where that is not 0) is Errc::corrupt. The request is made by the first read().
  virtual std::unique_ptr<ByteSource> blob(const Descriptor& blob) = 0;

  virtual std::optional<uint64_t> size_of(const Digest& blob) = 0;  // bytes; nullopt if it is not here
  // True: the registry has it here now, taken from the repository `from` (its path: "library/busybox").
  virtual bool mount(const Digest& blob, const std::string& from) = 0;
  // Errc::corrupt if the registry counts or hashes otherwise than we do.
  virtual UploadedBlob upload(const BlobProducer& produce) = 0;
  // Errc::corrupt if the registry answers with another digest than that of the bytes.
  virtual Digest put_manifest(const std::string& tag_or_digest, const std::string& media_type,
                              const std::string& bytes) = 0;
  // What engines key their notes of pushed blobs with (see KnownBlob::hmac).
  virtual std::string note_of(const Digest& blob) const = 0;
};

}  // namespace cairn
