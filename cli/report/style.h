// How reports and pictures look, in the light and in the dark.
#pragma once

#include <string>

namespace cairn {

std::string page_style();  // of a report

// Of a picture in a file of its own. No custom properties: beside browsers few programs that show SVG know them.
std::string picture_style();

}  // namespace cairn
