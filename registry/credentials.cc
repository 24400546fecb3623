#include "registry/credentials.h"

#include <unistd.h>

#include <cstdlib>

#include "core/util/error.h"

namespace cairn {

static Credential parse_creds(const std::string& text) {
  const size_t colon = std::min(text.find(':'), text.size());
  if (colon == 0) throw Error(Errc::invalid, "reading --creds: there is no user name in it; USER or USER:SECRET");
  return {text.substr(0, colon), text.substr(std::min(colon + 1, text.size())), {}, {}};
}

CredentialStore::CredentialStore(CredentialOptions options) : options_(std::move(options)) {
  if (!options_.environment)
    options_.environment = [](const char* name) {
      const char* value = std::getenv(name);
      return std::string(value ? value : "");
    };
  if (!options_.creds.empty()) given_ = parse_creds(options_.creds);
  const auto path = !options_.authfile.empty() ? options_.authfile : options_.environment("REGISTRY_AUTH_FILE");
  if (path.empty()) return;
  named_ = AuthFile::read(path, AuthFile::Form::config);
  if (!named_)
    throw Error(Errc::not_found, "reading credentials from '" + printable(path) + "': there is no such file (" +
                                     (options_.authfile.empty() ? "$REGISTRY_AUTH_FILE" : "--authfile") + ')');
}

std::vector<CredentialStore::Place> CredentialStore::usual_places() const {
  const auto& value = options_.environment;
  const auto below_home = [&](const char* variable, const std::string& in_home) {
    const std::string named = value(variable), home = value("HOME");
    return !named.empty() || home.empty() ? named : home + in_home;
  };
  std::string runtime = value("XDG_RUNTIME_DIR");
  if (runtime.empty())
    runtime = "/run/containers/" + std::to_string(::getuid());
  else
    runtime += "/containers";
  std::vector<Place> out{{runtime + "/auth.json", AuthFile::Form::config}};
  const auto config = below_home("XDG_CONFIG_HOME", "/.config"), docker = below_home("DOCKER_CONFIG", "/.docker");
  if (!config.empty()) out.push_back({config + "/containers/auth.json", AuthFile::Form::config});
  if (!docker.empty()) out.push_back({docker + "/config.json", AuthFile::Form::config});
  if (const auto home = value("HOME"); !home.empty()) out.push_back({home + "/.dockercfg", AuthFile::Form::dockercfg});
  return out;
}

std::optional<Credential> CredentialStore::ask(const AuthFile& file, const std::string& host,
                                               const std::string& path) const {
  if (const auto helper = file.helper_for(host); !helper.empty()) {
    const bool hub = known_registry_host(host) == "docker.io";
    auto found = while_doing([&] { return "as '" + printable(file.path()) + "' says"; },
                             [&] {
                               return ask_credential_helper(helper, hub ? "https://index.docker.io/v1/" : host,
                                                            options_.helper_limits);
                             });
    if (found) return found;
  }
  return file.find(host, path);
}

Credential CredentialStore::find(const std::string& host, const std::string& repository_path) const {
  if (given_ && (options_.creds_host.empty() || known_registry_host(options_.creds_host) == known_registry_host(host)))
    return *given_;
  if (named_) return ask(*named_, host, repository_path).value_or(Credential());
  for (const auto& place : usual_places())
    if (const auto file = AuthFile::read(place.path, place.form))
      if (const auto found = ask(*file, host, repository_path)) return *found;
  return {};
}

}  // namespace cairn
