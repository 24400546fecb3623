#include "core/migrate/graph/selection.h"

#include <fcntl.h>

#include <algorithm>

#include "core/image/reference.h"
#include "core/migrate/left_over.h"
#include "core/migrate/root_state.h"
#include "core/util/error.h"

namespace cairn {

// `image` and its ancestors that are not in `seen` yet, oldest first. The graph has marked cycles as errors.
static void add_with_parents(const LegacyGraph& graph, const LegacyImage& image, std::set<std::string>& seen,
                             std::vector<const LegacyImage*>& out) {
  std::vector<const LegacyImage*> line;
  for (const LegacyImage* at = &image; at != nullptr && seen.insert(at->id).second;
       at = at->parent ? graph.image(*at->parent) : nullptr)
    line.push_back(at);
  out.insert(out.end(), line.rbegin(), line.rend());
}

static void add_tags(const LegacyGraph& graph, const TakenOver& taken, Selection& selection) {
  for (const auto& [repository, entries] : graph.repositories()) {
    for (const auto& [key, id] : entries) {
      if (taken.tags && (taken.images.contains(id) || taken.removed.contains(id))) continue;
      const LegacyReference reference = reference_from_v1(repository, key);
      if (reference.error.empty())
        selection.tags[id].push_back(reference.familiar);
      else
        selection.damage.push_back({"reference-invalid", repository + ":" + key, reference.error, "left out"});
    }
  }
  for (auto& [id, tags] : selection.tags) std::sort(tags.begin(), tags.end());
}

// Who lies on whom by the graph. Layers that are not there are named with their image or container.
static void add_trees(const MigrationSource& source, Selection& selection) {
  SourceTrees& trees = selection.trees;
  const auto add = [&](const std::string& id, const std::optional<LayerId>& parent) {
    if (trees.has(LayerId(id))) trees.add(LayerId(id), parent);
  };
  for (const auto& image : source.graph.images())
    if (image.error.empty()) add(image.id, image.parent ? std::optional(LayerId(*image.parent)) : std::nullopt);
  for (const auto& container : source.graph.containers()) {
    if (!container.error.empty()) continue;
    const LayerId image(container.image), init(container.id + "-init");
    add(init.str(), image);
    add(container.id, trees.parents().contains(init) ? init : image);
  }
  for (auto& one : source.driver.examine(trees.parents())) selection.damage.push_back(std::move(one));
}

static void add_left_over(const MigrationSource& source, const MigrateOptions& options, Selection& selection) {
  const Fd root = open_dir(source.root.string());
  if (!options.later_part || options.taken_over.layers)  // else a part before has told it
    for (auto& one : left_over_in_graph(root.get())) selection.left_over.push_back(std::move(one));
  if (options.taken_over.layers) return;
  std::set<std::string> known = volumes_of(source.root);  // up to 1.6 they lie among the layers of vfs
  for (const char* folder : {"graph", "containers"})
    if (const auto dir = try_open_at(root.get(), folder, O_RDONLY | O_DIRECTORY))
      for (auto& name : list_dir(dir->get())) known.insert(std::move(name));
  for (const auto& id : source.driver.list()) {
    if (may_be_left_over(id) && (is_unfinished(id) || !known.contains(id.str().substr(0, 64))))
      selection.left_over.push_back(left_over_layer(id));
  }
}

Selection select(const MigrationSource& source, const MigrateOptions& options) {
  const LegacyGraph& graph = source.graph;
  Selection out(source);
  std::set<std::string> seen;
  for (const auto& id : options.images)
    if (graph.image(id) == nullptr)
      throw Error(Errc::not_found, "choosing image '" + printable(id) + "': the source has no such image");
  for (const auto& image : graph.images()) {
    if (options.taken_over.removed.contains(image.id)) continue;
    const bool wanted = options.images.empty() ||
                        std::find(options.images.begin(), options.images.end(), image.id) != options.images.end();
    if (wanted) add_with_parents(graph, image, seen, out.images);
  }
  if (options.containers)
    for (const auto& container : graph.containers())
      if (!options.other_drivers.contains(container.driver.empty() ? "aufs" : container.driver) &&
          !options.taken_over.containers.contains(container.id) &&
          (options.images.empty() || seen.contains(container.image)))
        out.containers.push_back(&container);
  add_tags(graph, options.taken_over, out);
  add_trees(source, out);
  if (!options.images.empty()) return out;
  for (const auto& id : options.taken_over.removed)
    if (graph.image(id) != nullptr)
      out.left_over.push_back({"image", id, "left", "it was removed from the layout that Docker migrated it to"});
  add_left_over(source, options, out);
  return out;
}

}  // namespace cairn
