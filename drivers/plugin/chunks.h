// A body of unknown length on a socket: HTTP's chunks.
#pragma once

#include <functional>
#include <string>

#include "core/archive/stream.h"
#include "drivers/plugin/socket.h"

namespace cairn::plugin {

class ChunkSink : public ByteSink {
 public:
  // `header` is called before the first chunk. Each chunk may take so long.
  ChunkSink(Socket& socket, std::chrono::milliseconds time, std::function<void()> header)
      : socket_(socket), time_(time), header_(std::move(header)) {}
  void write(std::span<const char> bytes) override;  // throws Gone when the other side is
  void finish();                                     // without it the reader knows that something is missing
  bool started() const noexcept { return started_; }

  struct Gone : Error {  // the other side closed the connection
    using Error::Error;
  };

 private:
  void send();

  Socket& socket_;
  std::chrono::milliseconds time_;
  std::function<void()> header_;
  std::string buffer_;
  bool started_ = false;
};

}  // namespace cairn::plugin
