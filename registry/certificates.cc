#include "registry/certificates.h"

#include <fcntl.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {
namespace {

constexpr size_t kLargestFile = 1 << 20, kLargestBundle = 32 << 20;
constexpr std::string_view kBegin = "-----BEGIN ";

// PEM that can be followed by more of it.
std::string read_authority(const Fd& dir, const std::string& name) {
  std::string text = read_file_at(dir.get(), name, kLargestFile);
  if (text.find(std::string(kBegin) + "CERTIFICATE-----") == text.npos &&
      text.find(std::string(kBegin) + "TRUSTED CERTIFICATE-----") == text.npos)
    throw Error(Errc::corrupt, "'" + printable(name) + "' holds no certificate in PEM");
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

}  // namespace

void RegistryCertificates::add(const RegistryCertificates& more) {
  ca_pem += more.ca_pem;
  if (!client_cert.empty()) return;
  client_cert = more.client_cert;
  client_key = more.client_key;
}

RegistryCertificates read_certificates(const std::string& directory) {
  const auto read = [&]() -> RegistryCertificates {
    const auto fd = try_open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
    if (!fd) return {};
    const auto names = list_dir(fd->get());
    const auto has = [&](const std::string& name) { return std::binary_search(names.begin(), names.end(), name); };
    RegistryCertificates out;
    for (const auto& name : names) {
      const auto stem = name.substr(0, name.rfind('.'));
      if (name.ends_with(".crt")) out.ca_pem += read_authority(*fd, name);
      if (name.ends_with(".key") && !has(stem + ".cert"))
        throw Error(Errc::corrupt,
                    "the key '" + printable(name) + "' has no certificate '" + printable(stem) + ".cert'");
      if (!name.ends_with(".cert")) continue;
      if (!has(stem + ".key"))
        throw Error(Errc::corrupt, "the client's certificate '" + printable(name) + "' has no key '" + printable(stem) +
                                       ".key' (an authority's is to be named *.crt)");
      out.add({{}, directory + '/' + name, directory + '/' + stem + ".key"});
    }
    return out;
  };
  return while_doing([&] { return "reading the certificates in '" + printable(directory) + "'"; }, read);
}

std::string system_authorities() {
  std::vector<std::string> places{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                  "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
  if (const char* named = std::getenv("SSL_CERT_FILE"); named && *named) places.insert(places.begin(), named);
  for (const auto& place : places)
    if (auto text = try_read_file_at(AT_FDCWD, place, kLargestBundle)) return *text + '\n';
  return "";
}

}  // namespace cairn
