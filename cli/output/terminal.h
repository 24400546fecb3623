// The standard streams: data goes to stdout, everything else to stderr.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/archive/stream.h"

namespace cairn {

bool is_terminal(int fd);
unsigned terminal_width(int fd);   // columns; 80 when the terminal does not say
unsigned terminal_height(int fd);  // lines; 24 when the terminal does not say

// Whoever read stdout is gone (`cairn images | head`). Ends a command without a message.
struct OutputClosed {};

void print(std::string_view text);     // stdout, all of it. Throws OutputClosed, or Errc::io
void complain(std::string_view text);  // "cairn: text" on stderr, in one write(2); never throws

// What --log-level lets through besides errors, which always are.
enum class LogLevel { error, warn, info, debug };
void set_log_level(LogLevel level);
void warn(const std::string& line);   // "cairn: warning: line"
void debug(const std::string& line);  // "cairn: debug: line"

class StdoutSink : public ByteSink {
 public:
  void write(std::span<const char> bytes) override { print({bytes.data(), bytes.size()}); }
};

}  // namespace cairn
