// What --format knows of Go's templates: text with "{{action}}" in it.
#pragma once

#include <initializer_list>
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

// A document as docker's templates see it: its client fills them from structures, which have all their members, and, if
// they name one that these lack, from the engine's answer.
struct TemplateData {
  Json document;    // the answer
  Json structures;  // values that Go prints in a way of their own are texts; see kGoStructure
  Json zeros;       // what {{json}} gives for members that the answer leaves out
};
// The first member, null, of an object that Go prints as a structure: "{a b}" instead of "map[A:a B:b]".
constexpr const char* kGoStructure = "";

// --format of documents: "{{.Field.Of.Field}}" and "{{json .Field}}"; "json" alone is "{{json .}}".
class DocumentTemplate {
 public:
  explicit DocumentTemplate(std::string_view text);  // Errc::invalid for anything else between braces

  // With a newline. Values as Go prints them: "[a b]", "map[k:v]". Errc::not_found for a field that is not there.
  std::string render(const Json& document) const;
  std::string render(const TemplateData& data) const;

 private:
  struct Part {
    std::string literal;
    bool action = false, json = false;
    std::vector<std::string> path;
  };
  using Documents = std::initializer_list<const Json*>;  // a field is that of the first that has it
  std::string render(Documents words, Documents json) const;
  static void read_action(std::string_view action, Part& part);
  std::vector<Part> parts_;
};

}  // namespace cairn
