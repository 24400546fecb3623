#include <algorithm>
#include <iterator>

#include "core/migrate/migrate.h"

namespace cairn {

MigrationReport as_report(const MigrationPlan& plan) {
  MigrationReport out;
  out.images = plan.images;
  out.layers = plan.layers;
  out.containers = plan.containers;
  out.state = plan.state;
  out.damage = plan.damage;
  return out;
}

bool MigrationReport::complete() const { return damage.empty() && !unfinished(); }

bool MigrationReport::unfinished() const {
  const auto failed = [](const auto& item) { return item.status == "failed"; };
  return std::any_of(images.begin(), images.end(), failed) || std::any_of(layers.begin(), layers.end(), failed) ||
         std::any_of(containers.begin(), containers.end(), failed) || std::any_of(state.begin(), state.end(), failed) ||
         std::any_of(damage.begin(), damage.end(), [](const Damage& one) { return one.kind == kVerifyFailed; });
}

void MigrationReport::append(MigrationReport part) {
  const auto move_all = [](auto& to, auto& from) { std::move(from.begin(), from.end(), std::back_inserter(to)); };
  move_all(images, part.images);
  move_all(layers, part.layers);
  move_all(containers, part.containers);
  move_all(state, part.state);
  move_all(damage, part.damage);
  bytes_hashed += part.bytes_hashed;
  bytes_copied += part.bytes_copied;
  files_linked += part.files_linked;
  seconds += part.seconds;
}

}  // namespace cairn
