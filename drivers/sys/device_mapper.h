// Device-mapper devices by name: drivers/sys is the only caller of libdevmapper. The library is not thread-safe: calls
// are serialised here. Nodes below /dev/mapper are made by udev where one runs (its rules are waited for by cookie),
// else by the library itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cairn {

struct DmTarget {  // one line of a table or status
  uint64_t start = 0, sectors = 0;
  std::string type, parameters;
  bool operator==(const DmTarget&) const = default;
};

struct DmInfo {
  bool suspended = false, read_only = false, deferred_remove = false;
  int open_count = 0;
  uint32_t major = 0, minor = 0;
};

enum class DmAccess { read_only, read_write };

class DeviceMapper {
 public:
  // Whether the kernel has it, with the targets named; one line why not, empty if all is well.
  static std::string why_not(const std::vector<std::string>& targets);

  static std::optional<DmInfo> info(const std::string& name);  // nullopt: no such device
  static std::vector<std::string> list();                      // names, sorted
  static std::vector<DmTarget> table(const std::string& name);
  static std::vector<DmTarget> status(const std::string& name);

  // Makes and starts a device. Throws already_exists; on a throw nothing of it remains.
  static void create(const std::string& name, const std::vector<DmTarget>& table, DmAccess access);
  static void reload(const std::string& name, const std::vector<DmTarget>& table);  // takes effect at resume()
  static void suspend(const std::string& name);
  static void resume(const std::string& name);
  // Throws in_use while it is open; `deferred`: the kernel removes it when the last user closes it.
  static void remove(const std::string& name, bool deferred = false);
  // Takes back a deferred remove(), and makes the node again that went with it. False if the device is gone by now.
  [[nodiscard]] static bool keep(const std::string& name);
  // To the target at sector 0. Throws by errno: already_exists for EEXIST.
  static void message(const std::string& name, const std::string& text);

  static std::string node(const std::string& name) { return "/dev/mapper/" + name; }
};

}  // namespace cairn
