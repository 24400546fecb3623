#include "cli/input.h"

#include <unistd.h>

#include "cli/exit.h"
#include "cli/output/terminal.h"

namespace cairn {

static bool is_stdin(const std::string& path) { return path.empty() || path == "-"; }

std::string input_label(const std::string& path) { return is_stdin(path) ? "standard input" : printable(path); }

Fd open_input(const std::string& path) {
  if (!is_stdin(path)) return as_named_by_user([&] { return open_at(AT_FDCWD, path, O_RDONLY | O_NOCTTY); });
  if (is_terminal(STDIN_FILENO))
    throw UserError(Errc::invalid, "reading standard input: it is a terminal; name a file, or redirect one");
  return dup_fd(STDIN_FILENO);
}

}  // namespace cairn
