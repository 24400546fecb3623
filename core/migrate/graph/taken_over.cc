#include "core/migrate/graph/taken_over.h"

#include <algorithm>

#include "core/json/go_json.h"
#include "core/migrate/state.h"
#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

bool TakenOver::has(const std::string& object) const {
  return images.contains(object) || removed.contains(object) || containers.contains(object);
}

static bool is_json_object(int root_fd, const std::string& path) {
  try {
    const auto text = try_read_file_at(root_fd, path);
    if (text) go_json::members(*text);
    return text.has_value();
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return false;  // cut off while it was written
  }
}

// Whatever has an entry below layerdb/mounts was worked with since, be it whole or damaged.
static std::set<std::string> containers_taken_over(const MigrationSource& source, MetadataStore& content) {
  std::set<std::string> out;
  std::vector<Damage> damage;
  for (const auto& mount : content.layers().mounts(&damage)) out.insert(mount.name);
  for (const auto& one : damage) out.insert(one.object);
  for (const auto& container : source.graph.containers())
    if (is_json_object(source.graph.root_fd(), "containers/" + container.id + "/config.v2.json"))
      out.insert(container.id);
  return out;
}

TakenOver taken_over(const MigrationSource& source, MetadataStore& content, const std::set<std::string>& lost) {
  TakenOver out;
  const auto there = content.images().list();
  for (const auto& [id, image] : read_mapping(source.graph.root_fd())) {
    const bool is_there = std::binary_search(there.begin(), there.end(), image);
    if (is_there && !lost.contains(image.str()))
      out.images.emplace(id, image);
    else if (!is_there && !source.driver.exists(LayerId(id)))
      out.removed.insert(id);
  }
  out.containers = containers_taken_over(source, content);
  out.tags = exists_at(source.graph.root_fd(), ".migration-v1-tags");
  return out;
}

std::set<std::string> left_to_graph(const MigrationSource& source, const TakenOver& taken) {
  std::set<std::string> out;
  for (const auto& image : source.graph.images()) out.insert(image.id);
  for (const auto& container : source.graph.containers())
    if (!taken.containers.contains(container.id)) out.insert(container.id);
  return out;
}

}  // namespace cairn
