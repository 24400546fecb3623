#include "graphdb/place.h"

#include "core/util/error.h"
#include "core/util/take_group.h"
#include "graphdb/util/files.h"

namespace cairn {

bool valid_driver_name(const std::string& driver) noexcept {
  for (size_t from = 0;;) {
    const size_t slash = driver.find('/', from);
    std::string part = driver.substr(from, slash - from);
    for (char& c : part)
      if (c == ':') c = '_';
    if (!valid_name(part)) return false;
    if (slash == std::string::npos) return true;
    from = slash + 1;
  }
}

Place::Place(const std::filesystem::path& root, const std::string& driver) : root_(root), driver_(driver) {
  if (!valid_driver_name(driver))
    throw Error(Errc::invalid, "opening the metadata of driver '" + printable(driver) + "': that is no driver's name");
}

std::optional<int> Place::try_root_fd() const {
  const std::lock_guard lock(mutex_);
  if (!root_fd_) {
    auto fd = try_open_dir(AT_FDCWD, root_.string());
    if (!fd) return std::nullopt;
    root_fd_ = std::move(*fd);
  }
  return root_fd_.get();
}

int Place::root_fd() const {
  const auto fd = try_root_fd();
  if (!fd)
    throw Error(Errc::not_found, "opening the root '" + printable(root_.string()) + "': there is no such directory");
  return *fd;
}

std::optional<Fd> Place::try_dir(const std::string& path) const {
  const auto root = try_root_fd();
  return root ? try_open_dir(*root, path) : std::nullopt;
}

Fd Place::dir(const std::string& path) const {
  auto fd = try_dir(path);
  if (!fd)
    throw Error(Errc::not_found, "opening '" + printable(path) + "' below '" + printable(root_.string()) +
                                     "': there is no such directory");
  return std::move(*fd);
}

int Place::layerdb_fd() const {
  root_fd();
  const std::lock_guard lock(mutex_);
  if (!layerdb_fd_) layerdb_fd_ = open_at(root_fd_.get(), image("layerdb"), O_RDONLY | O_DIRECTORY);
  return layerdb_fd_.get();
}

// As a 20.10 engine leaves them; newer ones differ in nothing.
struct Folder {
  const char* path;
  mode_t mode;
};
constexpr Folder kFolders[] = {
    {"distribution", 0700},     {"imagedb", 0700},
    {"imagedb/content", 0700},  {"imagedb/content/sha256", 0700},
    {"imagedb/metadata", 0700}, {"imagedb/metadata/sha256", 0700},
    {"layerdb", 0700},          {"layerdb/sha256", 0755},
    {"layerdb/tmp", 0755},      {"layerdb/mounts", 0755},
};

void Place::make() {
  ensure_dirs_at(AT_FDCWD, root_.string(), 0710);
  const int root = root_fd();
  bool made = ensure_dir_at(root, "containers", 0710);
  if (made) take_group(open_dir_at(root, "containers").get(), root);
  ensure_dirs_at(root, "image/" + driver_, 0700);
  for (const auto& folder : kFolders) made |= ensure_dir_at(root, image(folder.path), folder.mode);
  if (made) sync_file_system(layerdb_fd());
}

}  // namespace cairn
