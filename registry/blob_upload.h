// A blob on its way into a repository: one session, one streamed PATCH, taken up where the registry lost us if it still
// knows, else from the start (formats: registry, 5, Push).
#pragma once

#include <string>

#include "core/interfaces/registry.h"
#include "registry/transport.h"

namespace cairn {

UploadedBlob upload_blob(RegistryTransport& transport, const BlobProducer& produce);

// True: mounted. False: the registry would rather be sent it, or we may not read there.
bool mount_blob(RegistryTransport& transport, const Digest& blob, const std::string& from);

}  // namespace cairn
