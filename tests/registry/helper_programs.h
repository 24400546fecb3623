// Credential helpers of a test's own, the only ones in the PATH besides the system's.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::test {

class HelperPrograms {
 public:
  HelperPrograms() : path_(std::getenv("PATH")) {
    ::setenv("PATH", ((dir_ / "bin").string() + ":" + path_).c_str(), 1);
  }
  ~HelperPrograms() { ::setenv("PATH", path_.c_str(), 1); }
  HelperPrograms(const HelperPrograms&) = delete;

  void add(const std::string& name, const std::string& shell) {
    const auto path = dir_ / "bin" / ("docker-credential-" + name);
    write_file(path, "#!/bin/sh\n" + shell);
    std::filesystem::permissions(path, std::filesystem::perms::all);
  }
  // One that answers `credential` whatever it is asked about, and writes that down.
  void add_answering(const std::string& name, const std::string& user, const std::string& secret) {
    add(name, "cat >" + asked().string() + "\necho '{\"ServerURL\":\"x\",\"Username\":\"" + user + "\",\"Secret\":\"" +
                  secret + "\"}'");
  }
  std::filesystem::path asked() const { return dir_ / "asked"; }

 private:
  TempDir dir_;
  std::string path_;
};

}  // namespace cairn::test
