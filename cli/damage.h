// Damage met on the way to something else.
#pragma once

#include <string>
#include <vector>

#include "cli/output/json.h"
#include "core/interfaces/metadata_store.h"

namespace cairn {

std::string describe(const Damage& damage);  // "image-corrupt sha256:…: why; migrated: what becomes of it"
Json json_of(const Damage& damage);          // {"kind", "object", "detail", "repair"}

// Warns on stderr of what a listing leaves out: the first few by name, the rest by number.
void warn_of(const std::vector<Damage>& damage);

}  // namespace cairn
