// The file system on a layer's device, mounted where nobody sees it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/interfaces/driver.h"
#include "core/util/fd.h"
#include "drivers/devicemapper/options.h"

namespace cairn::devicemapper {

struct DeviceMount {
  std::string layer;            // for messages
  std::string node;             // the block device
  std::filesystem::path place;  // an empty directory, which shows the file system while the constructor runs
  Access access = Access::read_only;
  bool is_copy = false;  // nothing else has it: it is brought in order even for reading
};

// What is opened in the file system keeps it mounted, and this does.
class OpenDevice {
 public:
  using WhileSeen = std::function<void(const OpenDevice&)>;
  // `while_seen` can show parts of it elsewhere.
  OpenDevice(const DeviceMount& mount, const Options& options, const WhileSeen& while_seen = {});
  OpenDevice(const OpenDevice&) = delete;
  std::optional<Fd> try_tree() const;  // the layer's directory; none on a device that was never mounted
  Fd make_tree() const;

 private:
  Fd top_;
};

constexpr const char* kTree = "rootfs";

}  // namespace cairn::devicemapper
