// --help: one shape for all commands.
#pragma once

#include <CLI/CLI.hpp>

namespace cairn {

class HelpFormatter : public CLI::FormatterBase {
 public:
  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace cairn
