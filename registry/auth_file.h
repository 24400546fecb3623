// Files that say who one is at registries: Docker's config.json and the older .dockercfg, containers' auth.json
// (formats: registry, 5). Secrets that stand in them never get into messages.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "registry/credential.h"

namespace cairn {

// "docker.io" for all names of Docker Hub, any other host as it is.
std::string known_registry_host(std::string_view host);

class AuthFile {
 public:
  enum class Form { config, dockercfg };  // dockercfg: hosts at the top level

  // `path` is for messages. Errc::corrupt if `text` is no such file; entries are looked at when they are asked for.
  AuthFile(std::string path, std::string_view text, Form form);
  // nullopt if there is no such file.
  static std::optional<AuthFile> read(const std::string& path, Form form);

  const std::string& path() const noexcept { return path_; }
  // What is to be asked about this host instead of the file: a helper's name, "" for none. Not validated.
  std::string helper_for(const std::string& host) const;
  // Of the entry that fits best: one for the repository or what is above it, else for the host. Entries that say
  // nothing are as if they were not there. Errc::corrupt.
  std::optional<Credential> find(const std::string& host, const std::string& repository_path) const;

 private:
  using Values = std::map<std::string, std::string, std::less<>>;
  std::string path_;
  Values entries_;  // a host's or repository's key -> the entry's JSON
  Values helpers_;  // a host's key -> the helper's name
  std::string store_;
};

}  // namespace cairn
