#include "core/layer/tree_content.h"

#include "core/util/error.h"

namespace cairn {

static std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin < path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (end > begin) out.push_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

TreeContent::TreeContent(Tree tree) : tree_(std::move(tree)) {
  if (!tree_.empty()) open_dirs_.emplace_back("", tree_.root());
}

TreeNode TreeContent::find(const std::string& path) {
  const auto missing = [&] {
    return Error(Errc::not_found, "opening '" + printable(path) + "' in the layer: no such file");
  };
  const auto parts = components(path);
  if (open_dirs_.empty() || parts.empty()) throw missing();
  size_t known = 1;
  while (known < open_dirs_.size() && known < parts.size() && open_dirs_[known].first == parts[known - 1]) ++known;
  open_dirs_.erase(open_dirs_.begin() + static_cast<ptrdiff_t>(known), open_dirs_.end());
  for (; known < parts.size(); ++known) {
    auto next = open_dirs_.back().second.child(parts[known - 1]);
    if (!next) throw missing();
    if (!next->is_dir()) {  // a link on the way: the slow road knows how to stay inside
      auto found = tree_.find(path, Tree::Last::keep);
      if (!found) throw missing();
      return *found;
    }
    open_dirs_.emplace_back(parts[known - 1], std::move(*next));
  }
  auto node = open_dirs_.back().second.child(parts.back());
  if (!node) throw missing();
  return *node;
}

std::unique_ptr<ByteSource> TreeContent::open(const std::string& path) {
  TreeNode node = find(path);
  if (S_ISLNK(node.st().st_mode)) {
    auto target = tree_.find(path, Tree::Last::follow);
    if (target) node = *target;
  }
  if (!S_ISREG(node.st().st_mode))
    throw Error(Errc::corrupt, "opening '" + printable(path) + "' in the layer: it is no regular file any more");
  return content_of(node);
}

}  // namespace cairn
