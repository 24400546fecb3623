// Errors: a few codes to branch on, and a text that grows on the way up.
#pragma once

#include <cerrno>
#include <stdexcept>
#include <string>
#include <utility>

namespace cairn {

enum class Errc { not_found, already_exists, in_use, unsupported, corrupt, invalid, io, no_space, interrupted };

// Texts are one line: "doing what 'to which object': why; what would help". They are printed once, in cli/.
class Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& text) : std::runtime_error(text), code_(code) {}
  Errc code() const noexcept { return code_; }

 private:
  Errc code_;
};

// "doing: strerror(err)". ENOENT is not_found, EEXIST already_exists, EBUSY in_use, EOPNOTSUPP and ENOSYS unsupported,
// ENOSPC and EDQUOT no_space, anything else io.
[[noreturn]] void throw_errno(const std::string& doing, int err = errno);

// Runs `body`; an Error that leaves it gets "doing(): " in front. `doing` is called only on failure. nlohmann::json and
// std::filesystem exceptions are not translated here: the file that calls those libraries does that.
template <typename Doing, typename Body>
decltype(auto) while_doing(Doing&& doing, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const Error& e) {
    throw Error(e.code(), std::string(std::forward<Doing>(doing)()) + ": " + e.what());
  }
}

// `text` fit for one line of a message: control bytes and non-UTF-8 as \xNN, cut after `limit` bytes.
std::string printable(std::string_view text, size_t limit = 300);

}  // namespace cairn
