#include "drivers/overlay2/links.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>

#include "core/util/error.h"

namespace cairn::overlay2 {

std::string link_id(const std::string& random) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char byte : random) {
    bits = (bits << 8) | static_cast<unsigned char>(byte);
    for (count += 8; count >= 5; count -= 5) out += kAlphabet[(bits >> (count - 5)) & 31];
  }
  return out.substr(0, 26);
}

bool is_link_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/,:\\\n\0", 6)) == std::string_view::npos;
}

static std::string without_newline(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

[[noreturn]] static void throw_damaged(const LayerId& id, const std::string& file, const std::string& why) {
  throw Error(Errc::corrupt, "reading '" + id.str() + "/" + file + "' of overlay2: " + why);
}

static std::optional<std::string> try_link_of(int home, const std::string& dir) {
  const auto layer = try_open_at(home, dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!layer) return std::nullopt;
  const auto st = stat_at(layer->get(), "link");
  if (!st || !S_ISREG(st->st_mode) || st->st_size > NAME_MAX + 1) return std::nullopt;
  const std::string text = without_newline(read_file_at(layer->get(), "link"));
  return is_link_name(text) ? std::optional(text) : std::nullopt;
}

std::string Links::link_of(const LayerId& id) const {
  const Fd layer = home_.open(id);
  const auto link = try_link_of(home_.fd(), id.str());
  if (!link)
    throw_damaged(id, "link",
                  std::string(exists_at(layer.get(), "link") ? "it holds no link name" : "the file is missing") +
                      "; its name is that of the entry in l/ that leads to this layer; writing it there restores it");
  return *link;
}

std::string Links::new_link(const LayerId& id) const {
  ensure_dir_at(home_.fd(), "l", 0700);
  const Fd l = open_dir_at(home_.fd(), "l");
  const std::string target = "../" + id.str() + "/diff";
  for (;;) {
    const std::string link = link_id(random_bytes(17));
    if (::symlinkat(target.c_str(), l.get(), link.c_str()) == 0) return link;
    if (errno != EEXIST) throw_errno("linking 'l/" + link + "' to '" + target + "'");
  }
}

// The layer a link leads to: by the last two components, since engines accept absolute links, and roots get moved.
std::optional<LayerId> Links::target_of(const std::string& link) const {
  char buffer[PATH_MAX];
  const ssize_t n = ::readlinkat(home_.fd(), ("l/" + link).c_str(), buffer, sizeof buffer);
  if (n <= 0) return std::nullopt;
  const std::string_view text(buffer, static_cast<size_t>(n));
  const size_t last = text.rfind('/');
  if (last == std::string_view::npos || text.substr(last) != "/diff") return std::nullopt;
  const size_t before = text.rfind('/', last - 1);
  if (last == 0 || before == std::string_view::npos) return std::nullopt;
  const std::string_view above = text.substr(0, before), id = text.substr(before + 1, last - before - 1);
  if ((above != ".." && !text.starts_with('/')) || !LayerId::valid(id) || home_.reserves(id)) return std::nullopt;
  return LayerId(std::string(id));
}

void Links::remove_links(const LayerId& id, const std::string& dir) const {
  const auto l = try_open_at(home_.fd(), "l", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!l) return;
  const auto known = try_link_of(home_.fd(), dir);
  const auto candidates = known ? std::vector{*known} : list_dir(l->get());  // a damaged layer: look for it
  for (const auto& link : candidates)
    if (target_of(link) == id && ::unlinkat(l->get(), link.c_str(), 0) != 0 && errno != ENOENT)
      throw_errno("removing 'l/" + printable(link) + "'");
}

std::map<std::string, LayerId> Links::read_all_links() const {
  std::map<std::string, LayerId> out;
  for (const auto& id : home_.list())
    if (const auto link = try_link_of(home_.fd(), id.str())) out.emplace(*link, id);
  return out;
}

Lower Links::resolve(const std::string& link, const LayerId& user, std::map<std::string, LayerId>& rebuilt) const {
  if (const auto id = target_of(link); id && home_.exists(*id)) return {"l/" + link, *id};
  if (rebuilt.empty()) rebuilt = read_all_links();
  if (const auto found = rebuilt.find(link); found != rebuilt.end())
    return {found->second.str() + "/diff", found->second};
  throw_damaged(user, "lower",
                "it names 'l/" + link +
                    "', which is missing or leads nowhere, and no layer's 'link' file has that name; "
                    "the layer below is lost; removing the images on it and loading them again brings it back");
}

static const std::string kLowerHolds = "it would hold 'l/LINK' of the layers below, nearest first, joined by colons";
static constexpr off_t kLongestLower = (NAME_MAX + 8) * (kMaxLowers + 1);

std::optional<std::string> Links::lower_file(const LayerId& id, const Fd& layer) const {
  const auto st = stat_at(layer.get(), "lower");
  if (!st) {
    // Both are made with a parent only. Taken for a base layer it would show wrong content without any error.
    if (exists_at(layer.get(), "work"))
      throw_damaged(id, "lower", "the file is missing, but the layer has a parent; " + kLowerHolds);
    return std::nullopt;
  }
  if (!S_ISREG(st->st_mode)) throw_damaged(id, "lower", "it is no regular file");
  if (st->st_size > kLongestLower) throw_damaged(id, "lower", "it is larger than any list of layers");
  std::string text = without_newline(read_file_at(layer.get(), "lower"));
  if (text.empty()) throw_damaged(id, "lower", "it is empty, as after a power cut; " + kLowerHolds);
  return text;
}

static std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (size_t i = 0; i <= text.size();) {
    const size_t end = std::min(text.find(':', i), text.size());
    out.push_back(text.substr(i, end - i));
    i = end + 1;
  }
  return out;
}

std::optional<std::string> Links::lower_of(const LayerId& id) const { return lower_file(id, home_.open(id)); }

std::vector<Lower> Links::lowers_of(const LayerId& id) const {
  std::vector<Lower> out;
  const Fd layer = home_.open(id);
  const auto text = lower_file(id, layer);
  if (!text) return out;
  const auto entries = split(*text);
  if (entries.size() > kMaxLowers)
    throw_damaged(id, "lower",
                  "it names " + std::to_string(entries.size()) + " layers, and the driver's limit is " +
                      std::to_string(kMaxLowers));
  std::map<std::string, LayerId> rebuilt;
  for (const auto& entry : entries) {
    const size_t slash = entry.find('/');
    const std::string first = entry.substr(0, slash), rest = slash == std::string::npos ? "" : entry.substr(slash + 1);
    if (first == "l" && is_link_name(rest))
      out.push_back(resolve(rest, id, rebuilt));
    else if (rest == "diff" && LayerId::valid(first) && !home_.reserves(first) && home_.exists(LayerId(first)))
      out.push_back({entry, LayerId(first)});
    else
      throw_damaged(id, "lower", "'" + printable(entry, 80) + "' is no entry of the kind l/NAME that leads to a layer");
  }
  return out;
}

std::string Links::lower_text(const LayerId& parent) const {
  const size_t below = lowers_of(parent).size();  // and so known to be whole
  if (below >= kMaxLowers)
    throw Error(Errc::unsupported, "making a layer on '" + parent.str() + "': it has " + std::to_string(below) +
                                       " parents already, and overlay2's limit is " + std::to_string(kMaxLowers));
  const auto text = lower_file(parent, home_.open(parent));
  return "l/" + link_of(parent) + (text ? ":" + *text : "");
}

}  // namespace cairn::overlay2
