#include "cli/usage.h"

#include <algorithm>
#include <set>

#include "core/util/workers.h"

namespace cairn {
namespace {

class Meter {
 public:
  Meter(const Store& store, const Objects& objects, unsigned jobs) : store_(store), objects_(objects) {
    for (const auto& record : store.metadata->layers().list()) records_.emplace(record.chain, record);
    measure_layers(jobs);
  }
  StoreUsage run();

 private:
  void measure_layers(unsigned jobs);
  std::vector<LayerId> layers_of(const CatalogImage& image) const;
  uint64_t size_of(const LayerId& id) const {
    const auto found = sizes_.find(id);
    return found == sizes_.end() ? 0 : found->second;
  }
  void add_images(StoreUsage& usage);
  void add_containers(StoreUsage& usage);
  void add_others(StoreUsage& usage) const;

  const Store& store_;
  const Objects& objects_;
  std::map<ChainId, LayerRecord> records_;
  std::map<LayerId, uint64_t> sizes_;  // of every layer the driver has
  std::set<LayerId> named_;            // by an image or a container
};

void Meter::measure_layers(unsigned jobs) {
  const auto ids = store_.driver->list();
  std::vector<uint64_t> sizes(ids.size());
  run_parallel(jobs, ids.size(), [&](size_t i) { sizes[i] = store_.driver->disk_usage(ids[i]); });
  for (size_t i = 0; i < ids.size(); ++i) sizes_.emplace(ids[i], sizes[i]);
}

std::vector<LayerId> Meter::layers_of(const CatalogImage& image) const {
  std::vector<LayerId> out;
  if (image.chain) {
    for (auto at = records_.find(*image.chain); at != records_.end();
         at = at->second.parent ? records_.find(*at->second.parent) : records_.end())
      out.push_back(at->second.cache_id);
    return out;
  }
  std::set<std::string> seen;  // a graph may be damaged into a circle
  for (const CatalogImage* at = &image; at != nullptr && at->top && seen.insert(at->id).second;) {
    out.push_back(*at->top);
    const auto parent = std::find_if(objects_.images().begin(), objects_.images().end(),
                                     [&](const CatalogImage& one) { return at->parent && one.id == *at->parent; });
    at = parent == objects_.images().end() ? nullptr : &*parent;
  }
  return out;
}

void Meter::add_images(StoreUsage& usage) {
  std::map<LayerId, uint64_t> users;
  std::set<LayerId> active;
  std::vector<std::vector<LayerId>> layers;
  for (const auto& image : objects_.images()) {
    layers.push_back(layers_of(image));
    for (const auto& id : layers.back()) ++users[id];
    usage.images.push_back({image});
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    auto& image = usage.images[i];
    for (const auto& id : layers[i]) (users[id] > 1 ? image.shared : image.unique) += size_of(id);
    image.containers =
        static_cast<uint64_t>(std::count_if(objects_.containers().begin(), objects_.containers().end(),
                                            [&](const auto& one) { return one.image == image.image.id; }));
    if (image.containers == 0) continue;
    ++usage.all_images.active;
    active.insert(layers[i].begin(), layers[i].end());
  }
  usage.all_images.count = layers.size();
  for (const auto& [id, count] : users) {
    named_.insert(id);
    usage.all_images.size += size_of(id);
    if (!active.contains(id)) usage.all_images.reclaimable += size_of(id);
  }
}

void Meter::add_containers(StoreUsage& usage) {
  for (const auto& container : objects_.containers()) {
    ContainerUsage one{container};
    for (const auto& layer : {container.layer, container.init})
      if (layer && named_.insert(*layer).second) one.size += size_of(*layer);
    ++usage.all_containers.count;
    usage.all_containers.size += one.size;
    if (container.running)
      ++usage.all_containers.active;
    else
      usage.all_containers.reclaimable += one.size;
    usage.containers.push_back(std::move(one));
  }
}

void Meter::add_others(StoreUsage& usage) const {
  const bool builder = exists_at(store_.root_fd.get(), "buildkit");
  std::set<LayerId> registered;
  for (const auto& [chain, record] : records_) registered.insert(record.cache_id);
  for (const auto& [id, size] : sizes_) {
    if (named_.contains(id)) continue;
    ++usage.other_layers.count;
    usage.other_layers.size += size;
    if (registered.contains(id))
      ++usage.other_layers.active;
    else if (!builder)
      usage.other_layers.reclaimable += size;
  }
}

StoreUsage Meter::run() {
  StoreUsage usage;
  add_images(usage);
  add_containers(usage);
  add_others(usage);
  return usage;
}

}  // namespace

StoreUsage measure(const Store& store, const Objects& objects, unsigned jobs) {
  return Meter(store, objects, jobs).run();
}

}  // namespace cairn
