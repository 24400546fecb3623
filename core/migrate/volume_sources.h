#pragma once

#include <filesystem>
#include <string>

namespace cairn {

// config.v2.json for an engine on `root`: the sources of mounts of its own volumes lie there, all else keeps its bytes.
// Engines know a volume by its name, but look at the source that is written down before they start a container, and
// refuse one that leads nowhere. A source in /var/lib/docker stays where `root` is /mnt/disk/var/lib/docker: it is
// going to be right.
std::string with_volumes_in(const std::string& config, const std::filesystem::path& root);

}  // namespace cairn
