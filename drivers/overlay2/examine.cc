#include "drivers/overlay2/examine.h"

#include <algorithm>

#include "core/layer/parents.h"
#include "core/util/error.h"

namespace cairn::overlay2 {

namespace {

class Examination {
 public:
  Examination(const LayerHome& home, const Links& links, const LayerParents& parents)
      : home_(home), links_(links), parents_(parents) {}

  std::vector<Damage> run() {
    for (const auto& [id, parent] : parents_)
      if (home_.exists(id)) read_link(id);
    for (const auto& [id, parent] : parents_) {
      if (!home_.exists(id)) continue;
      check_link(id);
      check_lower(id);
    }
    return std::move(damage_);
  }

 private:
  void note(const std::string& kind, const LayerId& id, const std::string& detail) {
    damage_.push_back({"overlay2-" + kind, id.str(), detail});
  }

  void read_link(const LayerId& id) {
    try {
      const std::string link = links_.link_of(id);
      names_.emplace(id, link);
      ++users_[link];
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
      note("link-" + absent_or(id, "link", "invalid"), id, e.what());
    }
  }

  // "missing" or "empty" where the file is, else `otherwise`.
  std::string absent_or(const LayerId& id, const std::string& file, const std::string& otherwise) const {
    const auto st = stat_at(home_.fd(), id.str() + "/" + file);
    return !st ? "missing" : st->st_size == 0 ? "empty" : otherwise;
  }

  void check_link(const LayerId& id) {
    const auto name = names_.find(id);
    if (name == names_.end() || links_.target_of(name->second) == id) return;
    if (users_.at(name->second) > 1)
      note("link-duplicate", id, "its short name '" + printable(name->second) + "' is another layer's");
    else
      note("link-dangling", id, "'l/" + printable(name->second) + "' does not lead to it");
  }

  void check_lower(const LayerId& id) {
    const auto ancestors = ancestors_in(parents_, id);
    try {
      if (links_.lower_of(id) == text_for(ancestors)) return;
      const auto lowers = links_.lowers_of(id);
      const bool same = std::equal(lowers.begin(), lowers.end(), ancestors.begin(), ancestors.end(),
                                   [](const Lower& lower, const LayerId& ancestor) { return lower.id == ancestor; });
      if (same) return;
      const std::string what = absent_or(id, "lower", "mismatch");
      note("lower-" + what, id,
           what == "missing" ? "the file 'lower' is not there" : "its 'lower' names other layers than it lies on");
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
      note("lower-" + absent_or(id, "lower", "invalid"), id, e.what());
    }
  }

  // What `lower` holds over `ancestors`; nullopt without any, or where a name among them is lost.
  std::optional<std::string> text_for(const std::vector<LayerId>& ancestors) const {
    std::string out;
    for (const auto& ancestor : ancestors) {
      const auto name = names_.find(ancestor);
      if (name == names_.end()) return "";
      out += (out.empty() ? "l/" : ":l/") + name->second;
    }
    return out.empty() ? std::nullopt : std::optional(out);
  }

  const LayerHome& home_;
  const Links& links_;
  const LayerParents& parents_;
  std::map<LayerId, std::string> names_;
  std::map<std::string, size_t> users_;
  std::vector<Damage> damage_;
};

}  // namespace

std::vector<Damage> examine_records(const LayerHome& home, const Links& links, const LayerParents& parents) {
  return home.try_fd() ? Examination(home, links, parents).run() : std::vector<Damage>();
}

}  // namespace cairn::overlay2
