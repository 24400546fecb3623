// Words of Dockerfile instructions: quotes, escapes and variables, as the builder resolves them.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

// `text` cut at blanks outside quotes; quotes and escapes stay in the words.
std::vector<std::string> split_words(std::string_view text);

// One word without its quotes and escapes, with $NAME, ${NAME}, ${NAME:-WORD}, ${NAME:+WORD} and ${NAME:?WORD} replaced
// by what `env` ("NAME=value") says, nothing for a name that is not in it. Errc::invalid for quotes and braces that do
// not close and for other substitutions.
std::string expand_word(std::string_view word, std::span<const std::string> env);

}  // namespace cairn
