#include "core/migrate/graph/examine_tar_data.h"

#include "core/migrate/layer_tar.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {

// "" where it is in order.
static std::string wrong_with(const MigrationSource& source, const SourceTrees& trees, const std::string& id) {
  try {
    const auto content = content_of_tar_split(*source.graph.open_tar_split(id));
    const bool cheap_tree = !source.driver.layers_stand_alone();  // no device need be mounted
    if (cheap_tree && !tree_has_some_of(content.names, trees.tree(LayerId(id)))) return "it is another layer's";
    return "";
  } catch (const Error& e) {
    if (e.code() == Errc::interrupted) throw;
    return e.code() == Errc::io ? "" : e.what();  // it may be all right on another day
  }
}

void examine_tar_data(const MigrationSource& source, const std::set<std::string>& done, unsigned jobs,
                      Selection& selection) {
  std::vector<std::string> wrong(selection.images.size());
  run_parallel(jobs, selection.images.size(), [&](size_t i) {
    check_interrupt();
    const LegacyImage& image = *selection.images[i];
    if (image.has_tar_split && image.error.empty() && !done.contains(image.id))
      wrong[i] = wrong_with(source, selection.trees, image.id);
  });
  for (size_t i = 0; i < wrong.size(); ++i)
    if (!wrong[i].empty()) selection.damage.push_back({"tar-data-unusable", selection.images[i]->id, wrong[i]});
}

}  // namespace cairn
