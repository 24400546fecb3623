#include "core/image/v1_config.h"

#include <algorithm>
#include <climits>

#include "core/image/config_json.h"
#include "core/json/go_struct.h"
#include "core/util/error.h"

namespace cairn {
namespace {

using go_json::Omit;

// Docker 1.10's container.Config.
struct ContainerConfig {
  std::string hostname, domainname, user;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  go_json::StringSet exposed_ports;
  std::string publish_service;
  bool tty = false, open_stdin = false, stdin_once = false;
  go_json::Strings env;
  go_json::OneOrMore cmd;
  bool args_escaped = false;
  std::string image;
  go_json::StringSet volumes;
  std::string working_dir;
  go_json::OneOrMore entrypoint;
  bool network_disabled = false;
  std::string mac_address;
  go_json::Strings on_build;
  go_json::StringMap labels;
  std::string stop_signal;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("Hostname", self.hostname, Omit::never);
    visit("Domainname", self.domainname, Omit::never);
    visit("User", self.user, Omit::never);
    visit("AttachStdin", self.attach_stdin, Omit::never);
    visit("AttachStdout", self.attach_stdout, Omit::never);
    visit("AttachStderr", self.attach_stderr, Omit::never);
    visit("ExposedPorts", self.exposed_ports, Omit::empty);
    visit("PublishService", self.publish_service, Omit::empty);
    visit("Tty", self.tty, Omit::never);
    visit("OpenStdin", self.open_stdin, Omit::never);
    visit("StdinOnce", self.stdin_once, Omit::never);
    visit("Env", self.env, Omit::never);
    visit("Cmd", self.cmd, Omit::never);
    visit("ArgsEscaped", self.args_escaped, Omit::empty);
    visit("Image", self.image, Omit::never);
    visit("Volumes", self.volumes, Omit::never);
    visit("WorkingDir", self.working_dir, Omit::never);
    visit("Entrypoint", self.entrypoint, Omit::never);
    visit("NetworkDisabled", self.network_disabled, Omit::empty);
    visit("MacAddress", self.mac_address, Omit::empty);
    visit("OnBuild", self.on_build, Omit::never);
    visit("Labels", self.labels, Omit::never);
    visit("StopSignal", self.stop_signal, Omit::empty);
  }
};

// Docker 1.10's image.V1Image.
struct V1Image {
  std::string id, parent, comment;
  go_json::Time created;
  std::string container;
  ContainerConfig container_config;
  std::string docker_version, author;
  std::optional<ContainerConfig> config;
  std::string architecture, os;
  int64_t size = 0;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("id", self.id, Omit::empty);
    visit("parent", self.parent, Omit::empty);
    visit("comment", self.comment, Omit::empty);
    visit("created", self.created, Omit::never);
    visit("container", self.container, Omit::empty);
    visit("container_config", self.container_config, Omit::never);
    visit("docker_version", self.docker_version, Omit::empty);
    visit("author", self.author, Omit::empty);
    visit("config", self.config, Omit::empty);
    visit("architecture", self.architecture, Omit::empty);
    visit("os", self.os, Omit::empty);
    visit("Size", self.size, Omit::empty);
  }
};

struct Parents {
  std::string parent, parent_id;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("parent", self.parent, Omit::never);
    visit("parent_id", self.parent_id, Omit::never);
  }
};

struct DockerVersion {
  std::string text;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("docker_version", self.text, Omit::never);
  }
};

// Go's strconv.Atoi with its error ignored: 0 for what is no number, the nearest number when out of range.
int64_t lenient_number(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return 0;
  int64_t value = 0;
  for (char c : text) {
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, c - '0', &value))
      return negative ? INT64_MIN : INT64_MAX;
  }
  return negative ? -value : value;
}

// "1.8" < "1.8.3", "3-dev" counts as 0.
bool version_less(std::string_view a, std::string_view b) {
  const auto take = [](std::string_view& text) {
    const size_t dot = std::min(text.find('.'), text.size());
    const int64_t number = lenient_number(text.substr(0, dot));
    text.remove_prefix(std::min(dot + 1, text.size()));
    return number;
  };
  while (!a.empty() || !b.empty()) {
    const int64_t x = take(a), y = take(b);
    if (x != y) return x < y;
  }
  return false;
}

// The top-level values: as written, or, from engines before 1.8.3, through the struct (their JSON had other fields).
go_json::RawObject top_level(const std::string& v1_json) {
  if (!version_less(go_json::read_struct<DockerVersion>(v1_json).text, "1.8.3")) return go_json::object(v1_json);
  go_json::RawObject out;
  for (auto& [name, raw] : go_json::encode_fields(go_json::read_struct<V1Image>(v1_json)))
    out.emplace(name, std::move(raw));
  return out;
}

}  // namespace

std::string history_from_v1(const std::string& v1_json, bool empty_layer) {
  const auto image = go_json::read_struct<V1Image>(v1_json);
  return go_json::encode(
      History{image.created, image.author, joined_words(image.container_config.cmd.value), image.comment, empty_layer});
}

std::string config_from_v1(const std::string& v1_json, std::span<const DiffId> diff_ids,
                           std::span<const std::string> history) {
  auto config = top_level(v1_json);
  for (const auto* key : {"id", "parent", "Size", "parent_id", "layer_id", "throwaway"}) config.erase(key);
  std::string list;
  for (const auto& element : history) list += (list.empty() ? "" : ",") + element;
  config["rootfs"] = rootfs_json(diff_ids);
  config["history"] = "[" + list + "]";
  return go_json::encode(config);
}

std::string strong_config_from_v1(const std::string& v1_json, const std::string& layer_id,
                                  const std::string& parent_id) {
  auto config = top_level(v1_json);
  for (const auto* key : {"id", "parent", "Size"}) config.erase(key);
  config["layer_id"] = go_json::quote(layer_id);
  if (!parent_id.empty()) config["parent_id"] = go_json::quote(parent_id);
  return go_json::encode(config);
}

std::string parent_from_v1(const std::string& v1_json) {
  const auto parents = go_json::read_struct<Parents>(v1_json);
  if (!parents.parent.empty() || parents.parent_id.empty()) return parents.parent;
  const size_t colon = parents.parent_id.find(':');
  if (colon == std::string::npos)
    throw Error(Errc::corrupt, "reading an image's parent_id '" + printable(parents.parent_id, 80) + "': not a digest");
  return parents.parent_id.substr(colon + 1);
}

std::string container_v2_from_v1(const std::string& config_json, const ImageId& image,
                                 const std::optional<std::string>& driver) {
  auto config = go_json::object(config_json);
  const auto old = config.find("Image");
  if (old == config.end() || go_json::kind_of(old->second) != go_json::Kind::string)
    throw Error(Errc::corrupt, "reading a container's configuration: no image is named in it");
  old->second = go_json::quote(image.str());
  if (driver) config["Driver"] = go_json::quote(*driver);
  return go_json::encode(config);
}

}  // namespace cairn
