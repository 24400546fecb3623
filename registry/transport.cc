#include "registry/transport.h"

#include <algorithm>
#include <thread>

#include "core/util/interrupt.h"
#include "registry/url.h"

namespace cairn {

static constexpr size_t kMaxRefusal = 64 << 10;           // bytes of a refusal that are read
static constexpr std::chrono::seconds kLongestPause{60};  // that a registry may ask for
static constexpr int kAuthorizations = 2;                 // of one request: a stale token, and a fresh one

RegistryTransport::RegistryTransport(std::string domain, std::string path, std::vector<RegistryWay> ways,
                                     RetryPolicy policy)
    : domain_(std::move(domain)), path_(std::move(path)), policy_(std::move(policy)), http_(policy_.stall) {
  for (auto& way : ways) {
    const RegistryEndpoint& to = way.endpoint;
    const HttpPeer peer{to.verify, to.ca_pem, to.client_cert, to.client_key};
    auto authorizer = std::make_unique<Authorizer>(http_, peer, to.host, way.who);
    ways_.push_back({std::move(way), peer, std::move(authorizer)});
  }
}

static bool is_url(const std::string& path) { return path.starts_with("http://") || path.starts_with("https://"); }

bool RegistryTransport::is_ours(const Way& way, const std::string& url) {
  return origin_of(url) == origin_of(way.way.endpoint.base_url);
}

bool RegistryTransport::leave_mirror(size_t way) {
  if (!ways_[way].way.endpoint.is_mirror || way + 1 == ways_.size()) return false;
  first_.compare_exchange_strong(way, way + 1);
  return true;
}

HttpRequest RegistryTransport::request_of(const Way& way, const RegistryCall& call,
                                          const std::string& authorization) const {
  HttpRequest out{call.method,
                  is_url(call.path) ? call.path : way.way.endpoint.base_url + "/v2/" + path_ + "/" + call.path,
                  call.headers, call.body};
  if (!authorization.empty() && is_ours(way, out.url)) out.headers.push_back("Authorization: " + authorization);
  return out;
}

std::unique_ptr<HttpAnswer> RegistryTransport::authorized(Way& way, const RegistryCall& call) {
  const bool plain = way.way.endpoint.is_plain();
  std::string authorization = way.authorizer->header(call.scopes);
  for (int i = 0;; ++i) {
    auto answer = http_.send(request_of(way, call, authorization), way.peer);
    answered_ = true;
    // Whoever else a redirect led to is not told who we are, nor whom it would have us ask.
    if (answer->status() != 401 || i == kAuthorizations || !is_ours(way, answer->url())) return answer;
    const auto challenges = answer->headers("www-authenticate");
    const std::string next = way.authorizer->answer(parse_challenges(challenges), call.scopes, authorization, plain);
    if (next.empty()) return answer;
    authorization = next;
  }
}

RegistryFault RegistryTransport::refusal(HttpAnswer& answer) {
  std::string body;
  try {
    body = answer.text(kMaxRefusal);
  } catch (const HttpFailure&) {
    // The status says enough.
  }
  return fault_of({answer.status(), answer.header("content-type"), body, answer.header("retry-after")});
}

bool RegistryTransport::pause(unsigned failed, const std::string& why,
                              std::optional<std::chrono::seconds> asked_for) const {
  if (failed >= policy_.times) return false;
  auto pause = policy_.first_pause * (1u << std::min(failed, 6u));
  if (asked_for) pause = std::max(pause, std::chrono::milliseconds(*asked_for));
  if (pause > kLongestPause) return false;
  if (policy_.tell) policy_.tell(why, pause);
  const auto until = std::chrono::steady_clock::now() + pause;
  while (std::chrono::steady_clock::now() < until) {
    check_interrupt();
    std::this_thread::sleep_for(std::min<std::chrono::milliseconds>(pause, std::chrono::milliseconds(50)));
  }
  return true;
}

std::unique_ptr<HttpAnswer> RegistryTransport::on(Way& way, const RegistryCall& call, const std::vector<int>& also) {
  for (unsigned failed = 0;; ++failed) {
    try {
      auto answer = authorized(way, call);
      const int status = answer->status();
      if (status < 400 || std::find(also.begin(), also.end(), status) != also.end()) return answer;
      const auto fault = refusal(*answer);
      answer.reset();
      if (fault.retryable && !way.way.endpoint.is_mirror && pause(failed, fault.text, fault.retry_after)) continue;
      std::string text = fault.text;
      if (fault.denied)
        text += way.way.who.empty()
                    ? "; no credentials for '" + domain_ + "' are known: give --creds, or log in with docker or podman"
                    : "; the credentials are those of '" + printable(way.way.who.username) + "'";
      else if (fault.retry_after && *fault.retry_after > kLongestPause)
        text += "; it asks to be left alone for " + std::to_string(fault.retry_after->count()) + " seconds";
      throw Error(fault.code, text);
    } catch (const HttpFailure& e) {
      const bool may_come_back = e.connected() || answered_;
      if (way.way.endpoint.is_mirror || !may_come_back || !pause(failed, e.what())) throw;
    }
  }
}

std::unique_ptr<HttpAnswer> RegistryTransport::call(const RegistryCall& call, const std::vector<int>& also) {
  for (size_t i = first_;; ++i) {
    Way& way = ways_.at(i);
    const bool last = i + 1 == ways_.size();
    try {
      return on(way, call, also);
    } catch (const HttpFailure& e) {
      if (!last && !e.connected()) {  // TLS where there is none, say: not tried again
        size_t expected = i;
        first_.compare_exchange_strong(expected, i + 1);
      } else if (last || !way.way.endpoint.is_mirror) {
        throw Error(e.code(), "'" + printable(way.way.endpoint.base_url) + "': " + e.what());
      }
    } catch (const Error& e) {
      if (last || !way.way.endpoint.is_mirror || e.code() == Errc::interrupted) throw;
    }
  }
}

std::unique_ptr<HttpUpload> RegistryTransport::upload(const RegistryCall& call) {
  Way& way = ways_[first_];
  return http_.begin_upload(request_of(way, call, way.authorizer->header(call.scopes)), way.peer);
}

}  // namespace cairn
