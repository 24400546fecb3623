#include "cli/help.h"

#include <vector>

namespace cairn {
namespace {

constexpr size_t kColumn = 30, kWidth = 110;

// `term` at the left, `text` wrapped at the right of kColumn.
std::string entry(const std::string& term, const std::string& text) {
  std::string out = "  " + term, line;
  if (out.size() + 2 > kColumn)
    out += "\n" + std::string(kColumn, ' ');
  else
    out.append(kColumn - out.size(), ' ');
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!line.empty() && kColumn + line.size() + 1 + word.size() > kWidth) {
      out += line + "\n" + std::string(kColumn, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return out + line + "\n";
}

// "-s, --storage-driver NAME"
std::string term_of(const CLI::Option& option) {
  std::string out;
  for (const auto& name : option.get_snames()) out += (out.empty() ? "-" : ", -") + name;
  for (const auto& name : option.get_lnames()) out += (out.empty() ? "--" : ", --") + name;
  // What checks add to a type ("STYLE:{auto,plain}") is in the description.
  const std::string type = option.get_type_name();
  return option.get_items_expected_max() == 0 ? out : out + " " + type.substr(0, type.find(':'));
}

std::string text_of(const CLI::Option& option) {
  std::string out = option.get_description();
  if (!option.get_default_str().empty()) out += ". Default: " + option.get_default_str();
  if (!option.get_envname().empty()) out += ", or $" + option.get_envname();
  return out;
}

std::string flags_of(const CLI::App& app, const std::string& heading, const CLI::Option* skipped = nullptr) {
  std::string out;
  for (const CLI::Option* option : app.get_options())
    if (!option->get_positional() && option != skipped) out += entry(term_of(*option), text_of(*option));
  return out.empty() ? out : "\n" + heading + ":\n" + out;
}

std::string usage_of(const CLI::App& app, const std::string& name) {
  std::string out = "Usage: " + name;
  if (!app.get_parent()) return out + " [FLAGS] COMMAND ...\n";
  out += " [FLAGS]";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const std::string several = option->get_items_expected_max() > 1 ? "..." : "";
    out += option->get_required() ? " " + option->get_type_name() + several
                                  : " [" + option->get_type_name() + several + "]";
  }
  return out + "\n";
}

std::string arguments_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional()) out += entry(option->get_type_name(), option->get_description());
  return out.empty() ? out : "\n" + out;
}

std::string commands_of(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : app.get_subcommands({})) out += entry(command->get_name(), command->get_description());
  return out.empty() ? out : "\nCommands:\n" + out;
}

}  // namespace

std::string HelpFormatter::make_help(const CLI::App* app, std::string name, CLI::AppFormatMode) const {
  const CLI::App* parent = app->get_parent();
  std::string full = parent ? parent->get_name() + " " + app->get_name() : app->get_name();
  if (full.empty()) full = std::move(name);
  std::string out = usage_of(*app, full) + "\n" + app->get_description() + ".\n" + arguments_of(*app) +
                    commands_of(*app) + flags_of(*app, "Flags");
  if (parent) out += flags_of(*parent, "Flags of every command", parent->get_help_ptr());
  const std::string footer = app->get_footer();
  return footer.empty() ? out : out + "\n" + footer + "\n";
}

}  // namespace cairn
