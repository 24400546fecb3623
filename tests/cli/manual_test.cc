#include "cli/manual.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "cli/app.h"
#include "tests/cli/program.h"

namespace cairn {
namespace {

std::set<std::string> flags_in(const std::string& text) {
  std::set<std::string> out;
  const std::regex flag("(^|[ ,\n])(--?[a-zA-Z][a-z-]*)(?=[ ,\\n]|$)");
  for (std::sregex_iterator it(text.begin(), text.end(), flag), end; it != end; ++it) out.insert((*it)[2]);
  return out;
}

// A page as a terminal shows it, as far as flags go.
std::string unmarked(std::string page) {
  page = std::regex_replace(page, std::regex("\\\\f[BIR]"), "");
  return std::regex_replace(page, std::regex("\\\\-"), "-");
}

TEST(Manual, NamesEveryCommandAndEveryFlagOfItsHelp) {
  const auto pages = manual_pages();
  const std::string top = unmarked(pages.at("cairn"));
  for (const auto& [name, page] : pages) {
    std::vector<std::string> arguments{"--help"};
    if (name != "cairn") {
      arguments.insert(arguments.begin(), name.substr(6));
      EXPECT_THAT(top, testing::HasSubstr(name + "(8)"));
    }
    const auto help = test::run_cairn_program(arguments);
    const auto flags = flags_in(help.out);
    EXPECT_GE(flags.size(), 5u) << name;
    const auto shown = flags_in(unmarked(page));
    for (const auto& flag : flags) EXPECT_TRUE(shown.contains(flag)) << name << " lacks " << flag;
  }
  EXPECT_GT(pages.size(), 20u);
}

TEST(Manual, NoLineOfTextIsARequest) {
  for (const auto& [name, page] : manual_pages()) {
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with('.')) {
        EXPECT_TRUE(std::regex_match(line, std::regex("\\.(TH|SH|TP|PP|nf|fi)( .*)?"))) << name << ": " << line;
      }
  }
}

}  // namespace
}  // namespace cairn
