// Both ends of `cairn migrate`: a root may hold several stores, each driver its own, and of either layout.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/store.h"
#include "core/interfaces/legacy_graph.h"
#include "core/migrate/migrate.h"
#include "core/migrate/survey.h"

namespace cairn {

struct MigrationPart {
  Store store;
  std::unique_ptr<LegacyGraph> graph;  // of Docker 0.7 to 1.9; none for what later engines wrote

  MigrationSource migration_source() const { return {store.root, *graph, *store.driver}; }  // of a graph
  std::string name() const { return store.driver_name + (graph ? " (graph)" : ""); }
  Survey survey(unsigned jobs) const;
  MigrationPlan plan(const MigrationTarget& target, const MigrateOptions& options) const;
  MigrationReport run(const MigrationPlan& plan, const MigrationTarget& target, const MigrateOptions& options,
                      Progress& progress) const;
};

struct MigrationSides {
  std::vector<MigrationPart> parts;
  Store target;           // the part's own root and driver when nothing but metadata is added in place
  bool in_place = false;  // no --to
  bool beside = false;    // in place, for another driver: the target is made below the root and then switched to
  MigrationTarget migration_target() const;  // refers to this object
  void make_target();                        // its root, if it is not there yet

  MigrateOptions options(unsigned jobs) const;  // as far as the sides determine them

  // What the switch to the new store exchanges or takes away, by name below the root.
  std::set<std::string> switched_parts() const;
};

}  // namespace cairn
