// Unix sockets as Boost.Beast's streams: no read and no write waits longer than it is allowed to.
#pragma once

#include <sys/uio.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn::plugin {

class Socket {
 public:
  explicit Socket(Fd fd) : fd_(std::move(fd)) {}
  // Throws Errc::io when there is no such socket or nobody listens there.
  static Socket connect(const std::filesystem::path& path, std::chrono::milliseconds time);

  void allow(std::chrono::milliseconds time);  // for all that follows, until the next call
  void wait_for_input();                       // however long it takes
  void end_of_output();
  void discard_input();  // to the end, or until the time is up
  int fd() const noexcept { return fd_.get(); }

  // What Beast and Asio call. Throw Error when the time is up or the user interrupts; else errors are in `failed`.
  template <typename Buffers>
  size_t read_some(const Buffers& buffers, boost::system::error_code& failed) {
    failed = {};
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end; ++at)
      if (const boost::asio::mutable_buffer into = *at; into.size() > 0)
        return receive(into.data(), into.size(), failed);
    return 0;
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers, boost::system::error_code& failed) {
    std::array<iovec, 16> parts;
    size_t count = 0;
    const auto end = boost::asio::buffer_sequence_end(buffers);
    for (auto at = boost::asio::buffer_sequence_begin(buffers); at != end && count < parts.size(); ++at)
      if (const boost::asio::const_buffer part = *at; part.size() > 0)
        parts[count++] = {const_cast<void*>(part.data()), part.size()};
    return count == 0 ? (failed = {}, 0) : send({parts.data(), count}, failed);
  }
  template <typename Buffers>
  size_t read_some(const Buffers& buffers) {
    return or_throw([&](auto& failed) { return read_some(buffers, failed); });
  }
  template <typename Buffers>
  size_t write_some(const Buffers& buffers) {
    return or_throw([&](auto& failed) { return write_some(buffers, failed); });
  }

 private:
  template <typename Call>
  static size_t or_throw(Call&& call) {
    boost::system::error_code failed;
    const size_t n = call(failed);
    if (failed) throw boost::system::system_error(failed);
    return n;
  }
  size_t receive(void* into, size_t size, boost::system::error_code& failed);
  size_t send(std::span<iovec> parts, boost::system::error_code& failed);
  void wait(short events, const char* for_what);

  Fd fd_;
  std::chrono::milliseconds time_{};
  std::chrono::steady_clock::time_point until_ = std::chrono::steady_clock::time_point::max();
};

// Whether a connection can be made. Errc::invalid for what is no socket.
bool somebody_listens(const std::filesystem::path& path);

// A socket file of mode 0600, in a directory that is made if need be. A file that nobody listens on is replaced; one
// that somebody does is Errc::in_use. The file goes with this object, if it is still the same.
class Listener {
 public:
  explicit Listener(const std::filesystem::path& path);
  ~Listener();
  Listener(const Listener&) = delete;
  // nullopt after so long without a caller.
  std::optional<Fd> accept(std::chrono::milliseconds time) const;

 private:
  std::filesystem::path path_;
  Fd dir_, fd_;
  ino_t inode_ = 0;
};

}  // namespace cairn::plugin
