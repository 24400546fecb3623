// How registries are reached: over TLS or not, with which certificates, by which mirrors, as flags, daemon.json and
// certs.d say (formats: registry, 5).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cairn {

struct HostOptions {
  bool plain_http = false;         // --plain-http: nothing else
  std::optional<bool> tls_verify;  // --tls-verify: false as for insecure-registries, true even on the loopback device
  std::string cert_dir;            // --cert-dir: in place of certs.d

  std::string daemon_json = "/etc/docker/daemon.json";  // "": none
  std::vector<std::string> certs_dirs{"/etc/docker/certs.d", "/etc/containers/certs.d"};
  // Addresses of a host's name, as text; empty if it has none. Default: the system's resolver.
  std::function<std::vector<std::string>(const std::string&)> resolve;
};

struct RegistryEndpoint {
  std::string base_url;  // "https://registry-1.docker.io": what comes before "/v2/"
  std::string host;      // whom credentials are looked up for: "docker.io", "mirror:5000"
  bool verify = true;    // the server's certificate
  bool is_mirror = false;
  std::string ca_pem;                   // all authorities to trust, the system's included; "": libcurl's own
  std::string client_cert, client_key;  // paths of PEM; "": none

  bool is_plain() const { return base_url.starts_with("http://"); }
};

enum class RegistryUse { pull, push };

// In the order to be tried. `domain` as references have it: "docker.io", "localhost:5000". Mirrors are for pulling from
// docker.io, and are not what --plain-http and --tls-verify=false speak of. Errc::corrupt for files that cannot be
// used, Errc::invalid for a domain that is none.
std::vector<RegistryEndpoint> endpoints_for(const std::string& domain, RegistryUse use, const HostOptions& options);

}  // namespace cairn
