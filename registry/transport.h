// Requests to one registry, for one repository: over whichever way to it works, with whatever it wants to know of us,
// again when it is busy or the connection breaks. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry/authorizer.h"
#include "registry/error_body.h"
#include "registry/hosts.h"
#include "registry/http.h"

namespace cairn {

// One way to a registry, and who one is there.
struct RegistryWay {
  RegistryEndpoint endpoint;
  Credential who;
};

struct RetryPolicy {
  unsigned times = 5;                                                                 // after the first try
  std::chrono::milliseconds first_pause{500};                                         // doubles
  std::chrono::seconds stall{30};                                                     // see HttpClient
  std::function<void(const std::string& why, std::chrono::milliseconds pause)> tell;  // before each pause; may be empty
};

struct RegistryCall {
  std::string method = "GET";
  std::string path;  // below /v2/NAME/, or a whole URL
  std::vector<std::string> headers{};
  std::string body{};
  std::vector<std::string> scopes{};
};

class RegistryTransport {
 public:
  // `ways`: in the order to be tried. A mirror that refuses, cannot be reached or breaks off is no error: the next way
  // is asked. What it sends in place of what was asked for is.
  RegistryTransport(std::string domain, std::string path, std::vector<RegistryWay> ways, RetryPolicy policy);

  // An answer of less than 400, or one of `also`. Errors: those of fault_of(), in its words; Errc::io where no try came
  // to an answer. HttpFailure comes of reading the answer only: then it may be worth another call.
  std::unique_ptr<HttpAnswer> call(const RegistryCall& call, const std::vector<int>& also = {});
  // The same without trying again: a request whose body is produced as it is sent. `finish`ed by the caller.
  std::unique_ptr<HttpUpload> upload(const RegistryCall& call);

  // Errc and text of an answer that refuses.
  static RegistryFault refusal(HttpAnswer& answer);
  // Waits before try number `failed` + 1, unless that was the last: false. Interruptible.
  bool pause(unsigned failed, const std::string& why, std::optional<std::chrono::seconds> asked_for = {}) const;

  // The way that is asked first now; and what to do when an answer that came over it broke off: true if that was a
  // mirror, which nobody asks from here on.
  size_t way() const noexcept { return first_; }
  bool leave_mirror(size_t way);

  std::string pull_scope() const { return scope_of(path_, "pull"); }
  std::string push_scope() const { return scope_of(path_, "pull,push"); }
  static std::string scope_of(const std::string& path, const std::string& actions) {
    return "repository:" + path + ":" + actions;
  }
  const std::string& domain() const noexcept { return domain_; }
  const std::string& path() const noexcept { return path_; }
  const Credential& who() const noexcept { return ways_.back().way.who; }

 private:
  struct Way {
    RegistryWay way;
    HttpPeer peer;
    std::unique_ptr<Authorizer> authorizer;
  };
  std::unique_ptr<HttpAnswer> on(Way& way, const RegistryCall& call, const std::vector<int>& also);
  std::unique_ptr<HttpAnswer> authorized(Way& way, const RegistryCall& call);
  HttpRequest request_of(const Way& way, const RegistryCall& call, const std::string& authorization) const;
  static bool is_ours(const Way& way, const std::string& url);

  std::string domain_, path_;
  RetryPolicy policy_;
  HttpClient http_;
  std::vector<Way> ways_;
  std::atomic<size_t> first_{0};       // of ways_: those before it lead nowhere
  std::atomic<bool> answered_{false};  // somebody did: who is gone now may come back
};

}  // namespace cairn
