#pragma once

#include <optional>

#include "core/interfaces/metadata_store.h"
#include "graphdb/layerdb/write_set.h"

namespace cairn {

// Builds the layer's directory as "layer" inside a write set. What lies there under the final name and cannot be loaded
// (an engine would ignore it, and fail to replace it) makes room; a loadable one wins.
class DiskTransaction : public LayerTransaction {
 public:
  DiskTransaction(int layerdb_fd, const std::vector<LayerId>& driver_ids);
  DiskTransaction(int layerdb_fd, WriteSet claimed);  // has what was kept; else it is to be restarted

  void restart(const std::vector<LayerId>& driver_ids) override;
  ByteSink& tar_split() override;
  void keep(const std::string& content) override;
  void keep_no_more() override;
  void prepare(const LayerRecord& record) override;
  bool publish() override;

 private:
  void make_layer();
  Fd layerdb_;
  std::optional<WriteSet> set_;  // none once published
  Fd layer_, tar_split_fd_;
  std::optional<FdSink> tar_split_;
  std::optional<LayerRecord> record_;
};

}  // namespace cairn
