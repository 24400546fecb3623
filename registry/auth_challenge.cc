#include "registry/auth_challenge.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/json/go_struct.h"
#include "core/util/ascii.h"
#include "core/util/error.h"
#include "registry/url.h"

namespace cairn {
namespace {

using std::chrono::seconds;

constexpr size_t kMostChallenges = 64;
constexpr int64_t kShortestLife = 60, kLongestLife = 24 * 60 * 60;  // seconds

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// One header, from left to right.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  void read(std::vector<Challenge>& into) {
    size_t own = 0;  // parameters before any scheme are nobody's
    while (skip_separators(), at_ < text_.size() && into.size() < kMostChallenges) {
      const auto word = take_while(is_token_char);
      skip_space();
      if (word.empty()) {
        take_while([](char c) { return c != ','; });
      } else if (!skip_if('=')) {
        into.push_back({lower_case(word), {}});
        ++own;
        skip_token68();
      } else if (const auto value = take_value(); value && own > 0) {
        into.back().params.emplace(lower_case(word), *value);
      }
    }
  }

 private:
  template <typename Is>
  std::string_view take_while(Is&& is) {
    const size_t from = at_;
    while (at_ < text_.size() && is(text_[at_])) ++at_;
    return text_.substr(from, at_ - from);
  }
  void skip_space() {
    take_while([](char c) { return c == ' ' || c == '\t'; });
  }
  void skip_separators() {
    take_while([](char c) { return c == ' ' || c == '\t' || c == ','; });
  }
  bool skip_if(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  // What some schemes have in place of parameters: base64 and nothing else before the comma.
  void skip_token68() {
    const size_t from = at_;
    take_while([](char c) { return is_token_char(c) || c == '/'; });
    take_while([](char c) { return c == '='; });
    skip_space();
    if (at_ < text_.size() && text_[at_] != ',') at_ = from;
  }
  std::optional<std::string> take_value() {
    skip_space();
    if (!skip_if('"')) return std::string(take_while([](char c) { return c != ',' && c != ' ' && c != '\t'; }));
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      if (skip_if('"')) return out;
      if (text_[at_] == '\\' && ++at_ == text_.size()) break;
      out += text_[at_];
    }
    return std::nullopt;  // it has no end
  }

  std::string_view text_;
  size_t at_ = 0;
};

// The realm, fit to have a query added to it.
std::string checked_realm(const Challenge& bearer, bool with_secret, bool may_be_plain) {
  const std::string realm = bearer.param("realm");
  const std::string to = lower_case(realm);
  const bool plain = to.starts_with("http://"), tls = to.starts_with("https://");
  const bool clean = std::all_of(realm.begin(), realm.end(), [](char c) { return c > ' ' && c < 0x7f; });
  const size_t host = realm.find("://") + 3;
  if ((!plain && !tls) || !clean || host >= realm.size() || realm[host] == '/' || realm[host] == '?')
    throw Error(Errc::corrupt, "asking for a token: the registry names no server that gives them, but '" +
                                   printable(realm, 100) + "'");
  if (plain && with_secret && !may_be_plain)
    throw Error(Errc::invalid, "asking for a token at '" + printable(realm, 100) +
                                   "': the secret would travel without TLS, which the registry itself has");
  return realm.substr(0, realm.find('#'));
}

void add_pair(std::string& to, std::string_view name, std::string_view value) {
  if (!to.empty() && to.back() != '?' && to.back() != '&') to += '&';
  to += std::string(name) + '=' + percent_encoded(value);
}

TokenRequest exchange_request(const Challenge& bearer, std::string realm, const TokenWish& wish,
                              const std::string& identity_token) {
  std::string scopes;
  for (const auto& scope : wish.scopes) scopes += (scopes.empty() ? "" : " ") + scope;
  TokenRequest out{std::move(realm), {}, false};
  add_pair(out.form, "grant_type", "refresh_token");
  add_pair(out.form, "service", bearer.param("service"));
  add_pair(out.form, "client_id", "cairn");
  if (!scopes.empty()) add_pair(out.form, "scope", scopes);
  add_pair(out.form, "refresh_token", identity_token);
  return out;
}

// expires_in: a number, by some servers in quotes, by others too large for one.
int64_t read_lifetime(std::string_view raw) {
  if (!raw.empty() && raw.front() == '"') raw.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
  if (error == std::errc::result_out_of_range) return raw.front() == '-' ? kShortestLife : kLongestLife;
  return error == std::errc() ? std::clamp(value, kShortestLife, kLongestLife) : kShortestLife;
}

}  // namespace

std::string Challenge::param(const std::string& name) const {
  const auto found = params.find(name);
  return found == params.end() ? "" : found->second;
}

std::vector<Challenge> parse_challenges(std::span<const std::string> headers) {
  std::vector<Challenge> out;
  for (const auto& header : headers) HeaderReader(header).read(out);
  return out;
}

const Challenge* find_challenge(const std::vector<Challenge>& challenges, std::string_view scheme) {
  for (const auto& one : challenges)
    if (one.scheme == scheme) return &one;
  return nullptr;
}

TokenRequest token_request(const Challenge& bearer, const TokenWish& wish, const Credential& who) {
  const bool by_token = !who.identity_token.empty(), by_password = !by_token && who.has_password();
  std::string url = checked_realm(bearer, by_token || by_password, wish.may_be_plain);
  if (by_token) return exchange_request(bearer, std::move(url), wish, who.identity_token);
  if (url.find('?') == std::string::npos) url += '?';
  const std::string service = bearer.param("service");
  if (!service.empty()) add_pair(url, "service", service);
  for (const auto& scope : wish.scopes) add_pair(url, "scope", scope);
  if (by_password) add_pair(url, "account", who.username);
  if (url.back() == '?') url.pop_back();
  return {std::move(url), {}, by_password};
}

Token parse_token(std::string_view body) {
  const auto refuse = [](const char* why) {
    throw Error(Errc::corrupt, std::string("reading a token server's answer: ") + why);
  };
  Token out{{}, seconds(kShortestLife)};
  std::string token, access_token;
  try {
    go_json::check(body);
    body.remove_prefix(body.find_first_not_of(" \t\r\n"));
    for (const auto& member : go_json::members(body)) {
      if (member.key == "token") go_json::decode(member.raw, token);
      if (member.key == "access_token") go_json::decode(member.raw, access_token);
      if (member.key == "expires_in") out.lifetime = seconds(read_lifetime(member.raw));
    }
  } catch (const Error&) {
    refuse("it is not the JSON of a token");
  }
  out.value = token.empty() ? access_token : token;
  if (out.value.empty()) refuse("there is no token in it");
  // It becomes a line of a request's head.
  if (!std::all_of(out.value.begin(), out.value.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    refuse("the token has characters that no token has");
  return out;
}

}  // namespace cairn
