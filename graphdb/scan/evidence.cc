#include "graphdb/scan/evidence.h"

#include <array>
#include <charconv>
#include <optional>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "graphdb/legacy/drivers.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

namespace {

using Version = std::array<int, 3>;

struct Trace {
  const char* path;
  Version since;
};
// Of the root itself, whatever the layout.
constexpr Trace kRootTraces[] = {
    {"graph", {0, 1, 0}},
    {"linkgraph.db", {0, 6, 5}},
    {"trust", {1, 3, 0}},
    {"network/files", {1, 9, 0}},
    {"image", {1, 10, 0}},
    {"overlay2", {1, 12, 0}},
    {"builder/fscache.db", {17, 7, 0}},
    {"buildkit", {18, 6, 0}},
    {"engine-id", {23, 0, 0}},
};
// Of one image in graph/.
constexpr Trace kImageTraces[] = {
    {"checksum", {1, 5, 0}},
    {"tar-data.json.gz", {1, 8, 0}},
    {"v1Compatibility", {1, 8, 3}},
    {"parent", {1, 8, 3}},
};
// Keys of a container's configuration.
constexpr Trace kContainerKeys[] = {
    {"Driver", {0, 7, 0}},   {"MountLabel", {1, 0, 0}}, {"LogPath", {1, 6, 0}},        {"ShmPath", {1, 9, 0}},
    {"Managed", {1, 12, 0}}, {"OS", {17, 11, 0}},       {"ImageManifest", {28, 0, 0}},
};

std::string text_of(const Version& version) {
  std::string out = std::to_string(version[0]) + "." + std::to_string(version[1]);
  if (version[2] != 0) out += "." + std::to_string(version[2]);
  // Since 17.03 the second number is a month.
  return version[0] >= 17 && version[1] < 10 && version[0] < 23 ? out.insert(out.find('.') + 1, "0") : out;
}

// "1.6.2" of "dockerinit-1.6.2-dev": the binary the engine of that version left for its containers.
std::optional<Version> version_in(std::string_view name) {
  constexpr std::string_view prefix = "dockerinit-";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  Version out{};
  for (size_t i = 0; i < out.size(); ++i) {
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), out[i]);
    if (error != std::errc()) return std::nullopt;
    name.remove_prefix(static_cast<size_t>(end - name.data()));
    if (i < 2 && !name.starts_with('.')) return std::nullopt;
    if (i < 2) name.remove_prefix(1);
  }
  return out;
}

class Clues {
 public:
  void add(const std::string& what, const Version& since) {
    clues_.push_back(what + ": " + text_of(since) + " or later");
    if (!latest_ || since > *latest_) latest_ = since;
  }
  Evidence finish(bool graph_only) {
    Evidence out{"", std::move(clues_)};
    if (!latest_) return out;
    out.engine = text_of(*latest_) + " or later";
    if (graph_only) out.engine = *latest_ < Version{1, 9, 0} ? text_of(*latest_) + " to 1.9" : text_of(*latest_);
    return out;
  }

 private:
  std::vector<std::string> clues_;
  std::optional<Version> latest_;
};

void read_graph(int root_fd, Clues& clues) {
  std::array<bool, std::size(kImageTraces)> found{};
  for (const auto& id : graph_ids(root_fd))
    for (size_t i = 0; i < found.size(); ++i)
      found[i] = found[i] || exists_at(root_fd, "graph/" + id + "/" + kImageTraces[i].path);
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i]) clues.add("'" + std::string(kImageTraces[i].path) + "' beside images", kImageTraces[i].since);
}

void read_containers(int root_fd, Clues& clues) {
  std::array<bool, std::size(kContainerKeys)> found{};
  for (const auto& id : container_ids(root_fd))
    for (const char* file : {"/config.v2.json", "/config.json"}) {
      try {
        const auto text = try_read_regular_at(root_fd, "containers/" + id + file);
        if (!text) continue;
        const JsonObject config(*text, id);
        for (size_t i = 0; i < found.size(); ++i) found[i] = found[i] || !config.raw(kContainerKeys[i].path).empty();
      } catch (const Error& e) {
        if (e.code() != Errc::corrupt) throw;  // told as damage elsewhere; it is no evidence
      }
    }
  for (size_t i = 0; i < found.size(); ++i)
    if (found[i]) clues.add("key '" + std::string(kContainerKeys[i].path) + "' in containers", kContainerKeys[i].since);
}

}  // namespace

Evidence find_evidence(int root_fd, bool graph_only) {
  Clues clues;
  for (const auto& trace : kRootTraces)
    if (exists_at(root_fd, trace.path)) clues.add(trace.path, trace.since);
  if (const auto init = try_open_dir(root_fd, "init"))
    for (const auto& name : list_dir(init->get()))
      if (const auto version = version_in(name)) clues.add("init/" + printable(name, 80), *version);
  read_graph(root_fd, clues);
  read_containers(root_fd, clues);
  return clues.finish(graph_only);
}

}  // namespace cairn
