// Text as it goes into a URL's query or a form (RFC 3986).
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// Everything but letters, digits and "-._~" as %XX.
std::string percent_encoded(std::string_view text);

}  // namespace cairn
