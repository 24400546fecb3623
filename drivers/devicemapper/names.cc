#include "drivers/devicemapper/names.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <charconv>

namespace cairn::devicemapper {

std::string device_prefix(const struct stat& home) {
  return fmt::format("docker-{}:{}-{}", major(home.st_dev), minor(home.st_dev), home.st_ino);
}

std::string device_name(const std::string& prefix, const std::string& hash) {
  return prefix + "-" + (hash.empty() ? "base" : hash);
}

static constexpr std::string_view kOwn = "cairn-";

// Not longer than the name, since the kernel takes no longer ones.
std::string own_uuid(const std::string& name) {
  constexpr std::string_view kTheirs = "docker-";
  return std::string(kOwn) + (name.starts_with(kTheirs) ? name.substr(kTheirs.size()) : name);
}

bool is_own(const DmInfo& info) { return info.uuid.starts_with(kOwn); }

DmTarget pool_table(uint64_t data_bytes, const std::string& metadata_device, const std::string& data_device,
                    uint64_t block_sectors) {
  constexpr int kLowWater = 32768;  // blocks
  return {0, data_bytes / kSector, "thin-pool",
          fmt::format("{} {} {} {} 2 skip_block_zeroing error_if_no_space", metadata_device, data_device, block_sectors,
                      kLowWater)};
}

DmTarget thin_table(uint64_t bytes, const std::string& pool_node, int64_t device_id) {
  return {0, bytes / kSector, "thin", fmt::format("{} {}", pool_node, device_id)};
}

static std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

static bool parse(std::string_view text, uint64_t& into) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
  return error == std::errc() && end == text.data() + text.size();
}

static bool parse_usage(std::string_view text, uint64_t& used, uint64_t& total) {
  const size_t slash = text.find('/');
  return slash != std::string_view::npos && parse(text.substr(0, slash), used) && parse(text.substr(slash + 1), total);
}

PoolTable parse_pool_table(const std::vector<DmTarget>& table) {
  uint64_t sectors = 0;
  const auto words = table.size() == 1 ? words_of(table[0].parameters) : std::vector<std::string_view>();
  if (words.size() < 3 || table[0].type != "thin-pool" || !parse(words[2], sectors))
    throw Error(Errc::invalid, "reading the table of the pool: the device is no thin pool");
  return {std::string(words[0]), std::string(words[1]), sectors * kSector};
}

PoolStatus parse_pool_status(std::string_view parameters) {
  PoolStatus status;
  const auto words = words_of(parameters);
  if (!words.empty() && (words[0] == "Fail" || words[0] == "Error")) {
    status.failed = true;
    return status;
  }
  if (words.size() < 5 || !parse(words[0], status.transaction_id) ||
      !parse_usage(words[1], status.used_metadata, status.total_metadata) ||
      !parse_usage(words[2], status.used_data, status.total_data))
    throw Error(Errc::corrupt,
                "reading the status of a thin pool: '" + printable(std::string(parameters), 120) + "' is none");
  for (const auto& word : words) {
    status.read_only = status.read_only || word == "ro";
    status.out_of_data_space = status.out_of_data_space || word == "out_of_data_space";
    status.needs_check = status.needs_check || word == "needs_check";
  }
  return status;
}

std::optional<Refusal> refuses_changes(const PoolStatus& status) {
  constexpr const char* kRepair =
      "stop what uses it, then thin_check and thin_repair its metadata device, or for an LVM pool 'lvconvert --repair'";
  if (status.failed)
    return Refusal{Errc::corrupt, std::string("the pool has failed, see the kernel's log; ") + kRepair};
  if (status.needs_check)
    return Refusal{Errc::corrupt, std::string("the pool's metadata is marked as damaged (needs_check); ") + kRepair};
  if (status.read_only && status.used_metadata >= status.total_metadata)
    return Refusal{Errc::no_space,
                   "the pool is read-only, since it ran out of metadata space: enlarge its metadata device "
                   "(dm.loopmetadatasize, or for an LVM pool 'lvextend --poolmetadatasize'), then thin_check it"};
  if (status.read_only)
    return Refusal{
        Errc::corrupt,
        std::string("the pool is read-only: it ran out of metadata space, or its metadata is damaged; ") + kRepair};
  return std::nullopt;
}

std::optional<Refusal> refuses_more(const PoolStatus& status, unsigned min_free_percent) {
  if (auto refusal = refuses_changes(status)) return refusal;
  if (status.out_of_data_space)
    return Refusal{Errc::no_space,
                   "the pool is full: enlarge its data device (dm.loopdatasize, or for an LVM pool 'lvextend'), or "
                   "remove images and containers"};
  const auto scarce = [&](const char* what, uint64_t used, uint64_t total) -> std::optional<Refusal> {
    const uint64_t least = min_free_percent == 0 ? 0 : std::max<uint64_t>(1, total * min_free_percent / 100);
    if (total - std::min(used, total) >= least) return std::nullopt;
    return Refusal{Errc::no_space, fmt::format("less than {} % of the pool's {} space is free ({} of {} blocks used): "
                                               "enlarge it, remove images, or lower dm.min_free_space",
                                               min_free_percent, what, used, total)};
  };
  if (auto refusal = scarce("data", status.used_data, status.total_data)) return refusal;
  return scarce("metadata", status.used_metadata, status.total_metadata);
}

}  // namespace cairn::devicemapper
