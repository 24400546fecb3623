// Lists in messages.
#pragma once

#include <string>
#include <vector>

namespace cairn {

// "a, b, c": at most five, and how many more there are.
std::string few_names(const std::vector<std::string>& names);

}  // namespace cairn
