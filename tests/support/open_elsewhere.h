// A file that another process has open.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <stdexcept>

namespace cairn::test {

// A process that has a database of the store open, as an engine has, and does `then` before it is ready.
class OpenElsewhere {
 public:
  explicit OpenElsewhere(
      const std::filesystem::path& database, void (*then)() = [] {}) {
    int ready[2];
    if (::pipe(ready) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::open(database.c_str(), O_RDWR);
      then();
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      ::pause();
      ::_exit(0);
    }
    char byte;
    if (::read(ready[0], &byte, 1) != 1) throw std::runtime_error("the child did not start");
    ::close(ready[0]), ::close(ready[1]);
  }
  ~OpenElsewhere() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  OpenElsewhere(const OpenElsewhere&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

}  // namespace cairn::test
