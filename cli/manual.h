// The manual pages, made of the same words as --help.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace cairn {

// Section 8, in man's own markup: of the program, or of one of its commands.
std::string manual_page(const CLI::App& app);

}  // namespace cairn
