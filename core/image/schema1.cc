#include "core/image/schema1.h"

#include <algorithm>
#include <set>

#include "core/image/v1_config.h"
#include "core/image/web_signature.h"
#include "core/json/go_struct.h"
#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {
namespace {

using go_json::Omit;

constexpr size_t kLargestDocument = 4 << 20;  // what engines take
constexpr size_t kMostSignatures = 64;

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Errc::corrupt, "reading a manifest of schema 1: " + why);
}

struct SignatureBlock {
  std::string_view header;  // JSON
  std::string signature, protected_text;
};

// What a signature's protected part says of the document's format.
struct SignedFormat {
  int64_t length = -1;
  std::string tail;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("formatLength", self.length, Omit::never);
    visit("formatTail", self.tail, Omit::never);
  }
  bool operator==(const SignedFormat&) const = default;
};

struct FsLayer {
  std::string blob_sum;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("blobSum", self.blob_sum, Omit::never);
  }
};

struct V1Compatibility {
  std::string text;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("v1Compatibility", self.text, Omit::never);
  }
};

struct Schema1Document {
  int64_t version = 0;
  std::string name, tag, architecture;
  std::vector<FsLayer> layers;
  std::vector<V1Compatibility> history;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("schemaVersion", self.version, Omit::never);
    visit("name", self.name, Omit::never);
    visit("tag", self.tag, Omit::never);
    visit("architecture", self.architecture, Omit::never);
    visit("fsLayers", self.layers, Omit::never);
    visit("history", self.history, Omit::never);
  }
};

// What a layer says of itself that the order of layers is checked by.
struct V1Link {
  std::string id, parent;
  bool throwaway = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("id", self.id, Omit::never);
    visit("parent", self.parent, Omit::never);
    visit("throwaway", self.throwaway, Omit::never);
  }
};

SignatureBlock read_block(std::string_view raw) {
  SignatureBlock out;
  for (const auto& member : go_json::members(raw)) {
    if (member.key == "header") out.header = member.raw;
    if (member.key == "signature") go_json::decode(member.raw, out.signature);
    if (member.key == "protected") go_json::decode(member.raw, out.protected_text);
  }
  return out;
}

std::vector<SignatureBlock> signatures_of(std::string_view document) {
  if (document.size() > kLargestDocument) refuse("it has more than 4 MiB");
  std::vector<SignatureBlock> out;
  bool found = false;
  go_json::check(document);
  document.remove_prefix(document.find_first_not_of(" \t\r\n"));
  for (const auto& member : go_json::members(document)) {
    if (member.key != "signatures") continue;
    if (std::exchange(found, true)) refuse("it has signatures twice");
    const auto blocks = go_json::elements(member.raw);
    if (blocks.size() > kMostSignatures) refuse("it has " + std::to_string(blocks.size()) + " signatures");
    for (const auto block : blocks) out.push_back(read_block(block));
  }
  if (found && out.empty()) refuse("its list of signatures is empty");
  return out;
}

// The document without its signatures, as it was when it was signed.
std::string payload_of(const std::string& document, const std::vector<SignatureBlock>& signatures) {
  if (signatures.empty()) return document;
  std::optional<SignedFormat> format;
  for (const auto& one : signatures) {
    auto own = go_json::read_struct<SignedFormat>(from_base64url(one.protected_text));
    if (format && !(*format == own)) refuse("its signatures do not agree on what they sign");
    format = std::move(own);
  }
  if (format->length < 0 || static_cast<size_t>(format->length) > document.size())
    refuse("its signatures are of more than there is");
  return document.substr(0, static_cast<size_t>(format->length)) + from_base64url(format->tail);
}

// As the engine does: the newer of two neighbours of one id is left out, anything else that is no chain is refused.
std::vector<size_t> chained(const std::vector<V1Link>& links) {
  std::set<std::string_view> seen;
  for (size_t i = 0; i < links.size(); ++i) {
    if (!is_hex64(links[i].id)) refuse("'" + printable(links[i].id, 80) + "' is no id of a layer");
    if (!seen.insert(links[i].id).second && links[i].id != links[i - 1].id)
      refuse("layer " + links[i].id + " is in it more than once");
  }
  if (!links.back().parent.empty()) refuse("its base layer has a parent");
  std::vector<size_t> out{links.size() - 1};
  for (size_t i = links.size() - 1; i-- > 0;) {
    if (links[i].id == links[i + 1].id) continue;
    if (links[i].parent != links[i + 1].id)
      refuse("the parent of layer " + links[i].id + " is '" + printable(links[i].parent, 80) +
             "', not the layer below it");
    out.push_back(i);
  }
  return out;
}

}  // namespace

std::string schema1_payload(const std::string& document) { return payload_of(document, signatures_of(document)); }

std::string verified_schema1_payload(const std::string& document) {
  const auto signatures = signatures_of(document);
  std::string payload = payload_of(document, signatures), encoded;
  if (!signatures.empty()) append_base64url(encoded, payload);
  for (const auto& one : signatures) {
    if (one.header.empty()) refuse("a signature has no header");
    verify_web_signature(one.header, one.protected_text + '.' + encoded, from_base64url(one.signature));
  }
  return payload;
}

Schema1Image read_schema1(const std::string& payload) {
  const auto document = go_json::read_struct<Schema1Document>(payload);
  const auto& layers = document.layers;
  if (document.version != 1) refuse("it is of schema " + std::to_string(document.version));
  if (layers.empty()) refuse("it has no layers");
  if (layers.size() != document.history.size())
    refuse("it has " + std::to_string(layers.size()) + " layers and a history of " +
           std::to_string(document.history.size()));
  std::vector<V1Link> links;
  links.reserve(layers.size());
  for (const auto& one : document.history) links.push_back(go_json::read_struct<V1Link>(one.text));
  Schema1Image out{document.name, document.tag, document.architecture, {}};
  for (const size_t i : chained(links)) {
    const auto blob = Digest::parse(layers[i].blob_sum);
    if (!blob) refuse("'" + printable(layers[i].blob_sum, 160) + "' is not a sha256 digest");
    out.steps.push_back({document.history[i].text, *blob, links[i].throwaway});
  }
  return out;
}

std::string config_of(const Schema1Image& image, std::span<const DiffId> diff_ids) {
  std::vector<std::string> history;
  size_t layers = 0;
  for (const auto& step : image.steps) {
    history.push_back(history_from_v1(step.v1_json, step.throwaway));
    layers += !step.throwaway;
  }
  if (image.steps.empty() || layers != diff_ids.size())
    throw Error(Errc::invalid, "making a configuration of schema 1: " + std::to_string(diff_ids.size()) +
                                   " layers for a history that has " + std::to_string(layers));
  return config_from_v1(image.steps.back().v1_json, diff_ids, history);
}

}  // namespace cairn
