#include "core/image/reference.h"

#include <algorithm>

#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io", kLegacyDomain = "index.docker.io", kOfficial = "library/";
constexpr size_t kMaxName = 255;

bool is_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_alnum(char c) { return is_lower(c) || is_upper(c); }

// Runs of a-z0-9 joined by ".", "_", "__" or any number of "-".
bool is_path_component(std::string_view text) {
  size_t i = 0;
  while (true) {
    const size_t start = i;
    while (i < text.size() && is_lower(text[i])) ++i;
    if (i == start) return false;
    if (i == text.size()) return true;
    if (text[i] == '-') {
      while (i < text.size() && text[i] == '-') ++i;
    } else {
      i += text.substr(i, 2) == "__" ? 2 : text[i] == '_' || text[i] == '.' ? 1 : 0;
    }
  }
}

bool is_path(std::string_view text) {
  for (size_t slash = text.find('/'); slash != std::string_view::npos; slash = text.find('/')) {
    if (!is_path_component(text.substr(0, slash))) return false;
    text.remove_prefix(slash + 1);
  }
  return is_path_component(text);
}

bool is_domain_component(std::string_view text) {
  return !text.empty() && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-'; });
}

bool is_host(std::string_view text) {
  if (text.size() > 2 && text.front() == '[' && text.back() == ']')
    return text.substr(1, text.size() - 2).find_first_not_of("0123456789abcdefABCDEF:") == std::string_view::npos;
  for (size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!is_domain_component(text.substr(0, dot))) return false;
    text.remove_prefix(dot + 1);
  }
  return is_domain_component(text);
}

bool is_domain(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.back() == ']') return is_host(text);
  const auto port = text.substr(colon + 1);
  return is_host(text.substr(0, colon)) && !port.empty() &&
         port.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whether the part before the first slash is a registry. `upper`: capitals tell one too, as in today's engines.
bool names_registry(std::string_view first, bool upper) {
  return first.find_first_of(".:") != std::string_view::npos || first == "localhost" ||
         (upper && std::any_of(first.begin(), first.end(), is_upper));
}

// `name` split into domain and path; nothing is checked.
Reference split_name(std::string_view name, bool upper) {
  Reference out;
  const size_t slash = name.find('/');
  if (slash != std::string_view::npos && names_registry(name.substr(0, slash), upper)) {
    out.domain = name.substr(0, slash);
    out.path = name.substr(slash + 1);
  } else {
    out.domain = kDefaultDomain;
    out.path = name;
  }
  if (out.domain == kLegacyDomain) out.domain = kDefaultDomain;
  if (out.domain == kDefaultDomain && out.path.find('/') == std::string::npos) out.path.insert(0, kOfficial);
  return out;
}

// What is wrong with the name, "" if nothing is.
std::string fault_of(std::string_view written, const Reference& reference) {
  if (is_hex64(written)) return "64 hexadecimal digits are an ID and cannot be a name";
  if (std::any_of(reference.path.begin(), reference.path.end(), is_upper)) return "a repository name must be lowercase";
  if (!is_domain(reference.domain)) return "'" + printable(reference.domain, 80) + "' is not a registry's name";
  if (!is_path(reference.path)) return "not of the form name[:tag][@digest]";
  if (reference.repository() == "sha256") return "'sha256' as a name cannot be told from a digest";
  return "";
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
  throw Error(Errc::invalid, "reading the image name '" + printable(text, 300) + "': " + why);
}

}  // namespace

bool is_tag(std::string_view text) noexcept {
  if (text.empty() || text.size() > 128 || !(is_alnum(text[0]) || text[0] == '_')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) noexcept {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  const auto algorithm = text.substr(0, colon), hex = text.substr(colon + 1);
  const size_t length = algorithm == "sha256" ? 64 : algorithm == "sha384" ? 96 : algorithm == "sha512" ? 128 : 0;
  return length > 0 && hex.size() == length && hex.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string Reference::name() const { return domain + '/' + path; }

std::string Reference::repository() const {
  if (domain != kDefaultDomain) return name();
  const bool official = path.starts_with(kOfficial) && path.find('/', kOfficial.size()) == std::string::npos;
  return official ? path.substr(kOfficial.size()) : path;
}

std::string Reference::familiar() const {
  return repository() + (!digest.empty() ? "@" + digest : !tag.empty() ? ":" + tag : "");
}

std::string Reference::text() const {
  return repository() + (tag.empty() ? "" : ":" + tag) + (digest.empty() ? "" : "@" + digest);
}

Reference parse_repository(std::string_view text) {
  std::string_view name = text, tag, digest;
  const size_t at = name.find('@');
  if (at != std::string_view::npos) {
    digest = name.substr(at + 1);
    name = name.substr(0, at);
    if (!is_digest(digest))
      refuse(text, "'" + printable(digest, 80) + "' is not a digest (sha256: and 64 digits 0-9a-f)");
  }
  const size_t colon = name.rfind(':'), slash = name.rfind('/');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    tag = name.substr(colon + 1);
    name = name.substr(0, colon);
    if (!is_tag(tag)) refuse(text, "'" + printable(tag, 160) + "' is not a tag");
  }
  Reference out = split_name(name, true);
  if (const auto fault = fault_of(text, out); !fault.empty()) refuse(text, fault);
  if (out.name().size() > kMaxName) refuse(text, "the name is longer than 255 characters");
  out.tag = tag;
  out.digest = digest;
  return out;
}

Reference parse_reference(std::string_view text) {
  Reference out = parse_repository(text);
  if (out.tag.empty() && out.digest.empty()) out.tag = "latest";
  return out;
}

LegacyReference reference_from_v1(const std::string& repository, const std::string& tag_or_digest) {
  const Reference split = split_name(repository, false);
  if (auto fault = fault_of(repository, split); !fault.empty()) return {"", fault};
  // Docker 1.10 drops one "library/" of docker.io whatever follows it, and counts what is left.
  std::string name = split.domain != kDefaultDomain ? split.name() : split.path;
  if (split.domain == kDefaultDomain && name.starts_with(kOfficial)) name.erase(0, kOfficial.size());
  if (name.size() > kMaxName) return {"", "the name is longer than 255 characters"};
  if (is_hex64(name)) return {"", "64 hexadecimal digits are an ID and cannot be a name"};
  if (is_digest(tag_or_digest)) return {name + "@" + tag_or_digest, ""};
  if (!is_tag(tag_or_digest)) return {"", "'" + printable(tag_or_digest, 160) + "' is not a tag"};
  return {name + ":" + tag_or_digest, ""};
}

std::optional<std::string> id_prefix(std::string_view text) {
  constexpr std::string_view algorithm = "sha256:";
  if (text.starts_with(algorithm)) text.remove_prefix(algorithm.size());
  if (text.empty() || text.size() > 64 || text.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    return std::nullopt;
  return std::string(text);
}

}  // namespace cairn
