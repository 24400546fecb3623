// What is damaged in a source, and what migrating does about it. Only reads; hashes nothing but what is damaged.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"

namespace cairn {

struct Survey {
  std::vector<Damage> damage;
  std::set<std::string> lost;  // ids of the images and containers that cannot come over, and the names of such images
};

Survey survey(const MigrationSource& source, unsigned jobs);
Survey survey(const ContentSource& source, unsigned jobs);

// `found`: what another look at the same source found, which knows of no repair. Afterwards it has all of both.
void add_survey(const Survey& survey, std::vector<Damage>& found);

// Fills in what migrating does about damage where that is always the same for its kind.
void describe_repairs(std::vector<Damage>& damage);

}  // namespace cairn
