// What `import` and `commit` have in common: how the image is run, and what is said of it.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/globals.h"
#include "core/digest/digest.h"
#include "core/image/reference.h"
#include "core/interfaces/metadata_store.h"
#include "core/interfaces/progress.h"
#include "core/layer/layer_store.h"

namespace cairn {

void add_change_flag(CLI::App& app, std::vector<std::string>& changes);

// Gives it the name, if there is one, ends the progress, and prints its ID, or with --json an object with id and tag.
void finish_made(const ImageId& id, const std::optional<Reference>& name, LayerStore& layers, MetadataStore& metadata,
                 std::unique_ptr<Progress> progress, const Globals& globals);

}  // namespace cairn
