// Runs the built program as a user would.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cairn::test {

struct Finished {
  int status = -1;  // exit status, or 128 + signal
  std::string out, err;
};

struct Running {
  std::string input = {};
  std::map<std::string, std::string> environment = {};
  bool as_nobody = false;
  bool close_output = false;     // nobody reads standard output
  bool terminal_output = false;  // standard output is a terminal
};

Finished run_cairn_program(const std::vector<std::string>& arguments, const Running& how = {});

}  // namespace cairn::test
