#include "cli/manual.h"

#include <sstream>

namespace cairn {
namespace {

// Text as man wants it: backslashes and dashes as they are, no line that looks like a request.
std::string plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

std::string page_name(const CLI::App& app) {
  return app.get_parent() ? app.get_parent()->get_name() + "-" + app.get_name() : app.get_name();
}

std::string term_of(const CLI::Option& option) {
  std::string out;
  const auto add = [&](const std::string& name) { out += (out.empty() ? "\\fB" : ", \\fB") + plain(name) + "\\fR"; };
  for (const auto& name : option.get_snames()) add("-" + name);
  for (const auto& name : option.get_lnames()) add("--" + name);
  const std::string type = option.get_type_name();
  return option.get_items_expected_max() == 0 ? out : out + " \\fI" + plain(type.substr(0, type.find(':'))) + "\\fR";
}

std::string options_of(const CLI::App& app, const std::string& heading, const CLI::Option* skipped = nullptr) {
  std::string out;
  for (const CLI::Option* option : app.get_options()) {
    if (option == skipped) continue;
    const std::string term =
        option->get_positional() ? "\\fI" + plain(option->get_type_name()) + "\\fR" : term_of(*option);
    out += ".TP\n" + term + "\n" + plain(option->get_description()) + ".\n";
    if (!option->get_default_str().empty()) out += "Default: " + plain(option->get_default_str()) + ".\n";
    if (!option->get_envname().empty()) out += "Also taken from \\fB$" + option->get_envname() + "\\fR.\n";
  }
  return out.empty() ? out : ".SH " + heading + "\n" + out;
}

// What stands below the flags in --help: paragraphs, and examples one to a line.
std::string notes_of(const CLI::App& app) {
  std::istringstream lines(app.get_footer());
  std::string out;
  bool examples = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "Examples:") {
      examples = true;
      if (out.ends_with(".PP\n")) out.resize(out.size() - 4);
      out += ".SH EXAMPLES\n.nf\n";
    } else if (line.empty()) {
      out += examples ? "\n" : ".PP\n";
    } else {
      out += plain(line.substr(line.find_first_not_of(' '))) + "\n";
    }
  }
  if (examples) out += ".fi\n";
  return out.empty() || out.starts_with(".SH") ? out : ".SH NOTES\n" + out;
}

std::string synopsis_of(const CLI::App& app) {
  std::string out = ".SH SYNOPSIS\n\\fB" + plain(app.get_parent() ? "cairn " + app.get_name() : app.get_name()) +
                    "\\fR [\\fIFLAGS\\fR]";
  if (!app.get_parent()) return out + " \\fICOMMAND\\fR ...\n";
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional())
      out += (option->get_required() ? " \\fI" : " [\\fI") + plain(option->get_type_name()) +
             (option->get_required() ? "\\fR" : "\\fR]");
  return out + "\n";
}

std::string commands_of(const CLI::App& app) {
  std::string out = ".SH COMMANDS\n";
  for (const CLI::App* command : app.get_subcommands({}))
    out += ".TP\n\\fB" + plain(command->get_name()) + "\\fR\n" + plain(command->get_description()) + ".\nSee \\fB" +
           plain(page_name(*command)) + "\\fR(8).\n";
  return out;
}

constexpr const char* kFiles =
    ".SH FILES\n"
    ".TP\n\\fI/var/lib/docker\\fR\nThe data root that commands work on unless told otherwise.\n"
    ".TP\n\\fIROOT/.cairn\\-switch\\fR\nAfter a migration in place to another driver: the old store, until "
    "\\fB\\-\\-remove\\-source\\fR.\n"
    ".TP\n\\fITARGET/.cairn\\-migration\\fR\nWhat an unfinished migration remembers.\n";

}  // namespace

std::string manual_page(const CLI::App& app) {
  const std::string name = page_name(app);
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string out = ".TH " + plain(upper) +
                    " 8 \"\" \"cairn " CAIRN_VERSION "\" \"System administration\"\n.SH NAME\n" + plain(name) +
                    " \\- " + plain(app.get_description()) + "\n" + synopsis_of(app);
  if (app.get_parent()) {
    out += options_of(app, "OPTIONS") +
           options_of(*app.get_parent(), "OPTIONS OF EVERY COMMAND", app.get_parent()->get_help_ptr()) + notes_of(app);
    return out + ".SH SEE ALSO\n\\fBcairn\\fR(8)\n";
  }
  return out + commands_of(app) + options_of(app, "OPTIONS") + notes_of(app) + kFiles;
}

}  // namespace cairn
