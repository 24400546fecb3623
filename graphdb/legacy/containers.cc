#include "graphdb/legacy/containers.h"

#include <algorithm>
#include <map>

#include "core/util/error.h"
#include "graphdb/legacy/drivers.h"
#include "graphdb/legacy/linkgraph.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

namespace {

struct Reader {
  int root_fd;
  const std::string& driver;
  const DriverLayers& layers;
  const std::function<const LegacyImage*(const std::string&)>& image_of;
  std::vector<Damage>& damage;
  std::map<std::string, bool> wants_links;  // container id -> its host configuration leaves them to linkgraph.db

  void refuse(LegacyContainer& container, const std::string& kind, const std::string& why) {
    damage.push_back({kind, container.id, why});
    if (container.error.empty()) container.error = why;
  }

  void read_config(LegacyContainer& container) {
    const std::string file = "containers/" + container.id + "/config.json";
    try {
      container.config = read_regular_at(root_fd, file);
      const JsonObject config(container.config, file);
      container.name = config.string("Name");
      container.image = config.string("Image");
      container.driver = config.string("Driver");
      const std::string id = config.string("ID");
      if (id != container.id)
        refuse(container, "container-id-mismatch", "its configuration says ID '" + printable(id, 80) + "'");
    } catch (const Error& e) {
      refuse(container, e.code() == Errc::io ? "container-unreadable" : "container-json-invalid", e.what());
    }
  }

  void read_host_config(LegacyContainer& container) {
    const std::string file = "containers/" + container.id + "/hostconfig.json";
    wants_links[container.id] = true;
    try {
      auto text = try_read_regular_at(root_fd, file);
      if (!text) return;
      wants_links[container.id] = !JsonObject(*text, file).has("Links");
      container.host_config = std::move(text);
    } catch (const Error& e) {
      if (e.code() == Errc::io) return refuse(container, "container-unreadable", e.what());
      damage.push_back({"container-hostconfig-invalid", container.id, e.what()});
    }
  }

  void check(LegacyContainer& container) {
    const std::string made_with = container.driver.empty() ? "aufs" : container.driver;
    if (!container.error.empty()) return;
    if (made_with != driver) {
      container.error = "it was made with the driver '" + printable(made_with, 80) + "'";
      return;
    }
    const LegacyImage* image = image_of(container.image);
    if (image == nullptr)
      refuse(container, "container-image-missing", "its image '" + printable(container.image, 80) + "' is not there");
    else if (!image->error.empty())
      refuse(container, "container-image-missing", "its image " + image->id + " cannot be used: " + image->error);
    if (!layers.has(container.id)) refuse(container, "container-layer-missing", "the driver has no layer of that name");
  }

  std::optional<LegacyContainer> read(const std::string& id) {
    LegacyContainer container;
    container.id = id;
    if (!exists_at(root_fd, "containers/" + id + "/config.json")) {
      if (!exists_at(root_fd, "containers/" + id + "/config.v2.json"))
        damage.push_back({"container-json-missing", id, "its directory has no configuration"});
      return std::nullopt;
    }
    read_config(container);
    read_host_config(container);
    check(container);
    return container;
  }
};

}  // namespace

static void add_names(std::vector<LegacyContainer>& containers, const LinkGraph& graph) {
  for (auto& container : containers) {
    const auto names = graph.names.find(container.id);
    if (container.name.empty() && names != graph.names.end()) container.name = "/" + names->second.front();
  }
}

static void add_links(std::vector<LegacyContainer>& containers, const LinkGraph& graph, Reader& reader) {
  std::map<std::string, std::string> name_of;
  for (const auto& container : containers) name_of[container.id] = container.name;
  for (auto& container : containers) {
    const auto links = graph.links.find(container.id);
    if (links == graph.links.end() || !reader.wants_links[container.id]) continue;
    for (const auto& link : links->second) {
      const auto child = name_of.find(link.child);
      if (child != name_of.end() && !child->second.empty())
        container.links.push_back(child->second + ":" + link.alias);
      else
        reader.damage.push_back(
            {"link-dangling", container.id,
             "its link '" + printable(link.alias, 80) + "' leads to a container that is not there"});
    }
  }
}

std::vector<LegacyContainer> read_legacy_containers(int root_fd, const std::string& driver, const DriverLayers& layers,
                                                    const std::function<const LegacyImage*(const std::string&)>& image,
                                                    std::vector<Damage>& damage) {
  Reader reader{root_fd, driver, layers, image, damage, {}};
  std::vector<LegacyContainer> containers;
  for (const auto& id : container_ids(root_fd))
    if (auto container = reader.read(id)) containers.push_back(std::move(*container));
  try {
    const LinkGraph graph = read_link_graph(root_fd);
    add_names(containers, graph);
    add_links(containers, graph, reader);
  } catch (const Error& e) {
    if (e.code() == Errc::io) throw;
    damage.push_back({"linkgraph-invalid", "linkgraph.db", e.what()});
  }
  return containers;
}

}  // namespace cairn
