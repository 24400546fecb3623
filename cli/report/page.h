// The report of a migration as one HTML page that needs nothing else: to be opened, printed, sent to a colleague.
#pragma once

#include <string>

#include "cli/migration_frame.h"
#include "core/migrate/migrate.h"

namespace cairn {

std::string report_page(const MigrationReport& report, const MigrationFrame& frame);

}  // namespace cairn
