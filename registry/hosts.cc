#include "registry/hosts.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>

#include <algorithm>
#include <memory>

#include "core/json/go_struct.h"
#include "core/util/error.h"
#include "core/util/fd.h"
#include "registry/certificates.h"
#include "registry/ip_range.h"

namespace cairn {
namespace {

using go_json::Omit;

struct DaemonConfig {
  go_json::Strings mirrors, insecure;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("registry-mirrors", self.mirrors, Omit::empty);
    visit("insecure-registries", self.insecure, Omit::empty);
  }
};

DaemonConfig read_daemon_json(const std::string& path) {
  if (path.empty()) return {};
  return while_doing([&] { return "reading '" + printable(path) + "'"; },
                     [&] {
                       const auto text = try_read_file_at(AT_FDCWD, path, 1 << 20);
                       const bool empty = !text || text->find_first_not_of(" \t\r\n") == text->npos;
                       return empty ? DaemonConfig() : go_json::read_struct<DaemonConfig>(*text);
                     });
}

// It becomes a directory's name and a part of a URL.
bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= 300 && text[0] != '.' && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]").find(c) != std::string_view::npos;
  });
}

std::string without_port(const std::string& host) {
  if (host.starts_with('[')) return host.substr(1, host.find(']') - 1);
  return host.substr(0, host.find(':'));
}

std::vector<std::string> system_addresses(const std::string& host) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  std::vector<std::string> out;
  for (const auto* one = found; one; one = one->ai_next) {
    char text[NI_MAXHOST];
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST) == 0)
      out.emplace_back(text);
  }
  return out;
}

std::string without_scheme(const std::string& text) {
  const size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  return text.substr(scheme);
}

bool is_loopback(const std::string& address) {
  return IpRange::parse("127.0.0.0/8")->contains(address) || IpRange::parse("::1/128")->contains(address);
}

// Whether the engine would do without verification: by name and port, or by an address of the host. What is on the
// loopback device always; but not because one of its addresses is: whoever answers for a name could say so of any.
bool is_insecure(const std::string& host, const DaemonConfig& config, const HostOptions& options) {
  std::vector<IpRange> ranges;
  for (const auto& entry : config.insecure.value_or(std::vector<std::string>())) {
    const auto text = without_scheme(entry);
    if (text == host) return true;
    if (const auto range = IpRange::parse(text))
      ranges.push_back(*range);
    else if (!is_host(text))
      throw Error(Errc::corrupt, "reading '" + printable(options.daemon_json) + "': the insecure registry '" +
                                     printable(entry, 100) + "' is neither a host nor a range of addresses");
  }
  const auto name = without_port(host);
  auto addresses = options.resolve ? options.resolve(name) : system_addresses(name);
  if (is_loopback(name) || (!addresses.empty() && std::ranges::all_of(addresses, is_loopback))) return true;
  addresses.push_back(name);
  return std::any_of(ranges.begin(), ranges.end(), [&](const IpRange& range) {
    return std::any_of(addresses.begin(), addresses.end(), [&](const auto& one) { return range.contains(one); });
  });
}

// `folders`: the names by which certs.d may know the host.
void add_certificates(RegistryEndpoint& endpoint, const std::vector<std::string>& folders, const HostOptions& options) {
  RegistryCertificates found;
  if (!options.cert_dir.empty() && !endpoint.is_mirror) {
    if (!exists_at(AT_FDCWD, options.cert_dir))
      throw Error(Errc::not_found, "reading the certificates in '" + printable(options.cert_dir) +
                                       "': there is no such directory (--cert-dir)");
    found = read_certificates(options.cert_dir);
  } else {
    for (const auto& place : options.certs_dirs)
      for (const auto& folder : folders) found.add(read_certificates(place + '/' + folder));
  }
  if (!found.ca_pem.empty()) endpoint.ca_pem = system_authorities() + found.ca_pem;
  endpoint.client_cert = found.client_cert;
  endpoint.client_key = found.client_key;
}

void add_mirrors(std::vector<RegistryEndpoint>& to, const DaemonConfig& config, const HostOptions& options) {
  for (const auto& mirror : config.mirrors.value_or(std::vector<std::string>())) {
    RegistryEndpoint endpoint{mirror, without_scheme(mirror), true, true, {}, {}, {}};
    if (endpoint.host.ends_with('/')) endpoint.host.pop_back(), endpoint.base_url.pop_back();
    if (endpoint.host.size() == endpoint.base_url.size() || !is_host(endpoint.host))
      throw Error(Errc::corrupt, "reading '" + printable(options.daemon_json) + "': the mirror '" +
                                     printable(mirror, 100) + "' is not of the form https://HOST[:PORT]");
    const bool must_verify = options.tls_verify.value_or(false);
    if (endpoint.is_plain() && must_verify) continue;
    endpoint.verify = !endpoint.is_plain() && (must_verify || !is_insecure(endpoint.host, config, options));
    if (!endpoint.is_plain()) add_certificates(endpoint, {endpoint.host}, options);
    to.push_back(std::move(endpoint));
  }
}

}  // namespace

std::vector<RegistryEndpoint> endpoints_for(const std::string& domain, RegistryUse use, const HostOptions& options) {
  if (!is_host(domain))
    throw Error(Errc::invalid, "reaching the registry '" + printable(domain, 100) + "': that is no name of a host");
  const bool hub = domain == "docker.io", mirrored = hub && use == RegistryUse::pull, ask = !options.tls_verify;
  const std::string host = hub ? "registry-1.docker.io" : domain;
  const auto config = mirrored || (ask && !options.plain_http) ? read_daemon_json(options.daemon_json) : DaemonConfig();
  std::vector<RegistryEndpoint> out;
  if (mirrored) add_mirrors(out, config, options);
  const RegistryEndpoint plain{"http://" + host, domain, false, false, {}, {}, {}};
  if (options.plain_http) {
    out.push_back(plain);
    return out;
  }
  const bool insecure = ask ? !hub && is_insecure(domain, config, options) : !*options.tls_verify;
  RegistryEndpoint tls{"https://" + host, domain, !insecure, false, {}, {}, {}};
  add_certificates(tls, hub ? std::vector{host, domain} : std::vector{host}, options);
  out.push_back(std::move(tls));
  if (insecure) out.push_back(plain);
  return out;
}

}  // namespace cairn
