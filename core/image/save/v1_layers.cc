#include "core/image/save/v1_layers.h"

#include <algorithm>
#include <optional>

#include "core/image/config_json.h"

namespace cairn {
namespace {

using go_json::Omit;

// Docker 20.10's image.V1Image.
struct Description {
  std::string id, parent, comment, container, docker_version, author, architecture, variant, os;
  go_json::Time created;
  RunConfig container_config;
  std::optional<RunConfig> config;
  int64_t size = 0;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("id", self.id, Omit::empty);
    visit("parent", self.parent, Omit::empty);
    visit("comment", self.comment, Omit::empty);
    visit("created", self.created, Omit::never);
    visit("container", self.container, Omit::empty);
    visit("container_config", self.container_config, Omit::never);
    visit("docker_version", self.docker_version, Omit::empty);
    visit("author", self.author, Omit::empty);
    visit("config", self.config, Omit::empty);
    visit("architecture", self.architecture, Omit::empty);
    visit("variant", self.variant, Omit::empty);
    visit("os", self.os, Omit::empty);
    visit("Size", self.size, Omit::empty);
  }
};

struct Created {
  go_json::Time created;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("created", self.created, Omit::never);
  }
};

// The hash that was the layer's ID: of its description, its chain, and the hash of the layer below.
Digest id_of(Description description, const ChainId& chain, const std::optional<Digest>& parent) {
  description.id.clear();
  auto members = go_json::object(go_json::encode(description));
  members["layer_id"] = go_json::quote(chain.str());
  if (parent) members["parent"] = go_json::quote(parent->str());
  return Digest::of(go_json::encode(members));
}

}  // namespace

std::vector<V1Layer> v1_layers(const std::string& config, std::span<const DiffId> diffs) {
  const auto image = go_json::read_struct<Description>(config);
  std::vector<V1Layer> out;
  std::optional<ChainId> chain;
  std::optional<Digest> parent;
  for (size_t i = 0; i < diffs.size(); ++i) {
    Description layer;
    layer.created.text = "1970-01-01T00:00:00Z";
    if (i + 1 == diffs.size()) layer = image;
    chain = chain_id(chain, diffs[i]);
    const Digest id = id_of(layer, *chain, parent);
    layer.id = id.hex();
    if (parent) layer.parent = parent->hex();
    layer.os = image.os.empty() ? "linux" : image.os;
    out.push_back({layer.id, go_json::encode(layer)});
    parent = id;
  }
  return out;
}

int64_t created_time(const std::string& config) {
  return std::max<int64_t>(go_json::seconds_of(go_json::read_struct<Created>(config).created.text), 0);
}

}  // namespace cairn
