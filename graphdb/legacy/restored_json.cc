#include "graphdb/legacy/restored_json.h"

#include "core/image/v1_config.h"
#include "core/util/error.h"
#include "graphdb/util/json.h"

namespace cairn {

// An id that was taken already was hashed again, until one was free.
static bool is_strong_id(const std::string& id, const std::string& config) {
  constexpr int kTries = 3;
  std::string hex = Digest::of(config).hex();
  for (int i = 0; i < kTries && hex != id; ++i) hex = Digest::of(hex).hex();
  return hex == id;
}

static std::optional<RestoredJson> restore_strong(const std::string& id, const std::string& v1_compatibility,
                                                  const Digest& blob, bool has_parent,
                                                  const std::vector<std::string>& ids) {
  const auto with_parent = [&](const std::optional<std::string>& parent) -> std::optional<RestoredJson> {
    std::string json = strong_config_from_v1(v1_compatibility, blob.str(), parent ? "sha256:" + *parent : "");
    if (!is_strong_id(id, json)) return std::nullopt;
    return RestoredJson{std::move(json), parent};
  };
  if (!has_parent) return with_parent(std::nullopt);
  for (const auto& parent : ids)
    if (auto found = with_parent(parent)) return found;
  return std::nullopt;
}

std::optional<RestoredJson> restore_json(const std::string& id, const std::string& v1_compatibility,
                                         const std::optional<Digest>& blob, const std::vector<std::string>& ids) {
  try {
    const JsonObject document(v1_compatibility, "v1Compatibility");
    const std::string parent = parent_from_v1(v1_compatibility);
    history_from_v1(v1_compatibility);  // or Docker would not have taken it
    if (document.string("id") == id)
      return RestoredJson{v1_compatibility, parent.empty() ? std::nullopt : std::optional(parent)};
    return blob ? restore_strong(id, v1_compatibility, *blob, !parent.empty(), ids) : std::nullopt;
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return std::nullopt;
  }
}

}  // namespace cairn
