// A Dockerfile's lines, cut into instructions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn {

struct InstructionLine {
  std::string name;                                        // upper case
  std::vector<std::pair<std::string, std::string>> flags;  // --name=value in front
  std::string rest;                                        // without white space around it
  std::string text;                                        // all of it
};

// Joins continued lines; comments and empty lines are left out.
std::vector<InstructionLine> read_instructions(std::string_view text);

// What is written as an array of JSON. nullopt if it is none, Errc::invalid if it holds something else than strings.
std::optional<std::vector<std::string>> json_words(std::string_view rest);

std::vector<std::string> blank_separated(std::string_view text);
std::string_view without_blanks_around(std::string_view text);

// "1h30m", "1.5s" in nanoseconds; Errc::invalid.
int64_t parse_duration(std::string_view text);

}  // namespace cairn
