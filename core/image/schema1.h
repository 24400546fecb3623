// Manifests of schema 1 (formats: registry, 2): signed documents without a configuration, which is made of what each
// layer says of itself, as Docker 1.10 and later made it. They are read, never written.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/digest/digest.h"

namespace cairn {

// The signed part of a document, the formats of its signatures having agreed on it; a document without signatures is
// its own payload. Its sha256 is the manifest's digest. Errc::corrupt when the two cannot be told apart.
std::string schema1_payload(const std::string& document);

// The same, and every signature is one of the key it names over that payload. Any key will do: nobody trusts keys here,
// but bytes that somebody changed are found out. Errc::corrupt.
std::string verified_schema1_payload(const std::string& document);

struct Schema1Image {
  struct Step {  // oldest first
    std::string v1_json;
    Digest blob;
    bool throwaway = false;  // made no layer: its blob is not fetched
  };
  std::string name, tag, architecture;
  std::vector<Step> steps;
};
// Errc::corrupt for what Docker refuses to pull: histories that do not fit the layers, broken chains of parents, bad
// ids.
Schema1Image read_schema1(const std::string& payload);

// The configuration whose hash is the image's ID. `diff_ids`: of the steps that are not thrown away, oldest first.
std::string config_of(const Schema1Image& image, std::span<const DiffId> diff_ids);

}  // namespace cairn
