// Roots of engines with user namespaces: ROOT/<uid>.<gid>, named by the ids that root of a container has on the host.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string_view>

namespace cairn {

// The host's ids of the containers' root. Ids from there on belong to containers.
struct IdBase {
  uid_t uid = 0;
  gid_t gid = 0;

  uid_t in_container(uid_t id) const noexcept { return id >= uid ? id - uid : id; }
  gid_t group_in_container(gid_t id) const noexcept { return id >= gid ? id - gid : id; }
};

// nullopt for the name of anything else.
std::optional<IdBase> remapped_root(std::string_view name);
std::optional<IdBase> remapped_root(const std::filesystem::path& root);  // by its last component

}  // namespace cairn
