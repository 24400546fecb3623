#include "core/migrate/graph/selection.h"

#include <algorithm>

#include "core/image/reference.h"
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

static void add_tags(const LegacyGraph& graph, Selection& selection) {
  for (const auto& [repository, entries] : graph.repositories()) {
    for (const auto& [key, id] : entries) {
      const LegacyReference reference = reference_from_v1(repository, key);
      if (reference.error.empty())
        selection.tags[id].push_back(reference.familiar);
      else
        selection.damage.push_back({"reference-invalid", repository + ":" + key, reference.error});
    }
  }
  for (auto& [id, tags] : selection.tags) std::sort(tags.begin(), tags.end());
}

Selection select(const LegacyGraph& graph, const MigrateOptions& options) {
  Selection out;
  std::set<std::string> seen;
  for (const auto& id : options.images)
    if (graph.image(id) == nullptr)
      throw Error(Errc::not_found, "choosing image '" + printable(id) + "': the source has no such image");
  for (const auto& image : graph.images()) {
    const bool wanted = options.images.empty() ||
                        std::find(options.images.begin(), options.images.end(), image.id) != options.images.end();
    if (wanted) add_with_parents(graph, image, seen, out.images);
  }
  if (options.containers)
    for (const auto& container : graph.containers())
      if (!options.taken_over.contains(container.id) && (options.images.empty() || seen.contains(container.image)))
        out.containers.push_back(&container);
  add_tags(graph, out);
  return out;
}

}  // namespace cairn
