#include "registry/auth_file.h"

#include <fcntl.h>

#include <set>

#include "core/archive/base64.h"
#include "core/json/go_json.h"
#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {
namespace {

using go_json::Kind;

constexpr size_t kLargestFile = 4 << 20;

// The text of a member; what is there instead is not quoted, it may be a secret all the same.
std::string text_of(const go_json::Member& member) {
  const auto kind = go_json::kind_of(member.raw);
  if (kind == Kind::null) return "";
  if (kind != Kind::string) throw Error(Errc::corrupt, "its \"" + printable(member.key, 80) + "\" is no text");
  return go_json::unquote(member.raw);
}

std::string string_of(const std::vector<go_json::Member>& members, std::string_view field) {
  const auto* found = go_json::find_field(members, field);
  return found ? text_of(*found) : "";
}

std::vector<go_json::Member> object_of(std::string_view raw, const std::string& what) {
  if (go_json::kind_of(raw) == Kind::null) return {};
  if (go_json::kind_of(raw) != Kind::object) throw Error(Errc::corrupt, what + " is no object");
  return go_json::members(raw);
}

std::vector<go_json::Member> object_in(const std::vector<go_json::Member>& members, std::string_view field) {
  const auto* found = go_json::find_field(members, field);
  return found ? object_of(found->raw, "its \"" + std::string(field) + '"') : std::vector<go_json::Member>();
}

// How well a key fits, 0 for not at all. Keys are hosts, URLs of hosts (whose path says nothing but the version of the
// API), and paths of repositories or of what is above them.
size_t fit_of(std::string_view key, std::string_view host, std::string_view repository_path) {
  const bool exact = key == host;
  const size_t scheme = key.starts_with("https://") ? 8 : key.starts_with("http://") ? 7 : 0;
  key.remove_prefix(scheme);
  const size_t slash = std::min(key.find('/'), key.size());
  if (known_registry_host(key.substr(0, slash)) != known_registry_host(host)) return 0;
  auto path = key.substr(std::min(slash + 1, key.size()));
  if (path.ends_with('/')) path.remove_suffix(1);
  if (scheme > 0 || path.empty() || path == "v1" || path == "v2") return exact ? 2 : 1;
  const bool above = repository_path.starts_with(path) &&
                     (repository_path.size() == path.size() || repository_path[path.size()] == '/');
  return above ? 2 + path.size() : 0;
}

// What `auth` holds: base64 of "user:secret", by old clients filled up with zeros.
Credential decoded(std::string_view auth) {
  std::string text;
  if (!append_from_base64(text, auth, Base64Padding::optional)) throw Error(Errc::corrupt, "its \"auth\" is no base64");
  const size_t colon = text.find(':');
  if (colon == text.npos || colon == 0)
    throw Error(Errc::corrupt, "its \"auth\" does not hold a name, a colon and a secret");
  Credential out{text.substr(0, colon), text.substr(colon + 1), {}, {}};
  while (out.secret.ends_with('\0')) out.secret.pop_back();
  return out;
}

Credential credential_of(const std::string& entry) {
  const auto members = object_of(entry, "it");
  Credential out;
  const std::string auth = string_of(members, "auth");
  if (auth.empty()) {
    out.username = string_of(members, "username");
    out.secret = string_of(members, "password");
  } else {
    out = decoded(auth);
  }
  out.identity_token = string_of(members, "identitytoken");
  out.registry_token = string_of(members, "registrytoken");
  return out;
}

}  // namespace

std::string known_registry_host(std::string_view host) {
  return host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : std::string(host);
}

AuthFile::AuthFile(std::string path, std::string_view text, Form form) : path_(std::move(path)) {
  while_doing([&] { return "reading credentials from '" + printable(path_) + "'"; },
              [&] {
                if (text.find_first_not_of(" \t\r\n") == text.npos) return;  // docker takes an empty file
                go_json::check(text);
                text.remove_prefix(text.find_first_not_of(" \t\r\n"));
                const auto top = object_of(text, "it");
                for (auto& entry : form == Form::config ? object_in(top, "auths") : top)
                  entries_[entry.key] = entry.raw;
                if (form == Form::dockercfg) return;
                store_ = string_of(top, "credsStore");
                for (auto& helper : object_in(top, "credHelpers")) helpers_[helper.key] = text_of(helper);
              });
}

std::optional<AuthFile> AuthFile::read(const std::string& path, Form form) {
  const auto text = while_doing([&] { return "reading credentials"; },
                                [&]() -> std::optional<std::string> {
                                  if (!exists_at(AT_FDCWD, path)) return std::nullopt;  // nor the directory
                                  return try_read_file_at(AT_FDCWD, path, kLargestFile);
                                });
  if (!text) return std::nullopt;
  return AuthFile(path, *text, form);
}

std::string AuthFile::helper_for(const std::string& host) const {
  for (const auto& [key, helper] : helpers_)
    if (fit_of(key, host, "") > 0) return helper;
  return store_;
}

std::optional<Credential> AuthFile::find(const std::string& host, const std::string& repository_path) const {
  std::multimap<size_t, const Values::value_type*, std::greater<>> fitting;
  for (const auto& entry : entries_)
    if (const size_t fit = fit_of(entry.first, host, repository_path)) fitting.emplace(fit, &entry);
  for (const auto& one : fitting) {
    const auto* entry = one.second;
    auto found = while_doing(
        [&] { return "reading the entry '" + printable(entry->first, 120) + "' of '" + printable(path_) + "'"; },
        [&] { return credential_of(entry->second); });
    if (!found.empty()) return found;
  }
  return std::nullopt;
}

}  // namespace cairn
