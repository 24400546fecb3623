#include "core/migrate/survey.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/migrate/content/examine_layers.h"
#include "core/migrate/graph/examine_tar_data.h"
#include "core/migrate/graph/selection.h"

namespace cairn {

struct KindRepair {
  std::string_view kind, repair;
};

static constexpr std::string_view kImageLost = "none: the image is lost, and those built on it",
                                  kContainerLost = "none: the container is left behind", kLeftOut = "left out",
                                  kMeasured = "measured anew; nothing is lost",
                                  kFreshTar =
                                      "a fresh tar of its files: the image gets another ID than its own tar gives";

static constexpr KindRepair kRepairs[] = {
    {"ancestor-damaged", kImageLost},
    {"json-empty", kImageLost},
    {"json-invalid", kImageLost},
    {"json-missing", kImageLost},
    {"layer-missing", kImageLost},
    {"parent-cycle", kImageLost},
    {"parent-invalid", kImageLost},
    {"parent-missing", kImageLost},
    {"image-config-invalid", kImageLost},
    {"image-hash-mismatch", kImageLost},
    {"image-layer-missing", kImageLost},
    {"driver-layer-missing", "none: the layer is lost, and all that lies on it"},
    {"parent-empty", "what its json names; nothing is lost"},
    {"id-mismatch", "the name of its directory counts; nothing is lost"},
    {"id-unsupported", kLeftOut},
    {"checksum-invalid", "left out: a push sends the layer again"},
    {"layersize-invalid", kMeasured},
    {"tar-data-empty", kFreshTar},
    {"tar-data-truncated", kFreshTar},
    {"tar-data-unusable", kFreshTar},
    {"v1-compatibility-invalid", kLeftOut},
    {"reference-dangling", kLeftOut},
    {"reference-invalid", kLeftOut},
    {"container-config-invalid", kContainerLost},
    {"container-id-mismatch", kContainerLost},
    {"container-image-missing", kContainerLost},
    {"container-json-invalid", kContainerLost},
    {"container-json-missing", kContainerLost},
    {"container-layer-missing", kContainerLost},
    {"container-mount-missing", kContainerLost},
    {"mount-invalid", kContainerLost},
    {"mount-name-invalid", kLeftOut},
    {"container-hostconfig-invalid",
     "an engine's defaults in its place: mounts, ports, limits and restart policy are lost"},
    {"linkgraph-invalid", "names as the containers' configurations have them; links between containers are lost"},
    {"link-dangling", kLeftOut},
};

// A driver's own records of what lies on what.
static bool is_of_driver(const std::string& kind) {
  return kind.starts_with("overlay2-") || kind.starts_with("aufs-layers-") || kind.starts_with("overlay-lower-id-");
}

void describe_repairs(std::vector<Damage>& damage) {
  for (auto& one : damage) {
    if (one.repair.empty() && is_of_driver(one.kind))
      one.repair = "not needed: images, containers and the layer database say the same; nothing is lost";
    const auto* known = std::find_if(std::begin(kRepairs), std::end(kRepairs),
                                     [&](const KindRepair& repair) { return repair.kind == one.kind; });
    if (one.repair.empty() && known != std::end(kRepairs)) one.repair = known->repair;
  }
}

Survey survey(const MigrationSource& source, unsigned jobs) {
  Selection selection = select(source, {});
  examine_tar_data(source, {}, jobs, selection);
  Survey out{source.graph.damage(), {}};
  out.damage.insert(out.damage.end(), selection.damage.begin(), selection.damage.end());
  for (const auto& image : source.graph.images())
    if (!image.error.empty()) out.lost.insert(image.id);
  for (const auto& container : source.graph.containers())
    if (!container.error.empty()) out.lost.insert(container.id);
  return out;
}

Survey survey(const ContentSource& source, unsigned jobs) {
  MigrateOptions options;
  options.jobs = jobs;
  ContentSelection selection = select(source, options);
  examine_layers(source, {}, options, selection);
  Survey out{std::move(selection.damage), {}};
  for (const auto& image : selection.images)
    if (!image.error.empty()) {
      out.lost.insert(image.id.str());
      out.lost.insert(image.tags.begin(), image.tags.end());
    }
  for (const auto& container : selection.containers)
    if (!container.error.empty()) out.lost.insert(container.id);
  return out;
}

void add_survey(const Survey& survey, std::vector<Damage>& found) {
  const auto key = [](const Damage& one) { return std::pair(one.kind, one.object); };
  std::map<std::pair<std::string, std::string>, std::string> repairs;
  for (const auto& one : survey.damage) repairs.emplace(key(one), one.repair);
  std::set<std::pair<std::string, std::string>> told;
  for (auto& one : found) {
    told.insert(key(one));
    if (const auto known = repairs.find(key(one)); known != repairs.end()) one.repair = known->second;
    const bool depends =
        one.kind == "image-layer-missing" || one.kind == "reference-dangling" || one.kind.starts_with("container-");
    if (one.repair.empty() && depends && !survey.lost.contains(one.object))
      one.repair = "what it lacks is rebuilt; nothing is lost";
  }
  for (const auto& one : survey.damage)
    if (told.insert(key(one)).second) found.push_back(one);
  describe_repairs(found);
}

}  // namespace cairn
