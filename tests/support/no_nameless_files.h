// What file systems such as vfat and NFS do not have: files without a name.
#pragma once

#include <functional>

namespace cairn::test {

// Runs `body` in a thread in which the kernel refuses to make files with O_TMPFILE, as those file systems do, and in
// the threads that it starts. False, without running it, where the kernel filters no system calls.
bool without_nameless_files(const std::function<void()>& body);

}  // namespace cairn::test
