#include "core/image/sources/member_links.h"

#include "core/util/error.h"

namespace cairn {

std::string member_name(std::string_view name) { return clean_path("/" + std::string(name)); }

void MemberLinks::add(const TarEntry& link) {
  const std::string name = member_name(link.name);
  const bool from_folder = link.type == TarType::symlink && !link.link_target.starts_with('/');
  links_[name] = member_name(from_folder ? name + "/../" + link.link_target : link.link_target);
}

std::string MemberLinks::resolve(const std::string& name) const {
  std::string path = member_name(name);
  for (int hops = 0; hops <= 40; ++hops) {
    auto link = links_.end();
    size_t slash = 0;
    while (slash != std::string::npos && link == links_.end()) {
      slash = path.find('/', slash + 1);
      link = links_.find(path.substr(0, slash));
    }
    if (link == links_.end()) return path;
    path = member_name(link->second + (slash == std::string::npos ? "" : path.substr(slash)));
  }
  throw Error(Errc::corrupt, "following the links of '" + printable(name) + "': more than 40");
}

}  // namespace cairn
