#include "cli/output/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "core/util/error.h"

namespace cairn {

static std::atomic<LogLevel> log_level{LogLevel::info};

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

unsigned terminal_width(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

unsigned terminal_height(int fd) {
  winsize size{};
  return ::ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
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

void set_log_level(LogLevel level) { log_level = level; }

void warn(const std::string& line) {
  if (log_level.load() >= LogLevel::warn) complain("warning: " + line);
}

void debug(const std::string& line) {
  if (log_level.load() >= LogLevel::debug) complain("debug: " + line);
}

}  // namespace cairn
