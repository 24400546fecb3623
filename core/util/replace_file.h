// Files that appear or change in one step: whoever reads sees the old content or the new, never less. They are written
// without a name (O_TMPFILE), so a crash leaves nothing; only replacing needs a second name, for a moment, which is
// locked from before it appears: one that can be locked has lost its maker.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace cairn {

enum class Durable { yes, no };  // no: for caches whose loss or damage is harmless

// `path` has this content and mode, whatever the umask, when this returns: on stable storage, with its name, if
// durable.
void replace_file_at(int dir_fd, const std::string& path, std::string_view content, mode_t mode,
                     Durable durable = Durable::yes);

// Removes what crashed processes left of replacing files in this very directory.
void remove_abandoned_files(int dir_fd);

}  // namespace cairn
