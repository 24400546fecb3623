#include "drivers/plugin/server/http_server.h"

#include <sys/socket.h>

#include "drivers/plugin/server/exchange.h"

namespace cairn::plugin {

constexpr size_t kMaxConnections = 256;  // more have to wait: engines keep a few

HttpServer::HttpServer(const std::filesystem::path& socket, OpenDriver open, Patience patience)
    : service_(std::move(open)), patience_(patience), listener_(socket) {}

// No more input: who waits for a request ends, who works at one ends with its answer.
HttpServer::~HttpServer() {
  for (auto& connection : connections_) ::shutdown(connection.socket.fd(), SHUT_RD);
  for (auto& connection : connections_) connection.thread.join();
}

void HttpServer::reap() {
  connections_.remove_if([](Connection& connection) {
    if (!connection.ended) return false;
    connection.thread.join();
    return true;
  });
}

void HttpServer::run(const std::function<bool()>& stop) {
  constexpr std::chrono::milliseconds kSlice{200};
  while (!stop()) {
    reap();
    if (connections_.size() >= kMaxConnections) {
      std::this_thread::sleep_for(kSlice);
      continue;
    }
    auto fd = listener_.accept(kSlice);
    if (!fd) continue;
    Connection& connection = connections_.emplace_back(std::move(*fd));
    connection.thread = std::thread([this, &connection] {
      converse(connection.socket, service_, patience_);
      connection.ended = true;
    });
  }
}

}  // namespace cairn::plugin
