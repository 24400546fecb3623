#include "cli/planned_parts.h"

#include <algorithm>

#include "cli/exit.h"
#include "cli/objects.h"
#include "core/migrate/graph/taken_over.h"
#include "core/util/error.h"

namespace cairn {

namespace {

class Planner {
 public:
  Planner(const MigrationSides& sides, const MigrateOptions& base, const std::vector<std::string>& images)
      : sides_(sides), base_(base), images_(images) {}

  std::vector<PlannedPart> run(const std::function<void(const PlannedPart&)>& made) {
    const MigrationTarget target = sides_.migration_target();
    for (const auto& part : sides_.parts) {
      MigrateOptions options = options_of(part);
      if (!images_.empty() && options.images.empty()) continue;
      out_.push_back({&part, options, part.plan(target, options)});
      if (made) made(out_.back());
    }
    return std::move(out_);
  }

 private:
  MigrateOptions options_of(const MigrationPart& part) const {
    MigrateOptions options = base_;
    options.later_part = !out_.empty();
    options.images = images_in(part);
    if (part.graph) {
      options.taken_over = taken_from(part);
      for (const auto& other : sides_.parts)
        if (other.graph && &other != &part) options.other_drivers.insert(other.store.driver_name);
      std::erase_if(options.images, [&](const std::string& id) { return options.taken_over.images.contains(id); });
    } else if (const auto* graph = sibling(part)) {
      const TakenOver taken = taken_from(*graph);
      options.left_to_graph = left_to_graph(graph->migration_source(), taken);
      for (const auto& id : needed_below(*graph, taken)) options.images.push_back(id);
    }
    return options;
  }

  // The other layout of the same driver.
  const MigrationPart* sibling(const MigrationPart& part) const {
    const auto found = std::find_if(sides_.parts.begin(), sides_.parts.end(), [&](const MigrationPart& other) {
      return other.store.driver_name == part.store.driver_name && !other.graph != !part.graph;
    });
    return found == sides_.parts.end() ? nullptr : &*found;
  }

  // In place nobody else brings, or verifies, what is there.
  TakenOver taken_from(const MigrationPart& graph) const {
    const auto* content = sibling(graph);
    TakenOver out = taken_over(graph.migration_source(), *graph.store.metadata, lost_in(content));
    out.layers = content != nullptr;
    if (content == nullptr) out.images.clear(), out.containers.clear();
    return out;
  }

  // Images that the part cannot bring, as far as it is planned by now.
  std::set<std::string> lost_in(const MigrationPart* part) const {
    std::set<std::string> out;
    for (const auto& planned : out_)
      if (planned.part == part)
        for (const auto& image : planned.plan.images)
          if (image.status == "failed") out.insert(image.source_id);
    return out;
  }

  // The images chosen that this part has. A name that none has is the first part's to refuse.
  std::vector<std::string> images_in(const MigrationPart& part) const {
    std::vector<std::string> out;
    if (images_.empty()) return out;
    const Objects objects(part.store);
    for (const auto& reference : images_) try {
        out.push_back(objects.image(reference).id);
      } catch (const UserError&) {
        if (sides_.parts.size() == 1) throw;
      }
    return out;
  }

  // What an engine made of images that those chosen in the graph are built on.
  std::set<std::string> needed_below(const MigrationPart& graph, const TakenOver& taken) const {
    std::set<std::string> out;
    for (const auto& id : images_in(graph)) {
      const LegacyImage* at = graph.graph->image(id);
      while (at != nullptr && !taken.images.contains(at->id))
        at = at->parent ? graph.graph->image(*at->parent) : nullptr;
      for (; at != nullptr && !taken.images.contains(id); at = at->parent ? graph.graph->image(*at->parent) : nullptr)
        if (const auto image = taken.images.find(at->id); image != taken.images.end()) out.insert(image->second.str());
    }
    return out;
  }

  const MigrationSides& sides_;
  const MigrateOptions& base_;
  const std::vector<std::string>& images_;
  std::vector<PlannedPart> out_;
};

}  // namespace

std::vector<PlannedPart> plan_parts(const MigrationSides& sides, const MigrateOptions& base,
                                    const std::vector<std::string>& images,
                                    const std::function<void(const PlannedPart&)>& made) {
  auto out = Planner(sides, base, images).run(made);
  if (out.empty())
    throw UserError(Errc::not_found, "choosing images of '" + printable(sides.parts.front().store.root.string()) +
                                         "': no driver's store in it has such an image");
  return out;
}

}  // namespace cairn
