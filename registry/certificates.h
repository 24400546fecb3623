// Certificates for a registry, in directories as docker and podman keep them: *.crt are authorities, X.cert and X.key a
// client's.
#pragma once

#include <string>

namespace cairn {

struct RegistryCertificates {
  std::string ca_pem;                   // PEM, one after the other
  std::string client_cert, client_key;  // paths; of several pairs the first by name

  // What `more` has and this has not; authorities are added.
  void add(const RegistryCertificates& more);
};

// Of a directory; empty if it is not there. Errc::corrupt naming the file that holds no certificate, or lacks the other
// half of its pair.
RegistryCertificates read_certificates(const std::string& directory);

// The authorities this system trusts, PEM: $SSL_CERT_FILE, else where distributions keep them; "" if none is found.
std::string system_authorities();

}  // namespace cairn
