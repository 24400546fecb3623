// Image configurations as engines of today write them (formats: content-addressed, 5.1): byte for byte as Go's encoding
// /json, since the hash of the bytes names the image.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/image/platform.h"
#include "core/json/go_struct.h"

namespace cairn {

struct HealthConfig {
  go_json::Strings test;
  int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;  // nanoseconds
  int64_t retries = 0;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("Test", self.test, go_json::Omit::empty);
    visit("Interval", self.interval, go_json::Omit::empty);
    visit("Timeout", self.timeout, go_json::Omit::empty);
    visit("StartPeriod", self.start_period, go_json::Omit::empty);
    visit("StartInterval", self.start_interval, go_json::Omit::empty);
    visit("Retries", self.retries, go_json::Omit::empty);
  }
};

// How a container is run: Docker's container.Config, from 1.12 on.
struct RunConfig {
  std::string hostname, domainname, user;
  bool attach_stdin = false, attach_stdout = false, attach_stderr = false;
  go_json::StringSet exposed_ports;
  bool tty = false, open_stdin = false, stdin_once = false;
  go_json::Strings env;
  go_json::OneOrMore cmd;
  std::optional<HealthConfig> healthcheck;
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
  std::optional<int64_t> stop_timeout;  // seconds
  go_json::OneOrMore shell;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    using go_json::Omit;
    visit("Hostname", self.hostname, Omit::never);
    visit("Domainname", self.domainname, Omit::never);
    visit("User", self.user, Omit::never);
    visit("AttachStdin", self.attach_stdin, Omit::never);
    visit("AttachStdout", self.attach_stdout, Omit::never);
    visit("AttachStderr", self.attach_stderr, Omit::never);
    visit("ExposedPorts", self.exposed_ports, Omit::empty);
    visit("Tty", self.tty, Omit::never);
    visit("OpenStdin", self.open_stdin, Omit::never);
    visit("StdinOnce", self.stdin_once, Omit::never);
    visit("Env", self.env, Omit::never);
    visit("Cmd", self.cmd, Omit::never);
    visit("Healthcheck", self.healthcheck, Omit::empty);
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
    visit("StopTimeout", self.stop_timeout, Omit::empty);
    visit("Shell", self.shell, Omit::empty);
  }
};

// A command as `history` has it: its words, a blank between them.
std::string joined_words(const go_json::Strings& words);

// One element of `history`.
struct History {
  go_json::Time created;
  std::string author, created_by, comment;
  bool empty_layer = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("created", self.created, go_json::Omit::never);
    visit("author", self.author, go_json::Omit::empty);
    visit("created_by", self.created_by, go_json::Omit::empty);
    visit("comment", self.comment, go_json::Omit::empty);
    visit("empty_layer", self.empty_layer, go_json::Omit::empty);
  }
};

std::string rootfs_json(std::span<const DiffId> diff_ids);

// An image as import and commit make it.
struct NewImage {
  Platform platform;
  std::string created;  // RFC 3339
  std::string author, comment;
  std::string container;  // ID of the one it was made of
  RunConfig config, container_config;
  std::vector<DiffId> diff_ids;
  std::vector<History> history;  // oldest first
  go_json::RawObject more;       // members that are kept as they are: "os.version"
  std::string json() const;
};

}  // namespace cairn
