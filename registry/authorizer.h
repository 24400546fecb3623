// Says who we are at one registry: nothing until it asks, then what it asks for. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "registry/auth_challenge.h"
#include "registry/credential.h"
#include "registry/http.h"

namespace cairn {

class Authorizer {
 public:
  // `host`: for messages. `peer`: how token servers are reached. `http` outlives this.
  Authorizer(HttpClient& http, HttpPeer peer, std::string host, Credential who)
      : http_(http), peer_(std::move(peer)), host_(std::move(host)), who_(std::move(who)) {}

  // The Authorization header for these scopes, "" where none is known to be needed.
  std::string header(const std::vector<std::string>& scopes);
  // A request with the header `used` was answered with 401 and these challenges. Returns another header to try; "" if
  // there is nothing more to try. Throws what is wrong with the token server. `plain`: the registry is reached without
  // TLS.
  std::string answer(const std::vector<Challenge>& challenges, const std::vector<std::string>& scopes,
                     const std::string& used, bool plain);

 private:
  struct Known {
    std::string header;
    std::chrono::steady_clock::time_point until;
  };
  std::string bearer(const Challenge& challenge, const std::vector<std::string>& scopes, bool plain);
  Token fetch(const TokenRequest& request);

  HttpClient& http_;
  HttpPeer peer_;
  std::string host_;
  Credential who_;
  std::mutex mutex_;
  std::string basic_;                                 // once asked for
  std::map<std::vector<std::string>, Known> tokens_;  // by scopes
};

}  // namespace cairn
