#include "core/json/scanner.h"

#include "core/util/error.h"

namespace cairn::go_json {

static constexpr size_t kMaxDepth = 10000;  // Go's maxNestingDepth

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

void Scanner::refuse(const std::string& why) const {
  throw Error(Errc::corrupt, "reading JSON: " + why + " at byte " + std::to_string(at_));
}

void Scanner::skip_space() noexcept {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
    ++at_;
}

bool Scanner::skip_if(char c) noexcept {
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void Scanner::end() {
  skip_space();
  if (at_ != text_.size()) refuse("more text after the value");
}

void Scanner::escape() {
  const char c = peek();
  if (c == 'u') {
    for (int i = 0; i < 4; ++i) {
      ++at_;
      if (!is_hex(peek())) refuse("\\u without four hexadecimal digits");
    }
  } else if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
    refuse("an unknown escape");
  }
  ++at_;
}

std::string_view Scanner::string() {
  const size_t start = at_;
  if (!skip_if('"')) refuse("expected a string");
  while (!skip_if('"')) {
    if (at_ >= text_.size()) refuse("an unfinished string");
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c < 0x20) refuse("a control character in a string");
    ++at_;
    if (c == '\\') escape();
  }
  return text_.substr(start, at_ - start);
}

void Scanner::digits() {
  if (!is_digit(peek())) refuse("a number without digits");
  while (is_digit(peek())) ++at_;
}

void Scanner::number() {
  skip_if('-');
  if (!skip_if('0')) digits();
  if (skip_if('.')) digits();
  if (skip_if('e') || skip_if('E')) {
    if (!skip_if('+')) skip_if('-');
    digits();
  }
}

void Scanner::word(std::string_view literal) {
  if (text_.substr(at_, literal.size()) != literal) refuse("an unknown word");
  at_ += literal.size();
}

void Scanner::scalar() {
  switch (peek()) {
    case '"':
      string();
      break;
    case 't':
      word("true");
      break;
    case 'f':
      word("false");
      break;
    case 'n':
      word("null");
      break;
    default:
      if (at_ >= text_.size()) refuse("unexpected end");
      if (peek() != '-' && !is_digit(peek())) refuse("expected a value");
      number();
  }
}

std::string_view Scanner::key() {
  skip_space();
  const std::string_view literal = string();
  skip_space();
  if (!skip_if(':')) refuse("expected ':'");
  skip_space();
  return literal;
}

bool Scanner::open(std::string& closers, size_t depth) {
  const bool object = peek() == '{';
  if (!object && peek() != '[') return false;
  if (depth + closers.size() >= kMaxDepth) refuse("nested more than 10000 deep");
  const char closer = object ? '}' : ']';
  ++at_;
  skip_space();
  if (skip_if(closer)) return true;
  closers += closer;
  if (object) key();
  return true;
}

void Scanner::close(std::string& closers) {
  while (!closers.empty()) {
    skip_space();
    if (skip_if(',')) {
      if (closers.back() == '}') key();
      return;
    }
    if (!skip_if(closers.back())) refuse("expected ',' or '" + closers.substr(closers.size() - 1) + "'");
    closers.pop_back();
  }
}

std::string_view Scanner::value(size_t depth) {
  skip_space();
  const size_t start = at_;
  std::string closers;  // of the containers that are open
  do {                  // each round reads one scalar or one opening bracket
    skip_space();
    const size_t around = closers.size();
    if (!open(closers, depth)) scalar();
    if (closers.size() == around) close(closers);
  } while (!closers.empty());
  return text_.substr(start, at_ - start);
}

}  // namespace cairn::go_json
