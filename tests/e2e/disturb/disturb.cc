// disturb --of reads|changes|space|all --below DIR... [--when N [--lasting] --do ACTION] --log FILE -- COMMAND...
//
// Runs COMMAND and counts its system calls, of all its threads, that read or change files below one of DIR. At the N-th
// one ACTION happens: "kill" the process before the call is made; let the call fail with "ENOSPC", "EDQUOT" or "EIO"
// (with --lasting that call and all later ones); or "run:SCRIPT", a shell command, while the process stands still. FILE
// gets how many calls there were, and what was hit. Exits as COMMAND does (128 + signal if it was killed), 99 if it
// cannot do its own work.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "watched_calls.h"

namespace {

struct Plan {
  unsigned of = 0;
  std::vector<std::string> below;
  unsigned long when = 0;  // 0: only counted
  bool lasting = false;
  std::string action, log;
  char** command = nullptr;
};

[[noreturn]] void give_up(const std::string& why) {
  std::cerr << "disturb: " << why << (errno != 0 ? std::string(": ") + std::strerror(errno) : "") << "\n";
  std::_Exit(99);
}

Plan plan_of(int argc, char** argv) {
  const std::map<std::string, unsigned> effects{
      {"reads", kReads}, {"changes", kChanges}, {"space", kTakesSpace}, {"all", kReads | kChanges}};
  Plan plan;
  int i = 1;
  const auto value = [&] { return std::string(i + 1 < argc ? argv[++i] : ""); };
  for (; i < argc && std::string(argv[i]) != "--"; ++i) {
    const std::string flag = argv[i];
    if (flag == "--of")
      plan.of = effects.at(value());
    else if (flag == "--below")
      plan.below.push_back(value());
    else if (flag == "--when")
      plan.when = std::stoul(value());
    else if (flag == "--do")
      plan.action = value();
    else if (flag == "--log")
      plan.log = value();
    else if (flag == "--lasting")
      plan.lasting = true;
    else
      give_up("what is " + flag + "?");
  }
  if (i + 1 >= argc) give_up("there is no command");
  plan.command = argv + i + 1;
  return plan;
}

// --- the process that is disturbed ---

int install_filter() {
  std::vector<sock_filter> code{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const auto& call : kWatched) {
    code.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call.number), 0, 1));
    code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  code.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
  return static_cast<int>(::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

union OneDescriptor {
  cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int))];
};

msghdr message_with(OneDescriptor& control, iovec& data) {
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  return message;
}

[[noreturn]] void become(char** command, int channel) {
  const int listener = install_filter();
  OneDescriptor control{};
  char byte = 0;
  iovec data{&byte, 1};
  const msghdr message = message_with(control, data);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof listener);
  std::memcpy(CMSG_DATA(header), &listener, sizeof listener);
  if (listener < 0 || ::sendmsg(channel, &message, 0) != 1) std::_Exit(99);
  ::close(listener);
  ::close(channel);
  ::execv(command[0], command);
  std::_Exit(99);
}

