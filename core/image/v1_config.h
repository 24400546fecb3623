// Docker 1.10's conversion of pre-1.10 JSON, byte for byte as Go's encoding/json writes it (formats: migration-v1, 8).
// The image ID is the hash of these bytes. All functions throw Errc::corrupt where Go's decoder would have refused the
// input.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/digest/digest.h"

namespace cairn {

// One element of `history`.
std::string history_from_v1(const std::string& v1_json, bool empty_layer = false);

// The image configuration: `history` holds elements made by history_from_v1, oldest first.
std::string config_from_v1(const std::string& v1_json, std::span<const DiffId> diff_ids,
                           std::span<const std::string> history);

// {parent, parent_id} of a graph/<id>/json as Docker reads it (case-insensitive keys): the parent's hex, "" for none.
// Not validated.
std::string parent_from_v1(const std::string& v1_json);

// graph/<id>/json as Docker 1.8.3 and 1.9 made it from an image's v1Compatibility and the digests of its blob and its
// parent ("" for none); the hash of these bytes is its strong id.
std::string strong_config_from_v1(const std::string& v1_json, const std::string& layer_id,
                                  const std::string& parent_id);

// config.v2.json: `config_json` with "Image" replaced and, when given, "Driver" (formats: migration-v1, 6.5).
std::string container_v2_from_v1(const std::string& config_json, const ImageId& image,
                                 const std::optional<std::string>& driver = std::nullopt);

}  // namespace cairn
