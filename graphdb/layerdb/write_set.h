// layerdb/tmp/write-set-cairn-<random>: what is being made, with the driver layers it will name. Its maker keeps it
// locked; one that can be locked belongs to a process that died. Engines never look into layerdb/tmp.
#pragma once

#include <string>
#include <vector>

#include "core/layer/store_lock.h"
#include "core/util/fd.h"
#include "core/util/ids.h"

namespace cairn {

class WriteSet {
 public:
  // `driver_ids` are on stable storage when this returns, so that the caller may make them.
  WriteSet(int layerdb_fd, const std::vector<LayerId>& driver_ids);
  WriteSet(WriteSet&&) = default;
  ~WriteSet();  // removes the directory and whatever is still in it
  int fd() const noexcept { return dir_.get(); }

  static constexpr std::string_view kPrefix = "write-set-cairn-";
  struct Trace {
    std::string name;
    std::vector<LayerId> driver_ids;
  };
  static std::vector<Trace> abandoned(int layerdb_fd);

 private:
  Fd layerdb_;
  std::string name_;  // relative to layerdb
  Fd dir_;
  std::optional<FileLock> lock_;
};

}  // namespace cairn
