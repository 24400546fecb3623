// What to do with a root, from what it is and where it lies.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cairn {

struct RootScan;

inline constexpr const char* kNewRoot = "/var/lib/docker";  // where engines look for theirs

// What the choice depends on besides the root itself.
struct Surroundings {
  std::vector<std::string> usable{};  // drivers of current engines that a new store could have here, best first
  std::vector<std::pair<std::string, std::string>> unusable{};  // other such drivers, and why not
  bool read_only = false;                                       // the root's file system
  bool thin_pools = true;                                       // the kernel has them
  bool is_new_root = false;                                     // the root is where engines look for theirs
  bool new_root_is_free = false;                                // /var/lib/docker: nothing is there yet
  std::string new_root = kNewRoot;  // where engines look for such a root: below it with user namespaces
  std::string only{};               // the source's driver, if one of several is meant
  std::string engine{};             // "dockerd, pid 12": one that runs on the root
};

struct Way {  // arguments of migrate
  bool in_place = false;
  std::string target, driver;  // driver "": it stays
};
struct Step {
  std::string command, why;
};
struct Advice {
  std::string why;          // is there something to be done, and what for
  std::optional<Way> way;   // none: nothing
  std::vector<Step> steps;  // command lines, to be run one after another
  std::vector<std::string> notes;
};

Advice advise(const RootScan& scan, const Surroundings& here);

// A word of a shell's command line.
std::string shell_word(const std::string& text);

}  // namespace cairn
