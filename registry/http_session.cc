#include "registry/http_session.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <utility>

#include "core/util/ascii.h"
#include "core/util/interrupt.h"
#include "registry/url.h"

namespace cairn {

static constexpr long kMaxRedirects = 10;
static constexpr long kConnectSeconds = 30;
static constexpr long kBuffer = 256 << 10;         // as much as libcurl takes from the socket at once
static constexpr size_t kMaxHeaderLines = 1000;    // of one answer
static constexpr size_t kMostWaiting = 256 << 10;  // of body that nobody read yet
static constexpr uint64_t kSlowest = 1024;         // bytes a second
static constexpr int kPatienceForWork = 3, kPatienceForCommits = 10;  // a registry may work on what it was sent

template <typename Value>
static void set(CURL* easy, CURLoption option, Value value) {
  if (const CURLcode code = curl_easy_setopt(easy, option, value); code != CURLE_OK)
    throw Error(Errc::unsupported, std::string("setting up a request: libcurl says: ") + curl_easy_strerror(code));
}

static std::string host_of(const std::string& url) {
  const size_t from = url.find("//");
  return from == std::string::npos ? url : url.substr(from + 2, url.find('/', from + 2) - from - 2);
}

// Either case; nothing on this machine is asked for through a proxy.
static std::string environment(const char* lower, const char* upper) {
  const char* value = std::getenv(lower);
  if (value == nullptr || *value == '\0') value = std::getenv(upper);
  return value == nullptr ? "" : value;
}

// Of NO_PROXY "host:port" counts for that port alone, which libcurl does not know of.
static std::string without_proxy(const std::string& url) {
  const std::string origin = origin_of(url), port = origin.substr(origin.rfind(':') + 1);
  std::string out = "localhost,127.0.0.0/8,::1";
  std::istringstream list(environment("no_proxy", "NO_PROXY"));
  for (std::string one; std::getline(list, one, ',');) {
    std::erase(one, ' ');
    if (one == "*") return one;
    const size_t colon = one.rfind(':');
    const bool has_port = colon != one.npos && (one.find(':') == colon || one[colon - 1] == ']');
    if (has_port && one.substr(colon + 1) != port) continue;
    if (has_port) one.resize(colon);
    if (one.starts_with('[') && one.ends_with(']')) one = one.substr(1, one.size() - 2);
    out += ',' + one;
  }
  return out;
}

static std::string proxy_for(const std::string& url) {
  const std::string own =
      url.starts_with("https://") ? environment("https_proxy", "HTTPS_PROXY") : environment("http_proxy", "HTTP_PROXY");
  return own.empty() ? environment("all_proxy", "ALL_PROXY") : own;
}

HttpSession::HttpSession(std::chrono::seconds stall, std::weak_ptr<HttpClient::Pool> pool)
    : multi_(curl_multi_init()), easy_(curl_easy_init()), stall_(stall), pool_(std::move(pool)) {
  if (multi_ == nullptr || easy_ == nullptr)
    throw Error(Errc::no_space, "setting up a request: libcurl gives no handle");
}

HttpSession::~HttpSession() {
  stop();
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
  curl_slist_free_all(request_headers_);
}

void HttpSession::start(const HttpRequest& request, const HttpPeer& peer, bool streamed) {
  curl_easy_reset(easy_);
  curl_slist_free_all(std::exchange(request_headers_, nullptr));
  method_ = request.method, host_ = host_of(request.url), body_ = request.body, authorities_ = peer.authorities;
  streamed_ = streamed;
  finished_ = head_complete_ = paused_ = starving_ = feeding_ended_ = false;
  failure_ = nullptr, status_ = 0, headers_.clear(), waiting_.clear(), read_of_waiting_ = 0, sent_of_body_ = 0,
  error_[0] = '\0';
  moved_ = moved_then_ = 0, waited_ = {};

  const bool follows = method_ == "GET" || method_ == "HEAD";
  const bool only_tls = request.url.starts_with("https://") && peer.verify;
  set(easy_, CURLOPT_URL, request.url.c_str());
  set(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy_, CURLOPT_REDIR_PROTOCOLS_STR, only_tls ? "https" : "http,https");
  set(easy_, CURLOPT_FOLLOWLOCATION, follows ? 1L : 0L);
  set(easy_, CURLOPT_MAXREDIRS, kMaxRedirects);
  set(easy_, CURLOPT_PROXY, proxy_for(request.url).c_str());
  set(easy_, CURLOPT_NOPROXY, without_proxy(request.url).c_str());
  set(easy_, CURLOPT_NOSIGNAL, 1L);
  set(easy_, CURLOPT_TCP_NODELAY, 1L);
  set(easy_, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(easy_, CURLOPT_BUFFERSIZE, kBuffer);
  set(easy_, CURLOPT_UPLOAD_BUFFERSIZE, kBuffer);
  set(easy_, CURLOPT_ERRORBUFFER, error_);
  set(easy_, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy_, CURLOPT_WRITEFUNCTION, &on_body);
  set(easy_, CURLOPT_WRITEDATA, this);
  set(easy_, CURLOPT_HEADERFUNCTION, &on_header);
  set(easy_, CURLOPT_HEADERDATA, this);
  trust(peer);
  if (method_ == "HEAD") set(easy_, CURLOPT_NOBODY, 1L);
  if (!follows) send_body();
  for (const auto& line : request.headers) add_header(line);
  add_header("User-Agent: cairn/" CAIRN_VERSION);
  set(easy_, CURLOPT_HTTPHEADER, request_headers_);
  if (curl_multi_add_handle(multi_, easy_) != CURLM_OK)
    throw Error(Errc::io, "setting up a request: libcurl refuses the handle");
  active_ = true;
}

void HttpSession::trust(const HttpPeer& peer) {
  set(easy_, CURLOPT_SSL_VERIFYPEER, peer.verify ? 1L : 0L);
  set(easy_, CURLOPT_SSL_VERIFYHOST, peer.verify ? 2L : 0L);
  if (!authorities_.empty()) {
    curl_blob blob{authorities_.data(), authorities_.size(), CURL_BLOB_NOCOPY};
    set(easy_, CURLOPT_CAINFO_BLOB, &blob);
  }
  if (!peer.certificate.empty()) set(easy_, CURLOPT_SSLCERT, peer.certificate.c_str());
  if (!peer.private_key.empty()) set(easy_, CURLOPT_SSLKEY, peer.private_key.c_str());
}

void HttpSession::send_body() {
  set(easy_, CURLOPT_UPLOAD, 1L);
  set(easy_, CURLOPT_READFUNCTION, &on_send);
  set(easy_, CURLOPT_READDATA, this);
  set(easy_, CURLOPT_SEEKFUNCTION, &on_seek);
  set(easy_, CURLOPT_SEEKDATA, this);
  if (!streamed_) set(easy_, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(body_.size()));
  set(easy_, CURLOPT_CUSTOMREQUEST, method_.c_str());
  add_header("Expect:");
}

// A line is one line, whoever wrote what is in it: libcurl sends it as it is.
void HttpSession::add_header(const std::string& line) {
  if (std::any_of(line.begin(), line.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }))
    throw Error(Errc::invalid, "setting up a request: its header '" + printable(line.substr(0, line.find(':')), 40) +
                                   "' would hold control characters");
  request_headers_ = curl_slist_append(request_headers_, line.c_str());
}

void HttpSession::stop() {
  if (!std::exchange(active_, false)) return;
  curl_multi_remove_handle(multi_, easy_);  // closes the connection unless the answer was read to its end
}

// ---- called by libcurl ----

size_t HttpSession::on_body(char* data, size_t, size_t size, void* context) {
  auto& self = *static_cast<HttpSession*>(context);
  if (self.waiting_.size() >= kMostWaiting) {
    self.paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  self.head_complete_ = true;
  self.moved_ += size;
  const size_t direct = self.waiting_.empty() ? std::min(size, self.reader_.size()) : 0;
  if (direct > 0) {
    std::memcpy(self.reader_.data(), data, direct);
    self.reader_ = self.reader_.subspan(direct);
  }
  self.waiting_.append(data + direct, size - direct);
  return size;
}

void HttpSession::header_line(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // of a redirect, an interim answer, or the one that counts
    headers_.clear();
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || headers_.size() >= kMaxHeaderLines) return;
  std::string name = lower_case(line.substr(0, colon));
  line.remove_prefix(colon + 1);
  const size_t from = std::min(line.find_first_not_of(" \t"), line.size());
  line.remove_prefix(from);
  headers_.emplace(std::move(name), line.substr(0, line.find_last_not_of(" \t") + 1));
}

size_t HttpSession::on_header(char* data, size_t, size_t size, void* context) {
  auto& self = *static_cast<HttpSession*>(context);
  self.moved_ += size;
  self.header_line({data, size});
  return size;
}

size_t HttpSession::on_send(char* into, size_t, size_t size, void* context) {
  auto& self = *static_cast<HttpSession*>(context);
  size_t n = 0;
  if (self.streamed_) {
    n = std::min(size, self.feed_.size());
    if (n == 0 && !self.feeding_ended_) {
      self.starving_ = true;
      return CURL_READFUNC_PAUSE;
    }
    if (n > 0) std::memcpy(into, self.feed_.data(), n);
    self.feed_ = self.feed_.subspan(n);
  } else {
    n = std::min(size, self.body_.size() - self.sent_of_body_);
    std::memcpy(into, self.body_.data() + self.sent_of_body_, n);
    self.sent_of_body_ += n;
  }
  self.moved_ += n;
  return n;
}

// An idle connection may turn out to be closed: libcurl then sends the whole again on a new one.
int HttpSession::on_seek(void* context, curl_off_t offset, int origin) {
  auto& self = *static_cast<HttpSession*>(context);
  if (self.streamed_ || origin != SEEK_SET || offset != 0) return CURL_SEEKFUNC_CANTSEEK;
  self.sent_of_body_ = 0;
  return CURL_SEEKFUNC_OK;
}

// ---- driving it ----

// No second try makes these any better.
static bool is_final(CURLcode code, std::string_view said) {
  const bool refused = said.find("alert") != said.npos || said.find("certificate") != said.npos;  // over TLS
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE ||
         code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT ||
         ((code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) && refused);
}

void HttpSession::fail(CURLcode code) {
  const std::string_view said = error_;
  std::string why = said.empty() ? curl_easy_strerror(code) : std::string(said);
  if (code == CURLE_TOO_MANY_REDIRECTS) why = "it redirects again and again";
  if (code == CURLE_PARTIAL_FILE || code == CURLE_GOT_NOTHING) why = "the connection ended too early";
  if (code == CURLE_PEER_FAILED_VERIFICATION)
    why += "; put the certificate of its authority into /etc/docker/certs.d/" + host_ +
           "/ca.crt, or give --tls-verify=false";
  const bool nobody = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                      code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_SSL_CONNECT_ERROR ||
                      code == CURLE_OPERATION_TIMEDOUT;  // connecting did: nothing else has a limit of libcurl's
  failure_ = is_final(code, said)
                 ? std::make_exception_ptr(Error(Errc::io, "'" + printable(host_) + "': " + printable(why)))
                 : std::make_exception_ptr(HttpFailure(printable(why), !nobody));
  stop();
}

void HttpSession::rethrow_failure() const {
  if (failure_) std::rethrow_exception(failure_);
}

void HttpSession::take_result() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    finished_ = true;
    const CURLcode code = message->data.result;
    if (code != CURLE_OK) return fail(code);
    head_complete_ = true;
  }
}

