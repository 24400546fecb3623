// How a registry asks who one is, and the tokens that others give for it (formats: registry, 5).
#pragma once

#include <chrono>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "registry/credential.h"

namespace cairn {

struct Challenge {
  std::string scheme;                                // in lower case: "basic", "bearer"
  std::map<std::string, std::string> params;         // names in lower case; of several of one name the first
  std::string param(const std::string& name) const;  // "" if there is none
};

// Of all WWW-Authenticate headers of an answer. What is malformed is left out: nobody can be asked to mend it.
std::vector<Challenge> parse_challenges(std::span<const std::string> headers);
const Challenge* find_challenge(const std::vector<Challenge>& challenges, std::string_view scheme);

struct TokenRequest {
  std::string url;
  std::string form;       // to be POSTed as application/x-www-form-urlencoded; "": GET
  bool password = false;  // the credential's name and secret go with it as Basic authentication
};
struct TokenWish {
  std::vector<std::string> scopes;  // "repository:library/busybox:pull"
  bool may_be_plain = false;        // the registry itself is reached without TLS
};
// Whom to ask for a token, and how, when `who` was challenged. Errc::corrupt if the challenge names no server that can
// be asked; Errc::invalid if a secret would travel in the clear though the registry's own traffic does not.
TokenRequest token_request(const Challenge& bearer, const TokenWish& wish, const Credential& who);

struct Token {
  std::string value;
  std::chrono::seconds lifetime{0};  // from the answer on: a minute to a day
};
// Of the answer's body. When the server says it issued the token is not asked: clocks differ, and one that is refused
// can be asked for again. Errc::corrupt, without quoting any of it.
Token parse_token(std::string_view body);

}  // namespace cairn
