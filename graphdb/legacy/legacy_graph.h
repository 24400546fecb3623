// Opens what engines 0.7 to 1.9 left behind (formats: legacy-graph).
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/interfaces/legacy_graph.h"

namespace cairn {

// Everything is read here, nothing is written ever. A root without graph/ is an empty graph; not_found if there is no
// root. Kinds of damage. An image is marked with an error by: json-missing json-empty json-invalid parent-invalid
// parent-missing parent-cycle layer-missing ancestor-damaged. Only noted: id-mismatch id-unsupported layersize-invalid
// tar-data-empty tar-data-truncated parent-empty parent-cut, and json-* where v1Compatibility restored it. Of names:
// repositories-empty repositories-invalid reference-invalid reference-dangling. A container is marked by:
// container-json-missing container-json-invalid container-id-mismatch container-image-missing container-layer-missing.
// Only noted: container-hostconfig-invalid linkgraph-invalid link-dangling.
std::unique_ptr<LegacyGraph> open_legacy(const std::filesystem::path& root, const std::string& driver);

// Drivers that hold layers of this root's graph/ or containers/, or have a repositories-DRIVER file; sorted. Volumes of
// 0.7 to 1.6 lie in vfs/dir whatever the driver is: they make no vfs. Layers that image/DRIVER may name count only with
// such a file. Empty where there is no graph/.
std::vector<std::string> legacy_drivers(const std::filesystem::path& root);

}  // namespace cairn
