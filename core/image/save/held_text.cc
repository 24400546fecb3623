// What a text says of layers that are there. A DiffID does not say on which layers it lies, and an archive without a
// layer is of no use where that lies elsewhere: so DiffIDs count only where the text has all of an image's, base first.
#include "core/image/instruction_line.h"
#include "core/image/save/held_layers.h"
#include "core/json/go_json.h"
#include "core/json/scanner.h"
#include "core/util/error.h"

namespace cairn {
namespace {

using go_json::Kind;
using go_json::kind_of;

size_t add_image(const std::vector<DiffId>& diffs, HeldLayers& into) {
  into.add_image(diffs);
  return diffs.size();
}

size_t add_image(const std::vector<std::string_view>& elements, HeldLayers& into) {
  std::vector<DiffId> diffs;
  for (const auto raw : elements) {
    const auto diff = kind_of(raw) == Kind::string ? DiffId::parse(go_json::unquote(raw)) : std::nullopt;
    if (!diff) break;  // what follows lies on it
    diffs.push_back(*diff);
  }
  return add_image(diffs, into);
}

// Of an image: its configuration, or what `inspect` and cairn's --json say of it.
size_t add_object(std::string_view raw, HeldLayers& into) {
  const auto members = go_json::members(raw);
  size_t count = 0;
  if (const auto* chain = go_json::find_field(members, "chain_id"); chain && kind_of(chain->raw) == Kind::string)
    if (const auto id = ChainId::parse(go_json::unquote(chain->raw))) into.add(*id), ++count;
  const auto* rootfs = go_json::find_field(members, "RootFS");
  if (!rootfs || kind_of(rootfs->raw) != Kind::object) return count;
  const auto inner = go_json::members(rootfs->raw);
  for (const char* key : {"Layers", "diff_ids"})
    if (const auto* list = go_json::find_field(inner, key); list && kind_of(list->raw) == Kind::array)
      count += add_image(go_json::elements(list->raw), into);
  return count;
}

// One image, an array of them, or the array of DiffIDs that one of them has.
size_t add_value(std::string_view raw, HeldLayers& into) {
  if (kind_of(raw) == Kind::object) return add_object(raw, into);
  const auto elements = go_json::elements(raw);
  if (!elements.empty() && kind_of(elements.front()) == Kind::string) return add_image(elements, into);
  size_t count = 0;
  for (const auto element : elements)
    if (kind_of(element) == Kind::object) count += add_object(element, into);
  return count;
}

size_t add_listed(std::string_view text, HeldLayers& into) {
  constexpr std::string_view prefix = "sha256:";
  constexpr size_t length = prefix.size() + 64;
  size_t count = 0;
  for (size_t at = text.find(prefix); at != text.npos; at = text.find(prefix, at + prefix.size()))
    if (const auto digest = Digest::parse(text.substr(at, length))) into.add_listed(*digest), ++count;
  return count;
}

// "[sha256:… sha256:…]" is how Go's templates print the DiffIDs of an image.
size_t add_line(std::string_view line, HeldLayers& into) {
  const std::string_view bare = without_blanks_around(line);
  if (!bare.starts_with('[') || !bare.ends_with(']')) return add_listed(line, into);
  std::vector<DiffId> diffs;
  for (const auto& word : blank_separated(bare.substr(1, bare.size() - 2))) {
    const auto diff = DiffId::parse(word);
    if (!diff) return add_listed(line, into);
    diffs.push_back(*diff);
  }
  return add_image(diffs, into);
}

// The array or object that `text` begins with; "" if it begins with none.
std::string_view leading_json(std::string_view text) {
  try {
    return go_json::Scanner(text).value();
  } catch (const Error&) {
    return "";
  }
}

}  // namespace

size_t HeldLayers::add_text(std::string_view text) {
  size_t count = 0;
  bool may_be_json = true;  // once only: what is none may have been read to the end
  for (size_t at; (at = text.find_first_not_of(" \t\r\n")) != text.npos;) {
    text.remove_prefix(at);
    const bool begins = may_be_json && (text.front() == '{' || text.front() == '[');
    std::string_view part = begins ? leading_json(text) : "";
    if (!part.empty()) {
      const size_t found = add_value(part, *this);
      count += found > 0 ? found : cairn::add_listed(part, *this);
    } else {
      may_be_json = may_be_json && !begins;
      part = text.substr(0, text.find('\n'));
      count += add_line(part, *this);
    }
    text.remove_prefix(part.size());
  }
  return count;
}

}  // namespace cairn
