// A mount that ends with its scope.
#pragma once

#include <sys/mount.h>

#include <filesystem>
#include <string>

#include "core/util/error.h"

namespace cairn::test {

class TestMount {
 public:
  // Makes `target`. Throws if the machine cannot.
  TestMount(const std::string& type, const std::string& options, const std::filesystem::path& target)
      : target_(target) {
    std::filesystem::create_directories(target);
    if (::mount(type.c_str(), target.c_str(), type.c_str(), 0, options.c_str()) != 0)
      throw_errno("mounting " + type + " (" + options + ")");
  }
  ~TestMount() { ::umount2(target_.c_str(), MNT_DETACH); }
  TestMount(const TestMount&) = delete;

 private:
  std::filesystem::path target_;
};

}  // namespace cairn::test
