// layerdb/tmp/write-set-cairn-<random>: what is being made, with the driver layers it will name. Its maker keeps it
// locked; one that can be locked belongs to a process that died. Engines never look into layerdb/tmp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/layer/store_lock.h"
#include "core/util/fd.h"
#include "core/util/ids.h"

namespace cairn {

class WriteSet {
 public:
  // `driver_ids` are on stable storage when this returns, so that the caller may make them.
  WriteSet(int layerdb_fd, const std::vector<LayerId>& driver_ids);
  // The one for `chain`, with what a process that died left in it, which stays until keep_no_more(); nullopt while
  // another process has it.
  static std::optional<WriteSet> claim(int layerdb_fd, const ChainId& chain);
  WriteSet(WriteSet&&) = default;
  ~WriteSet();  // removes the directory and whatever is still in it, unless it is kept
  int fd() const noexcept { return dir_.get(); }

  std::vector<LayerId> driver_ids() const;
  void intend(const std::vector<LayerId>& driver_ids);  // on stable storage when this returns
  // What keep() said, unless the machine was restarted since, or it is more than a day ago.
  std::optional<std::string> kept() const;
  void keep(const std::string& content);
  void keep_no_more();

  static constexpr std::string_view kPrefix = "write-set-cairn-";
  struct Trace {
    std::string name;
    std::vector<LayerId> driver_ids;
    std::shared_ptr<const FileLock> held;
  };
  static std::vector<Trace> abandoned(int layerdb_fd);  // without those that are kept

 private:
  WriteSet(int layerdb_fd, std::string name, Fd dir, FileLock lock);
  Fd layerdb_;
  std::string name_;  // relative to layerdb
  Fd dir_;
  std::optional<FileLock> lock_;
  bool kept_ = false;
};

}  // namespace cairn
