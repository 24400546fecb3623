#include "graphdb/scan/scan.h"

#include <algorithm>
#include <functional>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/ids.h"
#include "core/util/remapped_root.h"
#include "graphdb/catalog/catalog.h"
#include "graphdb/driver_layers.h"
#include "graphdb/legacy/drivers.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/scan/evidence.h"
#include "graphdb/scan/later_failures.h"
#include "graphdb/scan/usage.h"
#include "graphdb/store.h"
#include "graphdb/util/files.h"

namespace cairn {

// Runs `part` of a driver's scan; what it throws is that driver's damage, and the rest goes on.
static void attempt(DriverScan& scan, const std::string& kind, const std::function<void()>& part) {
  try {
    part();
  } catch (const Error& e) {
    if (e.code() == Errc::interrupted) throw;
    scan.damage.push_back({kind, scan.name, e.what()});
  }
}

static DriverScan scan_content(const std::filesystem::path& root, int root_fd, const std::string& driver) {
  DriverScan scan;
  scan.name = driver;
  scan.layout = "content-addressed";
  attempt(scan, "driver-unreadable", [&] {
    const auto catalog = open_catalog(root, driver);
    scan.images = catalog->images(&scan.damage).size();
    scan.containers = catalog->containers(&scan.damage).size();
    const auto store = open_metadata(root, driver);
    scan.layers = store->layers().list().size();
    find_later_failures(root_fd, driver, store->layers(), scan.damage);
    for (const auto& one : scan.damage)
      if (one.kind == "repositories-invalid") return;
    for (const auto& [repository, references] : store->references().all())
      for (const auto& [reference, id] : references) scan.repositories[repository][reference] = id.str();
  });
  return scan;
}

static DriverScan scan_graph(const std::filesystem::path& root, const std::string& driver) {
  DriverScan scan;
  scan.name = driver;
  scan.layout = "graph";
  attempt(scan, "driver-unreadable", [&] {
    const auto graph = open_legacy(root, driver);
    const DriverLayers layers(graph->root_fd(), driver);
    for (const auto& image : graph->images()) {
      scan.images += image.error.empty();
      scan.layers += layers.has(image.id);
    }
    for (const auto& container : graph->containers()) scan.containers += container.error.empty();
    scan.repositories = graph->repositories();
    scan.damage = graph->damage();
  });
  return scan;
}

// Where a driver's layers lie, below the root.
static std::vector<std::string> homes_of(const std::string& driver) {
  if (driver == "vfs") return {"vfs/dir"};
  if (driver == "aufs") return {"aufs/diff", "aufs/layers"};
  if (driver == "btrfs") return {"btrfs/subvolumes"};
  if (driver == "devicemapper") return {"devicemapper/devicemapper", "devicemapper/metadata"};
  return {driver};
}

static void measure(RootScan& scan, int root_fd, unsigned jobs) {
  std::vector<std::string> volumes;  // of 0.7 to 1.6: vfs/dir has them whatever the driver is
  if (const auto dir = try_open_dir(root_fd, "volumes")) volumes = list_dir(dir->get());
  std::map<std::string, uint64_t> known;
  for (auto& driver : scan.drivers) {
    if (!known.contains(driver.name))
      attempt(driver, "usage-unreadable", [&] {
        known[driver.name] = disk_usage(root_fd, homes_of(driver.name),
                                        driver.name == "vfs" ? volumes : std::vector<std::string>(), jobs);
      });
    driver.bytes = known[driver.name];
  }
}

std::vector<std::string> remapped_roots_in(int root_fd) {
  std::vector<std::string> out;
  for (const auto& name : list_dir(root_fd))
    if (remapped_root(std::string_view(name)) &&
        (exists_at(root_fd, name + "/image") || exists_at(root_fd, name + "/graph")))
      out.push_back(name);
  return out;
}

static std::vector<std::string> find_hints(int root_fd, const RootScan& scan) {
  std::vector<std::string> hints;
  const bool has_graph =
      std::any_of(scan.drivers.begin(), scan.drivers.end(), [](auto& d) { return d.layout == "graph"; });
  if (!has_graph && !graph_ids(root_fd).empty())
    hints.push_back(
        "graph/ has images and no driver has their layers: up to 0.6 they lie in graph/ID/layer, and an "
        "engine of 0.7 to 1.9 with aufs must have run on it once");
  const auto volumes = try_open_dir(root_fd, "volumes");
  const auto old_volumes = volumes ? list_dir(volumes->get()) : std::vector<std::string>();
  if (std::any_of(old_volumes.begin(), old_volumes.end(),
                  [&](const auto& name) { return is_hex64(name) && exists_at(root_fd, "vfs/dir/" + name); }))
    hints.push_back("vfs/dir holds data of volumes, whatever the driver: it must not be deleted");
  const auto snapshots = try_open_dir(root_fd, "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots");
  if (snapshots && !list_dir(snapshots->get()).empty())
    hints.push_back("containerd/ holds layers of its own image store (Docker 29 and later), which are not read");
  return hints;
}

RootScan scan_root(const std::filesystem::path& root, const ScanOptions& options) {
  const Fd root_fd = open_dir(root.string());
  RootScan scan;
  scan.root = root.string();
  for (const auto& driver : content_drivers(root)) scan.drivers.push_back(scan_content(root, root_fd.get(), driver));
  const bool content = !scan.drivers.empty();
  const auto old_drivers = legacy_drivers(root);
  for (const auto& driver : old_drivers) scan.drivers.push_back(scan_graph(root, driver));
  const bool graph = !old_drivers.empty() || !graph_ids(root_fd.get()).empty();
  scan.layout = content && graph ? "mixed" : content ? "content-addressed" : graph ? "graph" : "empty";
  if (options.measure) measure(scan, root_fd.get(), options.jobs);
  if (content || graph) {
    auto evidence = find_evidence(root_fd.get(), !content);
    scan.engine = std::move(evidence.engine);
    scan.evidence = std::move(evidence.clues);
  }
  scan.remapped = remapped_roots_in(root_fd.get());
  scan.hints = find_hints(root_fd.get(), scan);
  return scan;
}

}  // namespace cairn
