// What --format knows of Go's templates: text with "{{action}}" in it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/json.h"

namespace cairn {

struct TemplatePart {
  std::string literal;                // in front of the action; '\t' and '\n' are resolved
  std::optional<std::string> action;  // without braces and blanks; none in the last part
};
// Errc::invalid for "{{" without "}}".
std::vector<TemplatePart> split_template(std::string_view text);

// --format of documents: "{{.Field.Of.Field}}" and "{{json .Field}}"; "json" alone is "{{json .}}".
class DocumentTemplate {
 public:
  explicit DocumentTemplate(std::string_view text);  // Errc::invalid for anything else between braces

  // With a newline. Values as Go prints them: "[a b]", "map[k:v]". Errc::not_found for a field that is not there.
  std::string render(const Json& document) const;

 private:
  struct Part {
    std::string literal;
    bool action = false, json = false;
    std::vector<std::string> path;
  };
  static void read_action(std::string_view action, Part& part);
  std::vector<Part> parts_;
};

}  // namespace cairn