int listener_from(int channel) {
  OneDescriptor control{};
  char byte = 0;
  iovec data{&byte, 1};
  msghdr message = message_with(control, data);
  if (::recvmsg(channel, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == nullptr)
    give_up("the kernel lets no process watch another's calls");
  int listener = -1;
  std::memcpy(&listener, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof listener);
  return listener;
}

// --- what a call is about ---

std::string link_at(const std::string& path) {
  char text[PATH_MAX];
  const ssize_t n = ::readlink(path.c_str(), text, sizeof text);
  return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
}

class Caller {
 public:
  explicit Caller(const seccomp_notif& call) : proc_("/proc/" + std::to_string(call.pid)), data_(call.data) {}

  std::string path(const WatchedCall::Place& place) const {
    if (place.path == kNone) return place.descriptor == kNone ? "" : descriptor(argument(place.descriptor));
    std::string named = text(data_.args[place.path]);
    const std::string own = "/proc/self/fd/";
    if (named.starts_with(own)) {
      const size_t slash = named.find('/', own.size());
      return link_at(proc_ + "/fd/" + named.substr(own.size(), slash - own.size())) +
             (slash == std::string::npos ? "" : named.substr(slash));
    }
    if (named.starts_with('/')) return named;
    return descriptor(place.descriptor == kNone ? AT_FDCWD : argument(place.descriptor)) + "/" + named;
  }

 private:
  int argument(int index) const { return static_cast<int>(data_.args[index]); }

  std::string descriptor(int fd) const {
    return link_at(fd == AT_FDCWD ? proc_ + "/cwd" : proc_ + "/fd/" + std::to_string(fd));
  }

  std::string text(unsigned long long address) const {
    const int memory = ::open((proc_ + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    std::string out(PATH_MAX, '\0');
    const ssize_t n = memory < 0 ? -1 : ::pread(memory, out.data(), out.size(), static_cast<off_t>(address));
    if (memory >= 0) ::close(memory);
    out.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return out.substr(0, out.find('\0'));
  }

  std::string proc_;
  const seccomp_data& data_;
};

// --- the disturbance ---

class Disturbance {
 public:
  Disturbance(const Plan& plan, pid_t child) : plan_(plan), child_(child) {}

  // What the call is to end with: 0 it goes on, else a negative errno.
  int meet(const seccomp_notif& call) {
    const auto* watched = std::find_if(std::begin(kWatched), std::end(kWatched),
                                       [&](const WatchedCall& one) { return one.number == call.data.nr; });
    if ((effect_of(*watched, call.data) & plan_.of) == 0) return 0;
    const std::string path = concerned(*watched, call);
    if (path.empty()) return 0;
    ++count_;
    if (plan_.when == 0 || count_ < plan_.when || (count_ > plan_.when && !plan_.lasting)) return 0;
    if (count_ == plan_.when) hit_ = std::string(watched->name) + " " + path;
    return act();
  }

  void write_log() const { std::ofstream(plan_.log) << count_ << "\n" << hit_ << "\n"; }

 private:
  std::string concerned(const WatchedCall& watched, const seccomp_notif& call) const {
    for (const auto& place : watched.places) {
      std::string path = Caller(call).path(place);
      for (const auto& top : plan_.below)
        if (path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/')) return path;
    }
    return "";
  }

  int act() const {
    if (plan_.action == "ENOSPC") return -ENOSPC;
    if (plan_.action == "EDQUOT") return -EDQUOT;
    if (plan_.action == "EIO") return -EIO;
    if (plan_.action == "kill") {
      ::kill(child_, SIGKILL);
      return -EINTR;  // nobody is left to see it
    }
    if (!plan_.action.starts_with("run:")) give_up("what is " + plan_.action + "?");
    if (std::system(plan_.action.c_str() + 4) != 0) give_up("the script failed");
    return 0;
  }

  const Plan& plan_;
  pid_t child_;
  unsigned long count_ = 0;
  std::string hit_;
};

void watch(int listener, Disturbance& disturbance) {
  for (;;) {
    pollfd waiting{listener, POLLIN, 0};
    if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) give_up("waiting for calls");
    if ((waiting.revents & POLLIN) == 0) {
      if ((waiting.revents & POLLHUP) != 0) return;  // nobody is left
      continue;
    }
    seccomp_notif call{};
    if (::ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;  // killed meanwhile
    const int result = disturbance.meet(call);
    const unsigned flags = result == 0 ? static_cast<unsigned>(SECCOMP_USER_NOTIF_FLAG_CONTINUE) : 0U;
    seccomp_notif_resp answer{call.id, 0, result, flags};
    ::ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = plan_of(argc, argv);
  int channel[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) give_up("making a channel");
  const pid_t child = ::fork();
  if (child < 0) give_up("starting the command");
  if (child == 0) become(plan.command, channel[1]);
  ::close(channel[1]);
  Disturbance disturbance(plan, child);
  const int listener = listener_from(channel[0]);
  watch(listener, disturbance);
  int status = 0;
  ::waitpid(child, &status, 0);
  disturbance.write_log();
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
