// Where one driver's metadata lies below a root. Nothing is created before make(); a root that is not there reads as
// empty.
#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "core/util/fd.h"

namespace cairn {

class Place {
 public:
  // `driver` becomes a directory name. Errc::invalid if it cannot be one.
  Place(const std::filesystem::path& root, const std::string& driver);

  const std::string& driver() const noexcept { return driver_; }
  // "image/DRV/below", for messages and for opening relative to root_fd().
  std::string image(const std::string& below) const { return "image/" + driver_ + "/" + below; }

  std::optional<int> try_root_fd() const;
  int root_fd() const;                                       // not_found while there is no root
  std::optional<Fd> try_dir(const std::string& path) const;  // relative to the root; nullopt if absent
  Fd dir(const std::string& path) const;                     // not_found, naming what to do
  int layerdb_fd() const;                                    // stays open; not_found before make()

  // The root (0710), image/DRV/… and containers/ with the modes engines give them, durable.
  void make();

 private:
  std::filesystem::path root_;
  std::string driver_;
  mutable std::mutex mutex_;
  mutable Fd root_fd_, layerdb_fd_;
};

// "overlay2", but also "vendor/plugin:latest": engines make a plugin's name a path as it stands.
bool valid_driver_name(const std::string& driver) noexcept;

}  // namespace cairn
