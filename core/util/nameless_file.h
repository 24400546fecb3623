// Files for what is needed for a while: without a name, so that they go with their descriptors and no crash leaves one.
#pragma once

#include <string>

#include "core/util/fd.h"

namespace cairn {

std::string temporary_directory();  // TMPDIR, else /var/tmp: what is large does not go into memory

// To write and to read, for this user only. Where the file system makes no files without names, it has one for a
// moment.
Fd make_nameless_file(const std::string& directory);

// Of those with O_TMPFILE, which can be given a name; no descriptor where the file system has none such.
Fd try_nameless_file_at(int dir_fd, const std::string& directory);

}  // namespace cairn
