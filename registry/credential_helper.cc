#include "registry/credential_helper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/json/go_struct.h"
#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

using go_json::Omit;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kLongestServer = 4096;  // what a pipe takes at once, whatever the system
constexpr milliseconds kLook{50};        // how often to look for Ctrl-C

// Credentials as helpers print them.
struct Answer {
  std::string username, secret;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("Username", self.username, Omit::never);
    visit("Secret", self.secret, Omit::never);
  }
};

struct Ends {
  Fd out, in;
  Ends() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("making a pipe");
    out = Fd(ends[0]);
    in = Fd(ends[1]);
  }
};

// A running helper. It is killed if it has not ended when this dies.
class Helper {
 public:
  Helper(const std::string& program, const std::string& server, const HelperLimits& limits)
      : limits_(limits), deadline_(steady_clock::now() + limits.time) {
    Ends question, answer;
    write_all(question.in.get(), server);  // before anybody could close the other end
    start(program, question.out.get(), answer.in.get());
    said_ = std::move(answer.out);
  }
  ~Helper() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  Helper(const Helper&) = delete;

  std::string read_all() {
    std::string out;
    std::array<char, 4096> part;
    for (;;) {
      wait_a_little(said_.get());
      pollfd ready{said_.get(), POLLIN, 0};
      if (::poll(&ready, 1, 0) <= 0) continue;
      const size_t n = read_some(said_.get(), part);
      if (n == 0) return out;
      out.append(part.data(), n);
      if (out.size() > limits_.output) throw Error(Errc::corrupt, "it does not stop talking");
    }
  }

  bool succeeded() {
    int status = 0;
    for (pid_t done; (done = ::waitpid(pid_, &status, WNOHANG)) != pid_;) {
      if (done < 0 && errno != EINTR) throw_errno("waiting for it");
      wait_a_little(-1);
    }
    pid_ = -1;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }

 private:
  void start(const std::string& program, int in, int out) {
    const char* arguments[] = {program.c_str(), "get", nullptr};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    sigset_t usual, none;  // what this process ignores is nothing a helper would expect
    ::sigemptyset(&usual);
    ::sigaddset(&usual, SIGPIPE);
    ::sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &usual);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    const int failed =
        ::posix_spawnp(&pid_, arguments[0], &actions, &attributes, const_cast<char* const*>(arguments), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) pid_ = -1;
    if (failed == ENOENT)
      throw Error(Errc::not_found,
                  "there is no such program in the PATH; install it, or take it out of the configuration");
    if (failed != 0) throw_errno("starting it", failed);
  }

  void wait_a_little(int fd) {
    check_interrupt();
    if (steady_clock::now() >= deadline_)
      throw Error(Errc::io, "it gave no answer within " + std::to_string(limits_.time.count()) + " ms");
    pollfd ready{fd, POLLIN, 0};
    ::poll(&ready, 1, static_cast<int>(fd < 0 ? 5 : kLook.count()));
  }

  HelperLimits limits_;
  steady_clock::time_point deadline_;
  pid_t pid_ = -1;
  Fd said_;
};

bool is_helper_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
}

// A helper that fails says why in place of the answer; what may be an answer after all is not repeated.
[[noreturn]] void failed(const std::string& said) {
  const auto line = said.substr(0, said.find('\n'));
  throw Error(Errc::io,
              said.find('{') == said.npos && !line.empty() ? "it failed: " + printable(line, 160) : "it failed");
}

std::optional<Credential> parse_answer(const std::string& said) {
  Answer answer;
  try {
    answer = go_json::read_struct<Answer>(said);
  } catch (const Error&) {  // whose text may hold a part of the secret
    throw Error(Errc::corrupt, "its answer is not JSON with a name and a secret");
  }
  if (answer.username.empty() && answer.secret.empty()) return std::nullopt;
  if (answer.username == "<token>") return Credential{{}, {}, answer.secret, {}};
  return Credential{answer.username, answer.secret, {}, {}};
}

}  // namespace

std::optional<Credential> ask_credential_helper(const std::string& name, const std::string& server,
                                                const HelperLimits& limits) {
  const auto doing = [&] {
    return "asking the credential helper 'docker-credential-" + printable(name, 100) + "' about '" +
           printable(server, 100) + "'";
  };
  return while_doing(doing, [&]() -> std::optional<Credential> {
    if (!is_helper_name(name)) throw Error(Errc::invalid, "that is no name of a program");
    if (server.size() > kLongestServer) throw Error(Errc::invalid, "that is too long for a server");
    Helper helper("docker-credential-" + name, server, limits);
    const std::string said = helper.read_all();
    if (helper.succeeded()) return parse_answer(said);
    if (said.find("credentials not found in native keychain") != said.npos) return std::nullopt;
    failed(said);
  });
}

}  // namespace cairn
