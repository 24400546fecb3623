// Text that came from a disk, fit for a page.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// `text` as content or quoted attribute of HTML and SVG: nothing in it is markup, control bytes and what reorders text
// are shown as escapes.
std::string html(std::string_view text, size_t limit = 300);

// At most `width` characters, the middle left out.
std::string shortened(const std::string& utf8, size_t width);

}  // namespace cairn
