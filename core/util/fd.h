// File descriptors that close themselves, and the few system calls everything here is written in. All paths are
// relative to a directory descriptor; nothing in core/ depends on the current directory.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cairn {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { reset(); }
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept;
  int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

// O_CLOEXEC is always added. Throws by errno ("opening 'path'").
Fd open_at(int dir_fd, const std::string& path, int flags, mode_t mode = 0);
std::optional<Fd> try_open_at(int dir_fd, const std::string& path, int flags,
                              mode_t mode = 0);       // nullopt on ENOENT only
Fd open_dir(const std::string& path);                 // absolute or relative to the current directory
Fd open_dir_at(int dir_fd, const std::string& path);  // O_DIRECTORY | O_NOFOLLOW
Fd dup_fd(int fd);

std::optional<struct stat> stat_at(int dir_fd, const std::string& path);  // lstat; nullopt on ENOENT and ENOTDIR
bool exists_at(int dir_fd, const std::string& path);

// The whole file, at most `limit` bytes (throws Errc::corrupt beyond it). nullopt on ENOENT only.
std::string read_file_at(int dir_fd, const std::string& path, size_t limit = 16u << 20);
std::optional<std::string> try_read_file_at(int dir_fd, const std::string& path, size_t limit = 16u << 20);

// Writes all of it, whatever the number of write(2) calls.
void write_all(int fd, std::span<const char> bytes);
void write_all(int fd, std::span<const char> bytes, const std::string& name);  // what messages call the file
size_t read_some(int fd, std::span<char> into);                                // 0 at end of file
size_t read_full(int fd, std::span<char> into);                                // less than asked only at end of file

// A new file of exactly this content and mode, whatever the umask. Not durable. Throws already_exists.
void create_file_at(int dir_fd, const std::string& path, std::string_view content, mode_t mode);

void mkdir_at(int dir_fd, const std::string& path, mode_t mode);        // mode as given, whatever the umask
bool ensure_dir_at(int dir_fd, const std::string& path, mode_t mode);   // true if made; an existing directory is fine
void ensure_dirs_at(int dir_fd, const std::string& path, mode_t mode);  // all components

// Names in a directory, sorted bytewise, without "." and "..".
std::vector<std::string> list_dir(int dir_fd);
// Removes whatever `name` is, recursively, never following links or crossing into another file system's mount
// (in_use then). Absent is success.
void remove_tree_at(int dir_fd, const std::string& name);

void fsync_fd(int fd, const std::string& what);
void sync_file_system(int fd);  // syncfs(2); reports write-back errors

// The path an open descriptor has now, for messages and for mount(2).
std::string path_of(int fd);

}  // namespace cairn
