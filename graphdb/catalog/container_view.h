#pragma once

#include <string>

#include "core/interfaces/catalog.h"
#include "graphdb/util/json.h"

namespace cairn {

// What `ps` shows of a container's configuration, of either layout. `image_name`, layers and the like are the caller's.
CatalogContainer view_container(const std::string& id, const JsonObject& config);

// The name of the image it was made from, as typed then.
std::string made_from(const JsonObject& config);

}  // namespace cairn
