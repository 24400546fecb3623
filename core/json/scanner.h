// Walks over JSON text strictly, as Go's scanner does, without recursion.
#pragma once

#include <string>
#include <string_view>

namespace cairn::go_json {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  size_t at() const noexcept { return at_; }
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() noexcept;
  bool skip_if(char c) noexcept;
  std::string_view string();                 // the quoted literal
  std::string_view value(size_t depth = 0);  // any value; `depth` containers are open around it
  std::string_view key();                    // a member's name, with the colon and white space after it
  void end();                                // white space to the end of the text
  [[noreturn]] void refuse(const std::string& why) const;

 private:
  void scalar();
  void number();
  void digits();
  void word(std::string_view literal);
  void escape();
  bool open(std::string& closers, size_t depth);  // an opening bracket; an empty container at once with its end
  void close(std::string& closers);               // what ends here, up to the next value or the last bracket

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace cairn::go_json
