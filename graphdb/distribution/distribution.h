// image/DRV/distribution: which blob inflates to which layer. The engine's caches; damage in them counts as absence.
#pragma once

#include "core/interfaces/metadata_store.h"
#include "graphdb/place.h"

namespace cairn {

class DistributionCache : public Distribution {
 public:
  explicit DistributionCache(Place& place) : place_(place) {}

  void add(const DiffId& diff, const KnownBlob& blob) override;
  std::optional<DiffId> diff_of(const Digest& blob) const override;
  std::vector<KnownBlob> blobs_of(const DiffId& diff) const override;
  std::optional<std::string> record(const DiffId& diff) const override;
  void put_record(const DiffId& diff, const std::string& record) override;

 private:
  void make_folders();
  std::string blob_file(const Digest& blob) const;
  std::string diff_file(const DiffId& diff) const;
  Place& place_;
};

}  // namespace cairn
