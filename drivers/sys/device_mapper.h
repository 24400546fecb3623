// Device-mapper devices by name: drivers/sys is the only caller of libdevmapper. The library is not thread-safe: calls
// are serialised here. Nodes below /dev/mapper are made by udev where one answers (its rules are waited for by cookie,
// for a while), else by the library itself.
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
  bool has_table = false;  // false: whoever made it was interrupted
  int open_count = 0;
  std::string uuid;
};

enum class DmAccess { read_only, read_write };

class DeviceMapper {
 public:
  // Whether the kernel has it, with the targets named (their modules are loaded if there are any).
  struct Missing {
    std::string why, remedy;  // one line each, empty if all is well
  };
  static Missing missing(const std::vector<std::string>& targets);

  static std::optional<DmInfo> info(const std::string& name);  // nullopt: no such device
  static std::vector<std::string> list();                      // names, sorted
  static std::vector<DmTarget> table(const std::string& name);
  static std::vector<DmTarget> status(const std::string& name);

  // Makes and starts a device. `uuid`: any name that no other device has, to know it by later; may be empty. Throws
  // already_exists; on a throw nothing of it remains.
  static void create(const std::string& name, const std::vector<DmTarget>& table, DmAccess access,
                     const std::string& uuid);
  static void reload(const std::string& name, const std::vector<DmTarget>& table);  // takes effect at resume()
  static void suspend(const std::string& name);                                     // absent is success, for both
  static void resume(const std::string& name);
  // Absent is success: a deferred removal may come true at any moment. Throws in_use while it is open, after some
  // seconds, since udev's programs look into devices at odd moments. `deferred`: the kernel removes it when the last
  // user closes it.
  static void remove(const std::string& name, bool deferred = false);
  // Takes back a deferred remove(), and makes the node again that went with it. False if the device is gone by now.
  [[nodiscard]] static bool keep(const std::string& name);
  // To the target at sector 0. Throws by errno: already_exists for EEXIST.
  static void message(const std::string& name, const std::string& text);
  // False where the target answers that it knows nothing of that name (ENODATA).
  [[nodiscard]] static bool try_message(const std::string& name, const std::string& text);

  // Whoever made an existing device may have been killed before its node was there.
  static void ensure_node(const std::string& name);
  // Its block device: /dev/dm-N, which the kernel itself makes and takes away, where devtmpfs is mounted. Else
  // /dev/mapper/NAME, which udev may take away late, together with an earlier device of that name.
  static std::string node(const std::string& name);
};

}  // namespace cairn
