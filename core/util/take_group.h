#pragma once

namespace cairn {

// The directory gets the group of the one above it. With user namespaces that is how containers get through: their
// group may enter the root, the driver's directory, and each layer's, and nobody else may.
void take_group(int fd, int above_fd);

}  // namespace cairn
