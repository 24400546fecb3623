// The system calls that a disturbance can hit: those that read files, and those that change them.
#pragma once

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include <array>

enum Effect : unsigned {
  kReads = 1,
  kChanges = 2,
  kTakesSpace = 4,  // a full disk can refuse it
};

constexpr int kNone = -1;

// Where a call names the files it is about: descriptors, or a directory and a path in it. Indices of its arguments.
struct WatchedCall {
  int number;
  const char* name;
  unsigned effect;
  struct Place {
    int descriptor = kNone, path = kNone;
  };
  std::array<Place, 2> places;
};

constexpr WatchedCall kWatched[] = {
    {SYS_openat, "openat", kReads, {{{0, 1}, {}}}},
    {SYS_openat2, "openat2", kReads, {{{0, 1}, {}}}},
    {SYS_read, "read", kReads, {{{0}, {}}}},
    {SYS_pread64, "pread64", kReads, {{{0}, {}}}},
    {SYS_getdents64, "getdents64", kReads, {{{0}, {}}}},
    {SYS_newfstatat, "newfstatat", kReads, {{{0, 1}, {}}}},
    {SYS_readlinkat, "readlinkat", kReads, {{{0, 1}, {}}}},
    {SYS_getxattr, "getxattr", kReads, {{{kNone, 0}, {}}}},
    {SYS_lgetxattr, "lgetxattr", kReads, {{{kNone, 0}, {}}}},
    {SYS_fgetxattr, "fgetxattr", kReads, {{{0}, {}}}},
    {SYS_llistxattr, "llistxattr", kReads, {{{kNone, 0}, {}}}},
    {SYS_write, "write", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_pwrite64, "pwrite64", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_writev, "writev", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_copy_file_range, "copy_file_range", kReads | kChanges | kTakesSpace, {{{0}, {2}}}},
    {SYS_ioctl, "ioctl", kChanges | kTakesSpace, {{{0}, {}}}},  // of them FICLONE only
    {SYS_ftruncate, "ftruncate", kChanges, {{{0}, {}}}},
    {SYS_fallocate, "fallocate", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_fsync, "fsync", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_fdatasync, "fdatasync", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_syncfs, "syncfs", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_mkdirat, "mkdirat", kChanges | kTakesSpace, {{{0, 1}, {}}}},
    {SYS_mknodat, "mknodat", kChanges | kTakesSpace, {{{0, 1}, {}}}},
    {SYS_symlinkat, "symlinkat", kChanges | kTakesSpace, {{{1, 2}, {}}}},
    {SYS_linkat, "linkat", kChanges | kTakesSpace, {{{0, 1}, {2, 3}}}},
    {SYS_renameat, "renameat", kChanges | kTakesSpace, {{{0, 1}, {2, 3}}}},
    {SYS_renameat2, "renameat2", kChanges | kTakesSpace, {{{0, 1}, {2, 3}}}},
    {SYS_unlinkat, "unlinkat", kChanges, {{{0, 1}, {}}}},
    {SYS_setxattr, "setxattr", kChanges | kTakesSpace, {{{kNone, 0}, {}}}},
    {SYS_lsetxattr, "lsetxattr", kChanges | kTakesSpace, {{{kNone, 0}, {}}}},
    {SYS_fsetxattr, "fsetxattr", kChanges | kTakesSpace, {{{0}, {}}}},
    {SYS_fchmod, "fchmod", kChanges, {{{0}, {}}}},
    {SYS_fchmodat, "fchmodat", kChanges, {{{0, 1}, {}}}},
    {SYS_fchown, "fchown", kChanges, {{{0}, {}}}},
    {SYS_fchownat, "fchownat", kChanges, {{{0, 1}, {}}}},
    {SYS_utimensat, "utimensat", kChanges, {{{0, 1}, {}}}},
#ifdef SYS_unlink  // those that newer architectures do without
    {SYS_open, "open", kReads, {{{kNone, 0}, {}}}},
    {SYS_stat, "stat", kReads, {{{kNone, 0}, {}}}},
    {SYS_lstat, "lstat", kReads, {{{kNone, 0}, {}}}},
    {SYS_readlink, "readlink", kReads, {{{kNone, 0}, {}}}},
    {SYS_mkdir, "mkdir", kChanges | kTakesSpace, {{{kNone, 0}, {}}}},
    {SYS_rename, "rename", kChanges | kTakesSpace, {{{kNone, 0}, {kNone, 1}}}},
    {SYS_unlink, "unlink", kChanges, {{{kNone, 0}, {}}}},
#endif
};

// What a call does, as far as its arguments say; 0: nothing that a disturbance is about.
inline unsigned effect_of(const WatchedCall& call, const seccomp_data& data) {
  if (call.number == SYS_ioctl) return data.args[1] == FICLONE ? call.effect : 0;
  if (call.number != SYS_openat) return call.effect;
  const auto flags = static_cast<int>(data.args[2]);
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) return kChanges | kTakesSpace;
  return (flags & O_ACCMODE) == O_RDONLY ? kReads : kChanges;
}
