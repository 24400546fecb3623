// How a command ends, and the mistakes that are the user's.
#pragma once

#include <string>

#include "core/util/error.h"

namespace cairn {

enum class Exit : int { done = 0, failed = 1, usage = 2, damage = 3, partly = 4, interrupted = 130 };

// A flag or name the user gave cannot be: ends with Exit::usage whatever the code.
class UserError : public Error {
 public:
  using Error::Error;
  explicit UserError(const Error& e) : Error(e.code(), e.what()) {}
};

// Runs `body` on something the user named: what is not found or not valid there is his mistake, not a failure.
template <typename Body>
decltype(auto) as_named_by_user(Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const UserError&) {
    throw;
  } catch (const Error& e) {
    if (e.code() == Errc::not_found || e.code() == Errc::invalid) throw UserError(e);
    throw;
  }
}

// Says why on stderr and returns what to exit with.
Exit report(const Error& error);

// Runs one step for each of several things the user named. All are tried; each failure is said.
class Tally {
 public:
  template <typename Step>
  bool attempt(Step&& step) {
    try {
      std::forward<Step>(step)();
      ++done_;
      return true;
    } catch (const Error& e) {
      note(e);
      return false;
    }
  }
  void note(const Error& error);              // rethrows Errc::interrupted
  Exit for_reader() const { return worst_; }  // failed wins over usage
  Exit for_writer() const { return failed() && done_ > 0 ? Exit::partly : for_reader(); }
  bool failed() const { return worst_ != Exit::done; }

 private:
  size_t done_ = 0;
  Exit worst_ = Exit::done;
};

}  // namespace cairn
