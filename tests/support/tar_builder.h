// Tars for tests, header by header: whatever a hostile or old writer could put there.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace cairn::test {

struct RawEntry {
  std::string name{};  // longer than 100 bytes: as a PAX record
  char type = '0';
  std::string content{};
  std::string link{};
  uint32_t mode = 0644;
  uint64_t uid = 0, gid = 0;
  int64_t mtime = 1700000000;
  uint32_t major = 0, minor = 0;
  std::map<std::string, std::string> pax{};  // records of this entry ("SCHILY.xattr.user.a", "mtime", …)
  int64_t size = -1;                         // of the header, where it is to differ from the content's
  bool bad_checksum = false;
};

class TarBuilder {
 public:
  TarBuilder& add(const RawEntry& entry);
  TarBuilder& file(const std::string& name, const std::string& content = "", uint32_t mode = 0644);
  TarBuilder& dir(const std::string& name, uint32_t mode = 0755);
  TarBuilder& symlink(const std::string& name, const std::string& target);
  TarBuilder& link(const std::string& name, const std::string& target);
  TarBuilder& global(const std::map<std::string, std::string>& records);
  TarBuilder& bytes(const std::string& raw);  // as they are
  std::string str() const;                    // with two zero blocks
  const std::string& unfinished() const { return tar_; }

 private:
  std::string tar_;
};

std::string pax_records(const std::map<std::string, std::string>& records);

}  // namespace cairn::test
