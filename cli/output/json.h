// Documents for machines. Keys keep the order they were given; text that is not UTF-8 is shown with U+FFFD.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace cairn {

using Json = nlohmann::ordered_json;

std::string json_document(const Json& value);  // indented, ends with a newline
std::string json_line(const Json& value);      // one line, ends with a newline

// `text` as a JSON value, for documents that embed an engine's own. Throws Errc::corrupt, naming `what`.
Json read_json(const std::string& text, const std::string& what);

// "" becomes null.
Json text_or_null(const std::string& text);

}  // namespace cairn
