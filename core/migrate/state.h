// What an unfinished migration remembers below TARGET/.cairn-migration: whose migration it is, and the layers already
// hashed. Entries are checked when they are read back, so a power cut costs work and nothing else. Gone when all is
// done.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/digest/digest.h"
#include "core/layer/store_lock.h"
#include "core/migrate/migrate.h"
#include "core/util/fd.h"

namespace cairn {

struct HashedLayer {
  DiffId diff;
  int64_t size = 0;             // sum of the entry sizes
  bool from_tar_split = false;  // false: a fresh diff, whose tar-split data lies in the state directory
  std::string warning;          // why the source's tar-split data could not be used
};

struct SourceIdentity {
  std::string driver, path;
  Digest ids;        // of all its image ids
  std::string part;  // of those of its root: goes into names of files
};
SourceIdentity identity_of(const MigrationSource& source);
SourceIdentity identity_of(const ContentSource& source);

class MigrationState {
 public:
  // Throws already_exists if the directory at `root_fd` holds the state of another source. Creates nothing.
  MigrationState(int root_fd, const SourceIdentity& source);
  // Makes the directory and holds it. Errc::in_use if another run does.
  [[nodiscard]] FileLock begin();
  bool resumed() const { return resumed_; }  // an earlier run was not finished, and no engine has worked there since

  std::optional<HashedLayer> load(const std::string& id) const;
  // `id`.tar-split.gz, to be written before save(); the file of a fresh diff only.
  Fd create_tar_split(const std::string& id);
  std::string read_tar_split(const std::string& id) const;  // gzip bytes
  Fd open_tar_split(const std::string& id) const;
  void save(const std::string& id, const HashedLayer& layer);

  void remove();  // everything

 private:
  Fd dir() const;
  std::string file_of(const std::string& id) const;
  Fd root_;
  std::string identity_;  // JSON text
  std::string part_;
  bool resumed_ = false;
};

// Mapping of v1 ids to image IDs, in the file and form of Docker's own migration (ROOT/.migration-v1-images.json).
// Of a damaged file what is whole before the damage, which is noted.
std::map<std::string, ImageId> read_mapping(int root_fd, std::vector<Damage>* damage = nullptr);
void write_mapping(int root_fd, const std::map<std::string, ImageId>& mapping);

}  // namespace cairn
