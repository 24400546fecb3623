#include "drivers/plugin/socket.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "core/layer/store_lock.h"
#include "core/util/ids.h"
#include "core/util/interrupt.h"

namespace cairn::plugin {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kSlice{200};  // how long an interrupt may go unnoticed

boost::system::error_code code_of_errno() { return {errno, boost::system::system_category()}; }

Fd new_socket(int flags = 0) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!fd) throw_errno("making a socket");
  return fd;
}

// `name` in the open directory `dir`: paths of sockets are limited to 107 bytes, the way through /proc is not.
sockaddr_un address_of(int dir, const std::string& name) {
  const std::string path = "/proc/self/fd/" + std::to_string(dir) + "/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    throw Error(Errc::invalid, "naming the socket '" + printable(name) + "': the name is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

const sockaddr* generic(const sockaddr_un& address) { return reinterpret_cast<const sockaddr*>(&address); }

fs::path folder_of_socket(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : "."; }

}  // namespace

Socket Socket::connect(const fs::path& path, milliseconds time) {
  const std::string doing = "connecting to '" + printable(path.string()) + "'";
  const auto dir = try_open_at(AT_FDCWD, folder_of_socket(path), O_RDONLY | O_DIRECTORY);
  if (!dir) throw Error(Errc::io, doing + ": there is no such socket");
  const sockaddr_un address = address_of(dir->get(), path.filename());
  Fd fd = new_socket(SOCK_NONBLOCK);
  const auto until = steady_clock::now() + time;
  while (::connect(fd.get(), generic(address), sizeof address) != 0) {
    check_interrupt();
    if (errno == ECONNREFUSED)
      throw Error(Errc::io, doing + ": nobody listens there; the plugin is not running, and left its socket behind");
    if (errno == ENOENT) throw Error(Errc::io, doing + ": there is no such socket");
    if (errno != EAGAIN && errno != EINTR) throw_errno(doing);
    if (steady_clock::now() > until) throw Error(Errc::io, doing + ": the plugin takes no callers");
    std::this_thread::sleep_for(milliseconds(10));
  }
  Socket out(std::move(fd));
  out.allow(time);
  return out;
}

void Socket::allow(milliseconds time) {
  time_ = time;
  until_ = steady_clock::now() + time;
}

void Socket::wait(short events, const char* for_what) {
  for (;;) {
    check_interrupt();
    const auto now = steady_clock::now();
    if (now >= until_)
      throw Error(Errc::io,
                  std::string(for_what) + " for " + std::to_string((time_.count() + 999) / 1000) + " seconds");
    const auto left = until_ - now;
    const auto slice = left < kSlice ? std::chrono::ceil<milliseconds>(left) : kSlice;
    pollfd polled{fd_.get(), events, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(slice.count()));
    if (ready < 0 && errno != EINTR) throw_errno("waiting for a socket");
    if (ready > 0) return;
  }
}

void Socket::wait_for_input() {
  until_ = steady_clock::time_point::max();
  wait(POLLIN, "");
}

size_t Socket::receive(void* into, size_t size, boost::system::error_code& failed) {
  failed = {};
  for (;;) {
    wait(POLLIN, "nothing came");
    const ssize_t n = ::recv(fd_.get(), into, size, MSG_DONTWAIT);
    if (n > 0) return static_cast<size_t>(n);
    if (n == 0 || errno == ECONNRESET)
      return failed = boost::asio::error::eof, 0;  // reset: with unread input of theirs
    if (errno != EAGAIN && errno != EINTR) return failed = code_of_errno(), 0;
  }
}

size_t Socket::send(std::span<iovec> parts, boost::system::error_code& failed) {
  failed = {};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  for (;;) {
    wait(POLLOUT, "nothing was taken");
    const ssize_t n = ::sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EAGAIN && errno != EINTR) return failed = code_of_errno(), 0;
  }
}

void Socket::end_of_output() { ::shutdown(fd_.get(), SHUT_WR); }

void Socket::discard_input() {
  std::string buffer(64 << 10, '\0');
  boost::system::error_code failed;
  try {
    while (receive(buffer.data(), buffer.size(), failed) > 0) {
    }
  } catch (const Error&) {  // it was a courtesy
  }
}

bool somebody_listens(const fs::path& path) {
  const auto st = stat_at(AT_FDCWD, path);
  if (!st) return false;
  const std::string doing = "trying the socket '" + printable(path.string()) + "'";
  if (!S_ISSOCK(st->st_mode)) throw Error(Errc::invalid, doing + ": it is something else");
  const Fd dir = open_dir(folder_of_socket(path)), fd = new_socket(SOCK_NONBLOCK);
  const sockaddr_un address = address_of(dir.get(), path.filename());
  if (::connect(fd.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) return true;
  if (errno == ECONNREFUSED || errno == ENOENT) return false;
  throw_errno(doing);
}

Listener::Listener(const fs::path& path) : path_(path), fd_(new_socket()) {
  const std::string doing = "listening on '" + printable(path.string()) + "'";
  while_doing([&] { return doing; },
              [&] {
                ensure_dirs_at(AT_FDCWD, folder_of_socket(path), 0755);
                dir_ = open_dir(folder_of_socket(path));
                const FileLock lock = FileLock::wait(dir_.get(), FileLock::Kind::exclusive);
                const std::string name = path.filename();
                if (somebody_listens(path)) throw Error(Errc::in_use, "another program does already");
                // Under another name until it is private and answers.
                const std::string hidden = ".cairn-" + random_hex(8);
                const sockaddr_un address = address_of(dir_.get(), hidden);
                if (::bind(fd_.get(), generic(address), sizeof address) != 0) throw_errno("binding it");
                if (::fchmodat(dir_.get(), hidden.c_str(), 0600, 0) != 0 || ::listen(fd_.get(), 64) != 0 ||
                    ::renameat(dir_.get(), hidden.c_str(), dir_.get(), name.c_str()) != 0) {
                  const int err = errno;
                  ::unlinkat(dir_.get(), hidden.c_str(), 0);
                  throw_errno("naming it", err);
                }
                if (const auto st = stat_at(dir_.get(), name)) inode_ = st->st_ino;
              });
}

Listener::~Listener() {
  if (const auto st = stat_at(dir_.get(), path_.filename()); st && st->st_ino == inode_)
    ::unlinkat(dir_.get(), path_.filename().c_str(), 0);
}

std::optional<Fd> Listener::accept(milliseconds time) const {
  pollfd polled{fd_.get(), POLLIN, 0};
  if (::poll(&polled, 1, static_cast<int>(time.count())) <= 0) return std::nullopt;
  Fd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (fd) return fd;
  if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) std::this_thread::sleep_for(time);
  return std::nullopt;  // this caller gave up, or has to wait
}

}  // namespace cairn::plugin
