#include "drivers/devicemapper/names.h"

#include <fmt/format.h>
#include <sys/sysmacros.h>

#include <charconv>
#include <vector>

#include "core/util/error.h"

namespace cairn::devicemapper {

std::string device_prefix(const struct stat& home) {
  return fmt::format("docker-{}:{}-{}", major(home.st_dev), minor(home.st_dev), home.st_ino);
}

std::string device_name(const std::string& prefix, const std::string& hash) {
  return prefix + "-" + (hash.empty() ? "base" : hash);
}

DmTarget pool_table(uint64_t data_bytes, const std::string& metadata_device, const std::string& data_device,
                    uint64_t block_sectors) {
  constexpr int kLowWater = 32768;  // blocks
  return {0, data_bytes / kSector, "thin-pool",
          fmt::format("{} {} {} {} 1 skip_block_zeroing", metadata_device, data_device, block_sectors, kLowWater)};
}

DmTarget thin_table(uint64_t bytes, const std::string& pool, int64_t device_id) {
  return {0, bytes / kSector, "thin", fmt::format("{} {}", DeviceMapper::node(pool), device_id)};
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

std::string refuses_writes(const PoolStatus& status, unsigned min_free_percent) {
  if (status.failed) return "the pool has failed: look at the kernel's log; its metadata needs thin_check";
  if (status.needs_check) return "the pool's metadata is marked as damaged: run thin_check, then thin_repair";
  if (status.read_only) return "the pool is read-only: it ran out of metadata space, or its metadata is damaged";
  if (status.out_of_data_space) return "the pool is full: enlarge its data device, or remove images and containers";
  const auto scarce = [&](uint64_t used, uint64_t total) {
    return total - std::min(used, total) < total * min_free_percent / 100;
  };
  if (scarce(status.used_data, status.total_data))
    return fmt::format(
        "less than {} % of the pool's data space is free ({} of {} blocks used): enlarge it, remove "
        "images, or lower dm.min_free_space",
        min_free_percent, status.used_data, status.total_data);
  if (scarce(status.used_metadata, status.total_metadata))
    return fmt::format(
        "less than {} % of the pool's metadata space is free ({} of {} blocks used): enlarge it, remove "
        "images, or lower dm.min_free_space",
        min_free_percent, status.used_metadata, status.total_metadata);
  return "";
}

}  // namespace cairn::devicemapper
