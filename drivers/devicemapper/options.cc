#include "drivers/devicemapper/options.h"

#include <charconv>
#include <functional>
#include <map>
#include <optional>

#include "core/util/error.h"
#include "drivers/sys/size.h"

namespace cairn::devicemapper {

static bool parse_bool(const std::string& text) {
  if (text == "true" || text == "1" || text == "t" || text == "T" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "0" || text == "f" || text == "F" || text == "False" || text == "FALSE") return false;
  throw Error(Errc::invalid, "'" + printable(text, 40) + "' is neither true nor false");
}

static unsigned parse_percent(const std::string& text) {
  unsigned percent = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, percent);
  if (error != std::errc() || (end != last && std::string(end, last) != "%") || percent >= 100)
    throw Error(Errc::invalid, "'" + printable(text, 40) + "' is no percentage below 100");
  return percent;
}

static unsigned parse_count(const std::string& text) {
  unsigned count = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, count);
  if (error != std::errc() || end != last) throw Error(Errc::invalid, "'" + printable(text, 40) + "' is no number");
  return count;
}

Options Options::parse(const DriverOptions& options) {
  Options out;
  std::optional<bool> discard, deferred_removal;
  using Value = const std::string&;
  const std::map<std::string, std::function<void(Value)>> known{
      {"dm.thinpooldev", [&](Value v) { out.thin_pool = v.starts_with("/dev/mapper/") ? v.substr(12) : v; }},
      {"dm.datadev", [&](Value v) { out.data_device = v; }},
      {"dm.metadatadev", [&](Value v) { out.metadata_device = v; }},
      {"dm.loopdatasize", [&](Value v) { out.loop_data_bytes = parse_size(v); }},
      {"dm.loopmetadatasize", [&](Value v) { out.loop_metadata_bytes = parse_size(v); }},
      {"dm.basesize", [&](Value v) { out.base_bytes = parse_size(v); }},
      {"dm.blocksize", [&](Value v) { out.block_bytes = parse_size(v); }},
      {"dm.fs", [&](Value v) { out.file_system = v; }},
      {"dm.mkfsarg", [&](Value v) { out.mkfs_arguments = v; }},
      {"dm.mountopt", [&](Value v) { out.mount_options = v; }},
      {"dm.min_free_space", [&](Value v) { out.min_free_percent = parse_percent(v); }},
      {"dm.blkdiscard", [&](Value v) { discard = parse_bool(v); }},
      {"dm.offline", [&](Value v) { out.offline = parse_bool(v); }},
      // Questions that do not arise here: devices are always removed when their last user goes, udev is asked if it
      // runs.
      {"dm.override_udev_sync_check", [](Value v) { parse_bool(v); }},
      {"dm.use_deferred_removal", [&](Value v) { deferred_removal = parse_bool(v); }},
      {"dm.use_deferred_deletion", [&](Value v) { out.deferred_deletion = parse_bool(v); }},
      {"dm.xfs_nospace_max_retries", [&](Value v) { out.xfs_retries = std::to_string(parse_count(v)); }},
      {"dm.libdm_log_level", [](Value) {}},
  };
  for (const auto& option : options.storage_opts) {
    const std::string &key = option.first, &value = option.second;
    const std::string doing = "opening devicemapper: storage option '" + printable(key) + "'";
    const auto found = known.find(key);
    if (found == known.end()) {
      const bool setup = key.starts_with("dm.directlvm_device") || key.starts_with("dm.thinp_");
      throw Error(setup ? Errc::unsupported : Errc::invalid,
                  doing + (setup ? ": cairn makes no volume groups; make the pool and name it with dm.thinpooldev"
                                 : ": there is no such option"));
    }
    while_doing([&] { return doing; }, [&] { found->second(value); });
  }
  if (out.deferred_deletion && deferred_removal == false)
    throw Error(Errc::invalid,
                "opening devicemapper: dm.use_deferred_deletion: it needs dm.use_deferred_removal, which is off");
  if (!out.file_system.empty() && out.file_system != "ext4" && out.file_system != "xfs")
    throw Error(Errc::unsupported, "opening devicemapper: dm.fs: '" + printable(out.file_system, 40) +
                                       "' is none of the file systems engines use: ext4, xfs");
  if (out.block_bytes < (64 << 10) || out.block_bytes > (1 << 30) || out.block_bytes % (64 << 10) != 0)
    throw Error(Errc::invalid, "opening devicemapper: dm.blocksize: a pool's blocks are a multiple of 64K, 1G at most");
  out.discard = discard.value_or(out.thin_pool.empty() && out.data_device.empty());
  return out;
}

}  // namespace cairn::devicemapper
