#include "cli/output/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "core/util/error.h"

namespace cairn {

static std::atomic<bool> debugging{false};

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

unsigned terminal_width(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(STDOUT_FILENO, text.data(), text.size());
    if (n >= 0)
      text.remove_prefix(static_cast<size_t>(n));
    else if (errno == EPIPE)
      throw OutputClosed();
    else if (errno != EINTR)
      throw_errno("writing to standard output");
  }
}

static void write_to_stderr(const std::string& line) {
  // Nobody is left to tell when stderr itself fails.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
}

void complain(std::string_view text) { write_to_stderr("cairn: " + std::string(text) + "\n"); }

void debug(const std::string& line) {
  if (debugging) write_to_stderr("cairn: debug: " + line + "\n");
}

void enable_debug(bool on) { debugging = on; }

}  // namespace cairn