void HttpSession::watch_progress() {
  const bool verdict = method_ != "GET" && method_ != "HEAD" && (!streamed_ || feeding_ended_);
  const int patience = !verdict ? 1 : method_ == "PUT" ? kPatienceForCommits : kPatienceForWork;
  if (waited_ < stall_ * patience) return;
  const auto enough = static_cast<uint64_t>(stall_.count()) * kSlowest;
  const bool stalled = moved_ - moved_then_ < (head_complete_ || streamed_ ? enough : 1);
  moved_then_ = moved_, waited_ = {};
  if (!stalled) return;
  curl_off_t connected_after = 0;
  curl_easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &connected_after);
  stop();
  throw HttpFailure(
      "'" + printable(host_) + "' sent next to nothing for " + std::to_string(stall_.count() * patience) + " seconds",
      connected_after > 0);
}

void HttpSession::step() {
  check_interrupt();
  int running = 0;
  const uint64_t before = moved_;
  if (curl_multi_perform(multi_, &running) != CURLM_OK) throw Error(Errc::io, "sending a request: libcurl gives up");
  take_result();
  if (finished_ || moved_ != before || starving_) return;
  const auto began = std::chrono::steady_clock::now();
  curl_multi_poll(multi_, nullptr, 0, 200, nullptr);
  waited_ += std::chrono::steady_clock::now() - began;
  watch_progress();
}

