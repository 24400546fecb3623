// The directories of a layer in the making, opened by untrusted paths: symbolic links made by the layer are followed,
// but only inside its root, component by component with O_NOFOLLOW. Internal to core/archive.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/util/fd.h"

namespace cairn {

struct LayerDir {
  Fd fd;
  std::string path;      // cleaned, without symbolic links; "." for the root
  bool set_gid = false;  // what is made in it inherits its group
  std::string child(const std::string& name) const { return path == "." ? name : path + "/" + name; }
};

class LayerDirs {
 public:
  // `made` is called with the path of each directory that open_or_make() makes (0755).
  LayerDirs(int root_fd, std::function<void(const std::string& path)> made)
      : root_fd_(root_fd), made_(std::move(made)) {}

  // The directory `path` (cleaned). A file in the way, or more than 40 links: Errc::invalid. Valid until forget().
  std::shared_ptr<const LayerDir> open_or_make(const std::string& path);
  // nullptr where it does not exist; `resolved`, if given, is then where it would be.
  std::shared_ptr<const LayerDir> open_existing(const std::string& path, std::string* resolved = nullptr);
  // A directory or a symbolic link was removed, or a directory's mode changed: known paths may mean something else now.
  void forget();

 private:
  enum class Missing { make, stop };
  std::shared_ptr<const LayerDir> known(const std::string& path);
  std::shared_ptr<const LayerDir> keep(const std::string& path, LayerDir dir);
  Fd open_plain(const std::string& path) const;
  std::optional<LayerDir> walk(const std::string& path, Missing missing, std::string* resolved) const;
  Fd reopen(const std::vector<std::string>& names) const;

  int root_fd_;
  std::function<void(const std::string&)> made_;
  std::string last_path_;
  std::shared_ptr<const LayerDir> last_;
  std::unordered_map<std::string, std::shared_ptr<const LayerDir>> recent_, older_;
};

std::vector<std::string> path_components(std::string_view path);  // without empty ones and "."
std::string folder_of(const std::string& path);                   // "." for a name of one component
std::string base_of(const std::string& path);

}  // namespace cairn
