#include "cli/two_trees.h"

#include "cli/exit.h"

namespace cairn {

TwoTrees two_trees(const Objects& objects, const std::string& name, const std::string& base) {
  TwoTrees out{objects.find(name), {}, {}, base.empty()};
  out.tree = objects.tree(out.subject);
  if (!base.empty()) {
    out.base = objects.tree(objects.find(base));
  } else if (out.subject.below_known) {
    out.base = while_doing([&] { return "reading what " + out.subject.label + " lies on"; },
                           [&] { return objects.tree(out.subject.below); });
  } else {
    throw UserError(Errc::invalid,
                    "comparing " + out.subject.label + ": nothing says what it lies on; name it as second argument");
  }
  return out;
}

}  // namespace cairn
