// write_manual DIRECTORY   the manual pages, for the build to install
#include <cstdio>
#include <fstream>

#include "cli/app.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: write_manual DIRECTORY\n", stderr);
    return 2;
  }
  for (const auto& [name, page] : cairn::manual_pages()) {
    std::ofstream file(std::string(argv[1]) + "/" + name + ".8");
    file << page;
    if (!file.flush()) {
      std::fprintf(stderr, "write_manual: cannot write '%s.8' in '%s'\n", name.c_str(), argv[1]);
      return 1;
    }
  }
  return 0;
}
