// Docker's graph driver plugin protocol on a unix socket.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <list>
#include <thread>

#include "drivers/plugin/client.h"
#include "drivers/plugin/server/graph_service.h"
#include "drivers/plugin/socket.h"

namespace cairn::plugin {

class HttpServer {
 public:
  // The socket is there when this returns. Errc::in_use when somebody else listens on it.
  HttpServer(const std::filesystem::path& socket, OpenDriver open, Patience patience = {});
  ~HttpServer();  // ends what is under way, unmounts what is shown, removes the socket
  HttpServer(const HttpServer&) = delete;

  void run(const std::function<bool()>& stop);  // answers until then; asked several times a second

 private:
  struct Connection {
    explicit Connection(Fd fd) : socket(std::move(fd)) {}
    Socket socket;
    std::atomic<bool> ended = false;
    std::thread thread;
  };
  void reap();

  GraphService service_;
  Patience patience_;
  Listener listener_;
  std::list<Connection> connections_;
};

}  // namespace cairn::plugin
