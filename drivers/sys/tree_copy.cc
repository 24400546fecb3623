#include "drivers/sys/tree_copy.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/archive/copy_file.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "drivers/sys/implied.h"

namespace cairn {

static Attributes attributes_of(const struct stat& st, const Xattrs& xattrs) {
  return {st.st_uid, st.st_gid, st.st_mode & 07777, st.st_atim, st.st_mtim, &xattrs};
}

static bool linked(const TreeNode& node, const CopyPlace& to) {
  if (::linkat(node.source_dir(), node.source_name().c_str(), to.fd, node.name().c_str(), 0) == 0) return true;
  if (errno != EMLINK) throw_errno("linking it");
  return false;
}

void TreeCopy::copy(const TreeNode& node, const CopyPlace& to) {
  while_doing([&] { return "copying '" + printable(to.path + node.name()) + "'"; },
              [&] {
                if (node.is_dir()) return copy_dir(node, to);
                if (files_ == Files::linked && linked(node, to)) return;
                const struct stat& st = node.st();
                std::string* first = st.st_nlink > 1 ? &linked_[{st.st_dev, st.st_ino}] : nullptr;
                if (first && !first->empty()) {
                  if (::linkat(root_, first->c_str(), to.fd, node.name().c_str(), 0) != 0) throw_errno("linking it");
                  return;
                }
                const Xattrs xattrs = node.xattrs();
                S_ISREG(st.st_mode) ? copy_file(node, to, attributes_of(st, xattrs))
                                    : copy_node(node, to, attributes_of(st, xattrs));
                if (first) *first = to.path + node.name();
              });
}

void TreeCopy::copy_dir(const TreeNode& node, const CopyPlace& to) {
  check_interrupt();
  if (::mkdirat(to.fd, node.name().c_str(), 0700) != 0) throw_errno("making the directory");
  const Fd fd = open_dir_at(to.fd, node.name());
  const CopyPlace here{fd.get(), to.path + node.name() + "/", to.gives_its_group};  // inherited until the owner is set
  for (const auto& child : node.children()) copy(child, here);
  copy_dir_attributes(node, fd.get());
}

void TreeCopy::copy_file(const TreeNode& node, const CopyPlace& to, const Attributes& wanted) {
  const Fd from = node.open_file();
  const mode_t plain = wanted.mode & 0777;
  const Fd fd = open_at(to.fd, node.name(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, plain);
  const off_t size = node.st().st_size;
  if (size > 0 && reflinks_) reflinks_ = reflink(from.get(), fd.get());
  if (size > 0 && !reflinks_) copy_content(from.get(), fd.get(), size);
  set_attributes({to.fd, node.name(), fd.get()}, S_IFREG, wanted, creation_.of(plain, false, to.gives_its_group));
}

void TreeCopy::copy_node(const TreeNode& node, const CopyPlace& to, const Attributes& wanted) {
  const struct stat& st = node.st();
  const int failed = S_ISLNK(st.st_mode)
                         ? ::symlinkat(node.link_target().c_str(), to.fd, node.name().c_str())
                         : ::mknodat(to.fd, node.name().c_str(), st.st_mode & (S_IFMT | 0777), st.st_rdev);
  if (failed != 0) throw_errno("making it");
  set_attributes({to.fd, node.name()}, st.st_mode & S_IFMT, wanted,
                 creation_.of(wanted.mode & 0777, false, to.gives_its_group));
}

}  // namespace cairn
