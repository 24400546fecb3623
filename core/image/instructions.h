// Dockerfile instructions that change how an image is run: `--change` of import and commit. Docker's own ten, and
// STOPSIGNAL and SHELL.
#pragma once

#include <span>
#include <string>

#include "core/image/config_json.h"

namespace cairn {

// `config` after `changes`, each one instruction or several lines of them, as Docker's builder would have left it.
// Errc::invalid names the instruction and what is wrong with it.
RunConfig apply_instructions(RunConfig config, std::span<const std::string> changes);

}  // namespace cairn
