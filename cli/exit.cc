#include "cli/exit.h"

#include "cli/output/terminal.h"

namespace cairn {

Exit report(const Error& error) {
  complain(error.what());
  if (error.code() == Errc::interrupted) return Exit::interrupted;
  return dynamic_cast<const UserError*>(&error) != nullptr ? Exit::usage : Exit::failed;
}

void Tally::note(const Error& error) {
  if (error.code() == Errc::interrupted) throw error;
  const Exit now = report(error);
  if (worst_ != Exit::failed) worst_ = now;
}

}  // namespace cairn
