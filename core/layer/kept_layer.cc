#include "core/layer/kept_layer.h"

#include <sstream>

#include "core/archive/base64.h"

namespace cairn {

// A word a field; names may hold any byte.
static std::string word(const std::string& name) {
  std::string out = "=";  // even an empty name is a word
  append_base64(out, name);
  return out;
}

static std::optional<std::string> name_of(const std::string& word) {
  std::string out;
  if (!word.starts_with('=') || !append_from_base64(out, std::string_view(word).substr(1))) return std::nullopt;
  return out;
}

std::string describe(const StagedLayer& layer) {
  std::ostringstream out;
  out << "layer " << layer.cache_id.str() << ' ' << layer.diff.str() << ' ' << layer.blob.str() << ' '
      << layer.blob_bytes << ' ' << layer.applied.content_bytes << ' ' << layer.applied.entries << '\n';
  for (const auto& dir : layer.applied.implied_dirs) out << "dir " << word(dir) << '\n';
  for (const auto& link : layer.applied.links) out << "link " << word(link.name) << ' ' << word(link.target) << '\n';
  out << "end\n";
  return out.str();
}

std::optional<StagedLayer> read_description(const std::string& text) {
  std::istringstream in(text);
  std::string kind, cache_id, diff_text, blob_text;
  uint64_t blob_bytes = 0;
  Applied applied;
  in >> kind >> cache_id >> diff_text >> blob_text >> blob_bytes >> applied.content_bytes >> applied.entries;
  const auto diff = DiffId::parse(diff_text);
  const auto blob = Digest::parse(blob_text);
  if (!in || kind != "layer" || !diff || !blob || !LayerId::valid(cache_id)) return std::nullopt;
  while (in >> kind && kind != "end") {
    std::string first, second;
    in >> first;
    if (kind == "link") in >> second;
    const auto name = name_of(first), target = name_of(second.empty() ? "=" : second);
    if (!in || !name || !target || (kind != "dir" && kind != "link")) return std::nullopt;
    if (kind == "dir")
      applied.implied_dirs.push_back(*name);
    else
      applied.links.push_back({*name, *target});
  }
  if (kind != "end") return std::nullopt;
  return StagedLayer{*diff, *blob, blob_bytes, std::move(applied), LayerId(cache_id), nullptr, nullptr};
}

}  // namespace cairn
