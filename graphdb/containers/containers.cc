#include "graphdb/containers/containers.h"

#include "core/layer/store_lock.h"
#include "core/util/error.h"
#include "core/util/ids.h"
#include "core/util/replace_file.h"
#include "core/util/take_group.h"
#include "graphdb/util/files.h"

namespace cairn {

constexpr const char* kConfig = "config.v2.json";
constexpr const char* kLegacyConfig = "config.json";
constexpr std::string_view kTemporary = ".cairn-tmp-";

static void require_name(const std::string& name) {
  if (!valid_name(name))
    throw Error(Errc::invalid, "naming a container or its file '" + printable(name) +
                                   "': a name is made of letters, digits, '_', '.' and '-'");
}

std::vector<std::string> ContainerFiles::list() const {
  std::vector<std::string> out;
  const auto dir = place_.try_dir("containers");
  if (!dir) return out;
  for (const auto& name : list_dir(dir->get()))
    if (valid_name(name) &&
        (exists_at(dir->get(), name + "/" + kConfig) || exists_at(dir->get(), name + "/" + kLegacyConfig)))
      out.push_back(name);
  return out;
}

std::string ContainerFiles::config(const std::string& id) const {
  require_name(id);
  const int root = place_.root_fd();
  for (const char* file : {kConfig, kLegacyConfig})
    if (auto text = try_read_regular_at(root, "containers/" + id + "/" + file)) return std::move(*text);
  throw Error(Errc::not_found, "reading container '" + id + "': there is no such container");
}

std::optional<std::string> ContainerFiles::host_config(const std::string& id) const {
  require_name(id);
  return try_read_regular_at(place_.root_fd(), "containers/" + id + "/hostconfig.json");
}

static void put_new(int containers_fd, const std::string& id, const std::map<std::string, std::string>& files) {
  const std::string temporary = std::string(kTemporary) + random_hex(8);
  mkdir_at(containers_fd, temporary, 0710);
  const Fd dir = open_dir_at(containers_fd, temporary);
  take_group(dir.get(), containers_fd);
  for (const auto& [name, content] : files) {
    create_file_at(dir.get(), name, content, 0600);
    fsync_fd(open_regular_at(dir.get(), name).get(), name);
  }
  fsync_fd(dir.get(), "containers/" + id);
  rename_at(containers_fd, temporary, containers_fd, id, "containers/" + id);
  fsync_fd(containers_fd, "containers");
}

static void put_beside(int containers_fd, const std::string& id, const std::map<std::string, std::string>& files) {
  const Fd dir = open_dir_at(containers_fd, id);
  for (const auto& [name, content] : files)
    if (name != kConfig) replace_file_at(dir.get(), name, content, 0600);
  if (const auto config = files.find(kConfig); config != files.end())
    replace_file_at(dir.get(), kConfig, config->second, 0600);
}

void ContainerFiles::put(const std::string& id, const std::map<std::string, std::string>& files) {
  require_name(id);
  for (const auto& [name, content] : files) require_name(name);
  while_doing([&] { return "storing container '" + id + "'"; },
              [&] {
                const Fd dir = place_.dir("containers");
                const auto lock = FileLock::wait(dir.get(), FileLock::Kind::exclusive);
                if (exists_at(dir.get(), id))
                  put_beside(dir.get(), id, files);
                else
                  put_new(dir.get(), id, files);
              });
}

void ContainerFiles::remove(const std::string& id) {
  require_name(id);
  const Fd dir = place_.dir("containers");
  const auto lock = FileLock::wait(dir.get(), FileLock::Kind::exclusive);
  const std::string temporary = std::string(kTemporary) + random_hex(8);
  rename_at(dir.get(), id, dir.get(), temporary, "containers/" + id);
  fsync_fd(dir.get(), "containers");
  remove_tree_at(dir.get(), temporary);
}

// Whoever makes a temporary directory holds the lock on containers/, so those we find have lost their maker.
void ContainerFiles::remove_abandoned() {
  const auto dir = place_.try_dir("containers");
  if (!dir) return;
  const auto lock = FileLock::wait(dir->get(), FileLock::Kind::exclusive);
  for (const auto& name : list_dir(dir->get())) {
    if (name.starts_with(kTemporary)) remove_tree_at(dir->get(), name);
    const auto st = valid_name(name) ? stat_at(dir->get(), name) : std::nullopt;
    if (st && S_ISDIR(st->st_mode)) remove_abandoned_files(open_dir_at(dir->get(), name).get());
  }
}

}  // namespace cairn