void HttpSession::await_head() {
  while (!head_complete_ && !finished_) step();
  if (!head_complete_) rethrow_failure();
  long code = 0;
  curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &code);
  status_ = static_cast<int>(code);
}

size_t HttpSession::read(std::span<char> into) {
  if (into.empty()) return 0;
  if (read_of_waiting_ < waiting_.size()) {
    const size_t n = std::min(into.size(), waiting_.size() - read_of_waiting_);
    std::memcpy(into.data(), waiting_.data() + read_of_waiting_, n);
    read_of_waiting_ += n;
    if (read_of_waiting_ == waiting_.size()) waiting_.clear(), read_of_waiting_ = 0;
    return n;
  }
  reader_ = into;
  try {
    if (std::exchange(paused_, false)) curl_easy_pause(easy_, CURLPAUSE_CONT);
    while (!finished_ && reader_.size() == into.size()) step();
  } catch (...) {
    reader_ = {};
    throw;
  }
  const size_t n = into.size() - reader_.size();
  reader_ = {};
  if (n == 0) rethrow_failure();
  return n;
}

void HttpSession::feed(std::span<const char> bytes) {
  feed_ = bytes;
  while ((!feed_.empty() || (feeding_ended_ && !head_complete_)) && !finished_) {
    if (std::exchange(starving_, false)) curl_easy_pause(easy_, CURLPAUSE_CONT);
    step();
    if (head_complete_ && !feeding_ended_) break;
  }
  feed_ = {};
  if (!head_complete_) rethrow_failure();
}

std::string HttpSession::url() const {
  char* text = nullptr;
  curl_easy_getinfo(easy_, CURLINFO_EFFECTIVE_URL, &text);
  return text == nullptr ? "" : text;
}

}  // namespace cairn
