// Which failures are of the whole run, and which of one thing that the others can do without.
#pragma once

#include "core/migrate/migrate.h"
#include "core/util/error.h"

namespace cairn {

// Another run goes on where this one ended. In a store that is about to take the place of the old one nothing may be
// missing that the next try could bring: there a failing disk is everybody's.
inline bool ends_run(const Error& error, const MigrateOptions& options) {
  const Errc code = error.code();
  return code == Errc::interrupted || code == Errc::no_space || (options.beside && code == Errc::io);
}

}  // namespace cairn
