#include "drivers/devicemapper/metadata.h"

#include <unistd.h>

#include "core/json/go_struct.h"
#include "core/util/error.h"
#include "core/util/replace_file.h"

namespace cairn::devicemapper {

using go_json::Omit;

template <typename Self, typename Visit>
void DeviceRecord::fields(Self& self, Visit&& visit) {
  visit("device_id", self.device_id, Omit::never);
  visit("size", self.size, Omit::never);
  visit("transaction_id", self.transaction_id, Omit::never);
  visit("initialized", self.initialized, Omit::never);
  visit("deleted", self.deleted, Omit::never);
}

template <typename Self, typename Visit>
void DeviceSetRecord::fields(Self& self, Visit&& visit) {
  visit("next_device_id", self.next_device_id, Omit::never);
  visit("BaseDeviceUUID", self.base_uuid, Omit::never);
  visit("BaseDeviceFilesystem", self.base_file_system, Omit::empty);  // engines before 1.10 know none
}

template <typename Self, typename Visit>
void TransactionRecord::fields(Self& self, Visit&& visit) {
  visit("open_transaction_id", self.open_transaction_id, Omit::never);
  visit("device_hash", self.device_hash, Omit::never);
  visit("device_id", self.device_id, Omit::never);
}

static constexpr const char* kDirectory = "metadata";
static constexpr const char* kDeviceSet = "metadata/deviceset-metadata";
static constexpr const char* kTransaction = "metadata/transaction-metadata";
static constexpr size_t kLongest = 64 << 10;

static std::string file_of(const std::string& hash) {
  return std::string(kDirectory) + "/" + (hash.empty() ? "base" : hash);
}

static bool is_device_file(const std::string& name) {
  if (name.starts_with(kStage)) return LayerId::valid(name.substr(kStage.size()));
  return LayerId::valid(name) && name != "base" && name != "deviceset-metadata" && name != "transaction-metadata";
}

template <typename Record>
static std::optional<Record> read(int home, const std::string& file) {
  return while_doing([&] { return "reading 'devicemapper/" + printable(file) + "'"; },
                     [&]() -> std::optional<Record> {
                       const auto st = stat_at(home, file);
                       if (!st) return std::nullopt;
                       if (!S_ISREG(st->st_mode)) throw Error(Errc::corrupt, "it is no regular file");
                       const std::string text = read_file_at(home, file, kLongest);
                       if (text.empty()) throw Error(Errc::corrupt, "it is empty, as after a power cut");
                       Record record;
                       go_json::decode(text, record);
                       return record;
                     });
}

template <typename Record>
static void write(int home, const std::string& file, const Record& record) {
  ensure_dir_at(home, kDirectory, 0700);
  replace_file_at(home, file, go_json::encode(record), 0600);
}

static void unlink_durably(int home, const std::string& file) {
  if (::unlinkat(home, file.c_str(), 0) != 0 && errno != ENOENT)
    throw_errno("removing 'devicemapper/" + printable(file) + "'");
  if (const auto dir = try_open_at(home, kDirectory, O_RDONLY | O_DIRECTORY)) fsync_fd(dir->get(), kDirectory);
}

std::vector<std::string> Metadata::list() const {
  std::vector<std::string> out;
  const auto dir = try_open_at(home_, kDirectory, O_RDONLY | O_DIRECTORY);
  if (!dir) return out;
  for (const auto& name : list_dir(dir->get()))
    if (is_device_file(name)) out.push_back(name);
  return out;
}

std::optional<DeviceRecord> Metadata::device(const std::string& hash) const {
  auto record = read<DeviceRecord>(home_, file_of(hash));
  if (record && (record->device_id < 0 || record->device_id > kMaxDeviceId || record->size <= 0))
    throw Error(Errc::corrupt,
                "reading 'devicemapper/" + printable(file_of(hash)) + "': no thin device has such an id or size");
  return record;
}

void Metadata::put(const std::string& hash, const DeviceRecord& record) { write(home_, file_of(hash), record); }

void Metadata::remove(const std::string& hash) { unlink_durably(home_, file_of(hash)); }

// In one step: two files of one device would be two owners.
void Metadata::rename(const std::string& from, const std::string& to) {
  if (::renameat(home_, file_of(from).c_str(), home_, file_of(to).c_str()) != 0)
    throw_errno("renaming 'devicemapper/" + printable(file_of(from)) + "'");
  fsync_fd(open_at(home_, kDirectory, O_RDONLY | O_DIRECTORY).get(), kDirectory);
}

std::optional<DeviceSetRecord> Metadata::device_set() const { return read<DeviceSetRecord>(home_, kDeviceSet); }

void Metadata::put(const DeviceSetRecord& record) { write(home_, kDeviceSet, record); }

std::optional<TransactionRecord> Metadata::transaction() const { return read<TransactionRecord>(home_, kTransaction); }

void Metadata::put(const TransactionRecord& record) { write(home_, kTransaction, record); }

void Metadata::remove_transaction() { unlink_durably(home_, kTransaction); }

}  // namespace cairn::devicemapper
