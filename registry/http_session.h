// One libcurl handle and what it is doing. Internal to http.
#pragma once

#include <curl/curl.h>

#include <exception>

#include "registry/http.h"

namespace cairn {

class HttpSession {
 public:
  HttpSession(std::chrono::seconds stall, std::weak_ptr<HttpClient::Pool> pool);
  ~HttpSession();
  HttpSession(const HttpSession&) = delete;

  void start(const HttpRequest& request, const HttpPeer& peer, bool streamed);
  void await_head();                       // until the final answer's head is there
  size_t read(std::span<char> into);       // of its body
  void feed(std::span<const char> bytes);  // to the peer; returns when all is taken
  void end_feed() { feeding_ended_ = true; }
  bool answered() const { return head_complete_; }
  // Back to the pool; the connection is kept if the answer was read to its end.
  static void give_back(std::unique_ptr<HttpSession> session);

  int status() const { return status_; }
  const std::multimap<std::string, std::string>& headers() const { return headers_; }
  std::string url() const;

 private:
  static size_t on_body(char* data, size_t, size_t size, void* self);
  static size_t on_header(char* data, size_t, size_t size, void* self);
  static size_t on_send(char* into, size_t, size_t size, void* self);
  static int on_seek(void* self, curl_off_t offset, int origin);
  void header_line(std::string_view line);
  void trust(const HttpPeer& peer);
  void send_body();
  void add_header(const std::string& line);
  void step();  // moves what can be moved, waits for a moment if that is nothing
  void watch_progress();
  void take_result();
  void fail(CURLcode code);
  void rethrow_failure() const;
  void stop();

  CURLM* multi_;
  CURL* easy_;
  std::chrono::seconds stall_;
  std::weak_ptr<HttpClient::Pool> pool_;
  std::string method_, host_;
  curl_slist* request_headers_ = nullptr;
  std::string body_, authorities_;
  char error_[CURL_ERROR_SIZE] = "";

  bool active_ = false, finished_ = false, head_complete_ = false, paused_ = false;
  bool streamed_ = false, starving_ = false, feeding_ended_ = false;
  std::span<const char> feed_;
  size_t sent_of_body_ = 0;
  std::exception_ptr failure_;  // thrown once what came before it is read
  int status_ = 0;
  std::multimap<std::string, std::string> headers_;
  std::string waiting_;  // body that nobody read yet
  size_t read_of_waiting_ = 0;
  std::span<char> reader_;  // where body goes first

  uint64_t moved_ = 0, moved_then_ = 0;  // bytes in either direction; at the last look
  std::chrono::steady_clock::duration waited_{};
};

}  // namespace cairn
