#include "core/json/closed_prefix.h"

#include <utility>

#include "core/json/scanner.h"
#include "core/util/error.h"

namespace cairn::go_json {

namespace {

constexpr size_t kMaxOpen = 100;

class Prefix {
 public:
  explicit Prefix(std::string_view text) : text_(text), scanner_(text) {}

  std::optional<std::string> run() {
    try {
      while (step()) {
      }
    } catch (const Error&) {  // here the damage begins
    }
    if (whole_ == 0) return std::nullopt;
    return std::string(text_.substr(0, whole_)) + std::string(whole_open_, '}');
  }

 private:
  // One bracket, or one member up to its value or the value's opening bracket. False at the end.
  bool step() {
    scanner_.skip_space();
    if (std::exchange(object_next_, false)) return scanner_.skip_if('{') && keep(open_ + 1, true);
    if (scanner_.skip_if('}')) return keep(open_ - 1, false) && open_ > 0;
    if (!scanner_.skip_if(',') && !just_opened_) return false;
    scanner_.key();
    if (scanner_.peek() == '{') return object_next_ = true;
    if (scanner_.peek() != '"' && scanner_.peek() != '[') return false;
    scanner_.value(open_);
    return keep(open_, false);
  }

  bool keep(size_t open, bool just_opened) {
    whole_ = scanner_.at();
    whole_open_ = open_ = open;
    just_opened_ = just_opened;
    return open <= kMaxOpen;
  }

  std::string_view text_;
  Scanner scanner_;
  size_t open_ = 0;                    // how many objects are
  size_t whole_ = 0, whole_open_ = 0;  // where the whole part ends, and how many are open there
  bool object_next_ = true, just_opened_ = false;
};

}  // namespace

std::optional<std::string> closed_prefix(std::string_view text) { return Prefix(text).run(); }

}  // namespace cairn::go_json
