#include "tests/cli/program.h"

#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <thread>

namespace cairn::test {
namespace {

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
};

Pipe terminal() {
  Pipe out;
  ::close(out.read_end);
  ::close(out.write_end);
  if (::openpty(&out.read_end, &out.write_end, nullptr, nullptr, nullptr) != 0) throw std::runtime_error("openpty");
  return out;
}

std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 65536> buffer;
  for (ssize_t n; (n = ::read(fd, buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<size_t>(n));
  ::close(fd);
  return text;
}

[[noreturn]] void become_cairn(const std::vector<std::string>& arguments, const Running& how, int in, int out,
                               int err) {
  ::dup2(in, 0);
  ::dup2(out, 1);
  ::dup2(err, 2);
  ::unsetenv("STORAGE_DRIVER");
  ::unsetenv("CAIRN_ROOT");
  for (const auto& [name, value] : how.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (how.as_nobody && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(126);
  std::vector<char*> argv{const_cast<char*>("cairn")};
  for (const auto& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const char* elsewhere = std::getenv("CAIRN_BINARY");  // on another machine than the one it was built on
  ::execv(elsewhere ? elsewhere : CAIRN_BINARY, argv.data());
  ::_exit(127);
}

void feed(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0) break;
    text.remove_prefix(static_cast<size_t>(n));
  }
  ::close(fd);
}

}  // namespace

Finished run_cairn_program(const std::vector<std::string>& arguments, const Running& how) {
  ::signal(SIGPIPE, SIG_IGN);
  const Pipe in, err, out = how.terminal_output ? terminal() : Pipe();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    if (how.close_output) ::close(out.read_end);
    ::signal(SIGPIPE, SIG_DFL);
    become_cairn(arguments, how, in.read_end, out.write_end, err.write_end);
  }
  for (int fd : {in.read_end, out.write_end, err.write_end}) ::close(fd);
  Finished finished;
  if (how.close_output) ::close(out.read_end);
  std::thread feeder([&] { feed(in.write_end, how.input); });
  std::thread errors([&] { finished.err = read_to_end(err.read_end); });
  if (!how.close_output) finished.out = read_to_end(out.read_end);
  errors.join();
  feeder.join();
  int status;
  ::waitpid(child, &status, 0);
  finished.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return finished;
}

}  // namespace cairn::test
