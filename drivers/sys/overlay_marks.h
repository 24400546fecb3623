// overlayfs' own whiteouts, as drivers write them.
#pragma once

#include <sys/stat.h>

#include <string>

namespace cairn {

void write_whiteout(int dir_fd, const std::string& name);  // char device 0/0, mode 0, owner 0:0
void write_opaque(int dir_fd);                             // trusted.overlay.opaque=y
void clear_opaque(int dir_fd);
bool is_opaque(int dir_fd);
bool is_whiteout_device(const struct stat& st);

// Errc::unsupported where the directory is seen through an overlay, which shows no opaque mark of what it lies over:
// layers there would have again what they deleted.
void require_visible_marks(int dir_fd);

}  // namespace cairn
