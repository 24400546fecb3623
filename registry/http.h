// HTTP requests over libcurl, one at a time on each session; sessions keep their connection for the next request. All
// waiting is done by the calling thread and ends on an interrupt. A peer counts as gone that sends nothing of an
// answer's head, or moves less than a kilobyte a second of a body, for as long as `stall` (longer while it works on
// what it was sent). Thread-safe where said.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/archive/stream.h"
#include "core/util/error.h"

namespace cairn {

// How a host is connected to.
struct HttpPeer {
  bool verify = true;                    // its certificate
  std::string authorities;               // PEM, in place of the system's; "" for those
  std::string certificate, private_key;  // files, ours; "" for none
};

struct HttpRequest {
  std::string method = "GET", url;
  std::vector<std::string> headers;  // "Name: value". Authorization is never sent on to another host.
  std::string body;                  // of anything but GET and HEAD
};

// The peer could not be reached, or the connection broke. Errc::io.
class HttpFailure : public Error {
 public:
  HttpFailure(const std::string& text, bool connected) : Error(Errc::io, text), connected_(connected) {}
  bool connected() const noexcept { return connected_; }  // false: no connection, or no TLS, came about

 private:
  bool connected_;
};

class HttpSession;

// The head of an answer, and its body as it comes. Gives its session back when it ends.
class HttpAnswer : public ByteSource {
 public:
  ~HttpAnswer() override;
  int status() const noexcept;
  std::string header(const std::string& name) const;  // the last of that (lower-case) name, "" if none
  std::vector<std::string> headers(const std::string& name) const;
  std::string url() const;                     // where redirects led
  size_t read(std::span<char> into) override;  // HttpFailure
  std::string text(size_t limit);              // what of the body is at hand within `limit` bytes

 private:
  friend class HttpClient;
  friend class HttpUpload;
  explicit HttpAnswer(std::unique_ptr<HttpSession> session);
  std::unique_ptr<HttpSession> session_;
};

// A request whose body is written bit by bit, in chunks.
class HttpUpload : public ByteSink {
 public:
  ~HttpUpload() override;
  void write(std::span<const char> bytes) override;  // HttpFailure; also when the peer answers before the end
  std::unique_ptr<HttpAnswer> finish();
  // The answer of a peer that did not wait for the end, if there is one.
  std::unique_ptr<HttpAnswer> early_answer();

 private:
  friend class HttpClient;
  explicit HttpUpload(std::unique_ptr<HttpSession> session);
  std::unique_ptr<HttpSession> session_;
};

class HttpClient {
 public:
  explicit HttpClient(std::chrono::seconds stall);
  ~HttpClient();
  // Follows redirects of GET and HEAD. Thread-safe.
  std::unique_ptr<HttpAnswer> send(const HttpRequest& request, const HttpPeer& peer);
  std::unique_ptr<HttpUpload> begin_upload(const HttpRequest& request, const HttpPeer& peer);

  struct Pool;  // idle sessions

 private:
  std::unique_ptr<HttpSession> session();
  std::chrono::seconds stall_;
  std::shared_ptr<Pool> pool_;
};

}  // namespace cairn
