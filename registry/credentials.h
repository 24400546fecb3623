// Where to find out who one is at a registry, as docker and podman look for it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "registry/auth_file.h"
#include "registry/credential.h"
#include "registry/credential_helper.h"

namespace cairn {

struct CredentialOptions {
  std::string creds;       // --creds "user[:secret]"
  std::string creds_host;  // the registry these are for: "docker.io"; no other gets to know them. "": any
  std::string authfile;    // --authfile
  std::function<std::string(const char*)> environment;  // "" for what is not set; default: that of this process
  HelperLimits helper_limits{};
};

// Thread-safe. Asks in this order, and the first that knows anything answers: --creds; the file named by --authfile or
// $REGISTRY_AUTH_FILE, which then is the only one; $XDG_RUNTIME_DIR/containers/auth.json (/run/containers/UID);
// $XDG_CONFIG_HOME/containers/auth.json (~/.config); $DOCKER_CONFIG/config.json (~/.docker); ~/.dockercfg. In a file:
// the host's helper of credHelpers, or credsStore, then auths.
class CredentialStore {
 public:
  // Errc::invalid for credentials without a name, Errc::not_found if the named file is not there.
  explicit CredentialStore(CredentialOptions options);

  // `host` as references have it: "docker.io", "localhost:5000"; `repository_path`: "library/busybox". Empty if nobody
  // knows. A damaged file or a helper that fails is an error, if none before it knew: Errc::corrupt, io and those of
  // ask_credential_helper.
  Credential find(const std::string& host, const std::string& repository_path) const;

 private:
  struct Place {
    std::string path;
    AuthFile::Form form;
  };
  std::vector<Place> usual_places() const;
  std::optional<Credential> ask(const AuthFile& file, const std::string& host, const std::string& path) const;

  CredentialOptions options_;
  std::optional<Credential> given_;
  std::optional<AuthFile> named_;  // read once: it may be a pipe
};

}  // namespace cairn
