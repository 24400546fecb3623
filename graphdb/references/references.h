// image/DRV/repositories.json: names of images.
#pragma once

#include <map>
#include <string>

#include "core/interfaces/metadata_store.h"
#include "graphdb/place.h"

namespace cairn {

class RepositoriesFile : public References {
 public:
  explicit RepositoriesFile(Place& place) : place_(place) {}

  // Entries whose value is no sha256 image ID are left out here and kept by update().
  Map all() const override;
  Map whole(std::vector<Damage>& damage) const override;  // "repositories-empty", "repositories-invalid"
  // already_exists where a digest reference would move; invalid for a reference without tag and digest. The file is
  // written only if that changes it.
  void update(const std::map<std::string, ImageId>& add, const std::vector<std::string>& remove) override;

 private:
  using Raw = std::map<std::string, std::map<std::string, std::string>>;
  Raw read() const;
  static Map images_in(const Raw& repositories);
  Place& place_;
};

// "localhost:5000/x" of "localhost:5000/x:1" or "…@sha256:…". Errc::invalid without tag and digest.
std::string repository_of(const std::string& reference);

// {"Repositories":{…}} of engines before and after 1.10. Errc::corrupt for any other shape.
std::map<std::string, std::map<std::string, std::string>> parse_repositories(const std::string& text,
                                                                             const std::string& file);
// The same of a damaged file: what is whole before the damage, which is noted. Never throws for it.
std::map<std::string, std::map<std::string, std::string>> whole_repositories(const std::string& text,
                                                                             const std::string& file,
                                                                             std::vector<Damage>& damage);

}  // namespace cairn
