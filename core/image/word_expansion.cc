#include "core/image/word_expansion.h"

#include <optional>

#include "core/image/instruction_line.h"
#include "core/util/ascii.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr char kEscape = '\\';
constexpr size_t kMaxNesting = 100;  // of "${A:-${B:-…}}"

bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Letters beyond ASCII are taken for what they mostly are.
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<signed char>(c) < 0; }

class Expansion {
 public:
  Expansion(std::string_view word, std::span<const std::string> env) : word_(word), rest_(word), env_(env) {}
  std::string run() { return until(std::nullopt); }

 private:
  [[noreturn]] void refuse(const std::string& why) const {
    throw Error(Errc::invalid, "resolving '" + printable(word_, 200) + "': " + why);
  }
  bool at_end() const { return rest_.empty(); }
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  std::string until(std::optional<char> stop);
  std::string single_quoted();
  std::string double_quoted();
  std::string dollar();
  std::string braces();
  std::string name();
  std::string value_of(std::string_view name) const;

  std::string_view word_, rest_;
  std::span<const std::string> env_;
  size_t nesting_ = 0;
};

std::string Expansion::until(std::optional<char> stop) {
  std::string out;
  while (!at_end()) {
    const char c = rest_.front();
    if (c == stop) {
      take();
      return out;
    }
    if (c == '\'') {
      out += single_quoted();
    } else if (c == '"') {
      out += double_quoted();
    } else if (c == '$') {
      out += dollar();
    } else {
      take();
      if (c != kEscape)
        out += c;
      else if (!at_end())
        out += take();
    }
  }
  if (stop) refuse(std::string("'") + *stop + "' is missing");
  return out;
}

std::string Expansion::single_quoted() {
  take();
  const size_t end = rest_.find('\'');
  if (end == std::string_view::npos) refuse("a single quote is not closed");
  std::string out(rest_.substr(0, end));
  rest_.remove_prefix(end + 1);
  return out;
}

std::string Expansion::double_quoted() {
  std::string out;
  for (take(); !at_end();) {
    if (rest_.front() == '$') {
      out += dollar();
      continue;
    }
    const char c = take();
    if (c == '"') return out;
    if (c != kEscape)
      out += c;
    else if (!at_end())
      out += rest_.front() == '"' || rest_.front() == '$' || rest_.front() == kEscape ? take() : c;
  }
  refuse("a double quote is not closed");
}

std::string Expansion::name() {
  if (at_end()) return "";
  size_t end = 0;
  if (is_digit(rest_.front())) {
    while (end < rest_.size() && is_digit(rest_[end])) ++end;
  } else if (std::string_view("@*#?-$!").find(rest_.front()) != std::string_view::npos) {
    end = 1;
  } else {
    while (end < rest_.size() && (is_letter(rest_[end]) || is_digit(rest_[end]) || rest_[end] == '_')) ++end;
  }
  std::string out(rest_.substr(0, end));
  rest_.remove_prefix(end);
  return out;
}

std::string Expansion::value_of(std::string_view name) const {
  for (const auto& variable : env_)
    if (variable.starts_with(name) && variable.size() > name.size() && variable[name.size()] == '=')
      return variable.substr(name.size() + 1);
  return "";
}

std::string Expansion::dollar() {
  take();
  if (!at_end() && rest_.front() == '{') return braces();
  const std::string found = name();
  return found.empty() ? "$" : value_of(found);
}

std::string Expansion::braces() {
  take();
  if (++nesting_ > kMaxNesting) refuse("substitutions are nested too deeply");
  if (at_end()) refuse("'}' is missing");
  if (std::string_view("{}:").find(rest_.front()) != std::string_view::npos) refuse("bad substitution");
  const std::string variable = name();
  const char next = at_end() ? '\0' : take();
  std::string value = value_of(variable);
  if (next == ':') {
    const char modifier = at_end() ? '\0' : take();
    if (modifier != '-' && modifier != '+' && modifier != '?') refuse("of substitutions only :-, :+ and :? are known");
    std::string word = until('}');
    if (modifier == '?' && value.empty()) refuse("'" + printable(variable) + "' is not set: " + printable(word));
    if ((modifier == '-') == value.empty() && modifier != '?') value = std::move(word);
  } else if (next != '}') {
    refuse("bad substitution");
  }
  --nesting_;
  return value;
}

}  // namespace

std::string expand_word(std::string_view word, std::span<const std::string> env) { return Expansion(word, env).run(); }

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote == '\0' && is_blank(c)) {
      if (in_word) out.push_back(std::move(word));
      word.clear(), in_word = false;
      continue;
    }
    in_word = true;
    if (c == kEscape && quote != '\'') {
      if (i + 1 < text.size()) word += {c, text[++i]};  // at the end it means nothing
      continue;
    }
    if (quote == '\0' && (c == '\'' || c == '"'))
      quote = c;
    else if (c == quote)
      quote = '\0';
    word += c;
  }
  if (!word.empty()) out.push_back(std::move(word));
  return out;
}

}  // namespace cairn
