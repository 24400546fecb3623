#include "registry/http.h"

#include "registry/http_session.h"

namespace cairn {

struct HttpClient::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<HttpSession>> idle;
};

static constexpr size_t kMostIdle = 16;

void HttpSession::give_back(std::unique_ptr<HttpSession> session) {
  if (!session) return;
  session->stop();
  if (const auto pool = session->pool_.lock()) {
    const std::lock_guard lock(pool->mutex);
    if (pool->idle.size() < kMostIdle) pool->idle.push_back(std::move(session));
  }
}

HttpClient::HttpClient(std::chrono::seconds stall) : stall_(stall), pool_(std::make_shared<Pool>()) {
  static const CURLcode global = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (global != CURLE_OK) throw Error(Errc::unsupported, "starting libcurl: it fails");
}
HttpClient::~HttpClient() = default;

// The one used last, whose connection is the freshest.
std::unique_ptr<HttpSession> HttpClient::session() {
  const std::lock_guard lock(pool_->mutex);
  if (pool_->idle.empty()) return std::make_unique<HttpSession>(stall_, pool_);
  auto out = std::move(pool_->idle.back());
  pool_->idle.pop_back();
  return out;
}

std::unique_ptr<HttpAnswer> HttpClient::send(const HttpRequest& request, const HttpPeer& peer) {
  auto one = session();
  one->start(request, peer, false);
  one->await_head();
  return std::unique_ptr<HttpAnswer>(new HttpAnswer(std::move(one)));
}

std::unique_ptr<HttpUpload> HttpClient::begin_upload(const HttpRequest& request, const HttpPeer& peer) {
  auto one = session();
  one->start(request, peer, true);
  return std::unique_ptr<HttpUpload>(new HttpUpload(std::move(one)));
}

HttpAnswer::HttpAnswer(std::unique_ptr<HttpSession> session) : session_(std::move(session)) {}
HttpAnswer::~HttpAnswer() { HttpSession::give_back(std::move(session_)); }

int HttpAnswer::status() const noexcept { return session_->status(); }

std::vector<std::string> HttpAnswer::headers(const std::string& name) const {
  std::vector<std::string> out;
  const auto [from, to] = session_->headers().equal_range(name);
  for (auto at = from; at != to; ++at) out.push_back(at->second);
  return out;
}

std::string HttpAnswer::header(const std::string& name) const {
  const auto all = headers(name);
  return all.empty() ? "" : all.back();
}

std::string HttpAnswer::url() const { return session_->url(); }
size_t HttpAnswer::read(std::span<char> into) { return session_->read(into); }

std::string HttpAnswer::text(size_t limit) {
  std::string out(limit, '\0');
  size_t size = 0;
  for (size_t n = 1; n > 0 && size < limit; size += n) n = read(std::span(out).subspan(size));
  out.resize(size);
  return out;
}

HttpUpload::HttpUpload(std::unique_ptr<HttpSession> session) : session_(std::move(session)) {}
HttpUpload::~HttpUpload() = default;  // the connection goes with an upload that was given up

void HttpUpload::write(std::span<const char> bytes) {
  session_->feed(bytes);
  if (session_->answered()) throw HttpFailure("the registry answered before it had all of it", true);
}

std::unique_ptr<HttpAnswer> HttpUpload::finish() {
  session_->end_feed();
  session_->feed({});
  return early_answer();
}

std::unique_ptr<HttpAnswer> HttpUpload::early_answer() {
  if (!session_ || !session_->answered()) return nullptr;
  session_->await_head();
  return std::unique_ptr<HttpAnswer>(new HttpAnswer(std::move(session_)));
}

}  // namespace cairn
