// ROOT/containers: one directory each, shared by all drivers of a root.
#pragma once

#include "core/interfaces/metadata_store.h"
#include "graphdb/place.h"

namespace cairn {

class ContainerFiles : public Containers {
 public:
  explicit ContainerFiles(Place& place) : place_(place) {}

  std::vector<std::string> list() const override;
  std::string config(const std::string& id) const override;  // config.v2.json, else config.json
  std::optional<std::string> host_config(const std::string& id) const override;
  // Into a directory that is there already the files are put one by one, config.v2.json last: an engine loads the
  // container when that one is there.
  void put(const std::string& id, const std::map<std::string, std::string>& files) override;
  void remove(const std::string& id) override;

  void remove_abandoned();  // what crashed processes left of put() and remove()

 private:
  Place& place_;
};

}  // namespace cairn
