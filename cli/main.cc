#include <signal.h>
#include <sys/stat.h>

#include "cli/app.h"
#include "cli/output/out_file.h"
#include "core/util/interrupt.h"

static void request_interrupt(int) { cairn::interrupt_requested = true; }

int main(int argc, char** argv) {
  // Layers carry their own modes; what is made for the user gets his umask back.
  cairn::OutFile::user_umask = ::umask(0);
  struct sigaction stop {};
  stop.sa_handler = request_interrupt;
  stop.sa_flags = static_cast<int>(SA_RESETHAND);  // the second Ctrl-C ends a process that does not listen
  ::sigaction(SIGINT, &stop, nullptr);
  ::sigaction(SIGTERM, &stop, nullptr);
  struct sigaction hangup {};
  if (::sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)  // nohup
    ::sigaction(SIGHUP, &stop, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return static_cast<int>(cairn::run_cairn(argc, argv));
}
