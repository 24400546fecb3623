#include "cli/container_config.h"

#include "core/util/error.h"

namespace cairn {

std::optional<std::string> container_config(const Store& store, const std::string& id) {
  try {
    return store.catalog->container_config(id);
  } catch (const Error& e) {
    if (e.code() != Errc::not_found) throw;
    return std::nullopt;
  }
}

}  // namespace cairn
