// What `import` and `commit` have in common: how the image is run, and what is said of it.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/globals.h"
#include "core/digest/digest.h"
#include "core/image/reference.h"

namespace cairn {

void add_change_flag(CLI::App& app, std::vector<std::string>& changes);

// Its ID alone, or with --json an object with id and tag.
void print_made(const ImageId& id, const std::optional<Reference>& name, const Globals& globals);

}  // namespace cairn
