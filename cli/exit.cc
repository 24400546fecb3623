#include "cli/exit.h"

#include "cli/output/terminal.h"

namespace cairn {

Exit report(const Error& error) {
  if (error.code() == Errc::interrupted) {
    complain("interrupted");  // by the user, who knows where; not a failure to explain
    return Exit::interrupted;
  }
  complain(error.what());
  return dynamic_cast<const UserError*>(&error) != nullptr ? Exit::usage : Exit::failed;
}

void Tally::note(const Error& error) {
  if (error.code() == Errc::interrupted) throw error;
  const Exit now = report(error);
  if (worst_ != Exit::failed) worst_ = now;
}

}  // namespace cairn
