// The driver's own files, HOME/metadata: what each thin device is, and the transaction in progress. Byte for byte what
// engines write and read (formats: drivers, 4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/util/fd.h"
#include "core/util/ids.h"

namespace cairn::devicemapper {

struct DeviceRecord {  // metadata/<id>, metadata/base
  int64_t device_id = 0;
  int64_t size = 0;  // bytes
  int64_t transaction_id = 0;
  bool initialized = false;  // the base device has its file system
  bool deleted = false;      // to be deleted when nothing uses it any more; its device id is still taken

  bool operator==(const DeviceRecord&) const = default;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit);
};

struct DeviceSetRecord {  // metadata/deviceset-metadata
  int64_t next_device_id = 0;
  std::string base_uuid;         // of the base device's file system, from 1.8 on
  std::string base_file_system;  // "ext4" or "xfs", from 1.10 on

  bool operator==(const DeviceSetRecord&) const = default;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit);
};

struct TransactionRecord {  // metadata/transaction-metadata; stays there when the transaction is complete
  int64_t open_transaction_id = 0;
  std::string device_hash;  // "" for the base device
  int64_t device_id = 0;

  bool operator==(const TransactionRecord&) const = default;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit);
};

// A device in the making: engines skip files of such names.
constexpr std::string_view kStage = ".cairn-";

constexpr int64_t kMaxDeviceId = 0xffffff;  // 24 bits of thin-provisioning

// Files below HOME. `hash`: a layer's id, or "" for the base device. What cannot be a record is Errc::corrupt, naming
// the file. Writing is durable.
class Metadata {
 public:
  explicit Metadata(int home_fd) : home_(home_fd) {}

  std::vector<std::string> list() const;  // the hashes of all devices but the base's, stages' as well, sorted
  std::optional<DeviceRecord> device(const std::string& hash) const;
  void put(const std::string& hash, const DeviceRecord& record);
  void remove(const std::string& hash);  // absent is success
  void rename(const std::string& from, const std::string& to);

  std::optional<DeviceSetRecord> device_set() const;
  void put(const DeviceSetRecord& record);
  std::optional<TransactionRecord> transaction() const;
  void put(const TransactionRecord& record);
  void remove_transaction();

 private:
  int home_;
};

}  // namespace cairn::devicemapper
