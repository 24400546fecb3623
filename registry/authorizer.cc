#include "registry/authorizer.h"

#include "core/archive/base64.h"
#include "registry/error_body.h"

namespace cairn {

static constexpr size_t kMaxAnswer = 1 << 20;  // of a token server
static constexpr int kTries = 3;
static constexpr std::chrono::seconds kMargin{10};  // a token is not used so shortly before its end

static std::string basic_header(const Credential& who) {
  std::string out = "Basic ";
  append_base64(out, who.username + ":" + who.secret);
  return out;
}

std::string Authorizer::header(const std::vector<std::string>& scopes) {
  const std::lock_guard lock(mutex_);
  const auto token = tokens_.find(scopes);
  if (token != tokens_.end() && std::chrono::steady_clock::now() < token->second.until) return token->second.header;
  return basic_;
}

std::string Authorizer::answer(const std::vector<Challenge>& challenges, const std::vector<std::string>& scopes,
                               const std::string& used, bool plain) {
  const std::lock_guard lock(mutex_);
  if (const auto* asked = find_challenge(challenges, "bearer")) {
    const auto known = tokens_.find(scopes);
    if (known != tokens_.end() && known->second.header != used) return known->second.header;  // another thread asked
    if (!who_.registry_token.empty()) {
      const std::string given = "Bearer " + who_.registry_token;
      return used == given ? "" : given;
    }
    const std::string fresh = bearer(*asked, scopes, plain);
    return used == fresh ? "" : fresh;
  }
  if (find_challenge(challenges, "basic") != nullptr && !who_.username.empty()) {
    basic_ = basic_header(who_);
    return used == basic_ ? "" : basic_;
  }
  return "";
}

std::string Authorizer::bearer(const Challenge& challenge, const std::vector<std::string>& scopes, bool plain) {
  const Token token = fetch(token_request(challenge, {scopes, plain}, who_));
  auto& known = tokens_[scopes];
  known = {"Bearer " + token.value, std::chrono::steady_clock::now() + token.lifetime - kMargin};
  return known.header;
}

Token Authorizer::fetch(const TokenRequest& wanted) {
  HttpRequest request{wanted.form.empty() ? "GET" : "POST", wanted.url, {}, wanted.form};
  if (!wanted.form.empty()) request.headers.push_back("Content-Type: application/x-www-form-urlencoded");
  if (wanted.password) request.headers.push_back("Authorization: " + basic_header(who_));
  return while_doing(
      [&] { return "asking '" + printable(wanted.url.substr(0, wanted.url.find('?'))) + "' for a token"; },
      [&] {
        for (int i = 1;; ++i) {
          try {
            const auto answer = http_.send(request, peer_);
            const std::string body = answer->text(kMaxAnswer);
            if (answer->status() / 100 == 2) return parse_token(body);
            const auto fault =
                fault_of({answer->status(), answer->header("content-type"), body, answer->header("retry-after")});
            if (!fault.retryable || i == kTries)
              throw Error(fault.code, fault.text + (fault.denied && who_.empty()
                                                        ? "; no credentials for '" + host_ + "' are known, give --creds"
                                                        : ""));
          } catch (const HttpFailure&) {
            if (i == kTries) throw;
          }
        }
      });
}

}  // namespace cairn
