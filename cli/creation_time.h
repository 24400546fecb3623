// When what is made now was made.
#pragma once

#include <string>

namespace cairn {

// RFC 3339, UTC: $SOURCE_DATE_EPOCH if that is set (seconds; UserError if it is no number), else the time it is.
std::string creation_time();

}  // namespace cairn
