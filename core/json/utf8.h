// UTF-8 as Go counts it: overlong forms, surrogates and values beyond U+10FFFF are no characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cairn::go_json {

inline constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// Length of the character `text` begins with; 0 if there is none.
size_t utf8_length(std::string_view text) noexcept;
void append_utf8(std::string& out, uint32_t character);

}  // namespace cairn::go_json
