// Reading files somebody else wrote: only regular ones, never through a link in the last component, never more than
// asked.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/util/fd.h"

namespace cairn {

// Whole content. Errc::corrupt for a directory, device, pipe, socket or symbolic link, and beyond `limit` bytes.
std::string read_regular_at(int dir_fd, const std::string& path, size_t limit = 16u << 20);
std::optional<std::string> try_read_regular_at(int dir_fd, const std::string& path, size_t limit = 16u << 20);
Fd open_regular_at(int dir_fd, const std::string& path);

// nullopt where `path` does not exist; symbolic links are followed (people move parts of a root to other disks).
std::optional<Fd> try_open_dir(int dir_fd, const std::string& path);

// renameat(2); `what` names the object in the message.
void rename_at(int from_fd, const std::string& from, int to_fd, const std::string& to, const std::string& what);

// One path component that cannot leave its directory nor hide: [A-Za-z0-9_.-]+, at most 200 bytes, no leading dot.
bool valid_name(std::string_view text) noexcept;

std::string trimmed(std::string_view text);
std::optional<int64_t> parse_int64(std::string_view text) noexcept;  // as Go's ParseInt(text, 10, 64)

}  // namespace cairn
