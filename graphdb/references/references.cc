#include "graphdb/references/references.h"

#include "core/json/closed_prefix.h"
#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

std::string repository_of(const std::string& reference) {
  size_t end = reference.find('@');
  if (end == std::string::npos) {
    const size_t slash = reference.rfind('/');
    end = reference.find(':', slash == std::string::npos ? 0 : slash);
  }
  if (end == std::string::npos || end == 0 || end + 1 == reference.size())
    throw Error(Errc::invalid, "naming an image '" + printable(reference) + "': a name needs a tag or a digest");
  return reference.substr(0, end);
}

std::map<std::string, std::map<std::string, std::string>> parse_repositories(const std::string& text,
                                                                             const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    throw Error(Errc::corrupt, "reading '" + printable(file) + "': " + why);
  };
  std::map<std::string, std::map<std::string, std::string>> out;
  const JsonObject document(text, file);
  if (!document.has("Repositories")) return out;
  const auto repositories = document.object("Repositories");
  if (!repositories) refuse("\"Repositories\" is no object");
  for (const auto& repository : repositories->members()) {
    auto& inner = out[repository.key];
    if (repository.raw == "null") continue;
    if (go_json::kind_of(repository.raw) != go_json::Kind::object)
      refuse("repository '" + printable(repository.key) + "' is no object");
    for (const auto& reference : go_json::members(repository.raw)) {
      if (!is_json_string(reference.raw)) refuse("'" + printable(reference.key) + "' names no image");
      inner[reference.key] = go_json::unquote(reference.raw);
    }
  }
  return out;
}

std::map<std::string, std::map<std::string, std::string>> whole_repositories(const std::string& text,
                                                                             const std::string& file,
                                                                             std::vector<Damage>& damage) {
  if (trimmed(text).empty()) {
    damage.push_back({"repositories-empty", file, "the file is empty", "all names of images are lost"});
    return {};
  }
  try {
    return parse_repositories(text, file);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    damage.push_back(
        {"repositories-invalid", file, e.what(), "the names before the damage are kept, those after it lost"});
  }
  try {
    return parse_repositories(go_json::closed_prefix(text).value_or("{}"), file);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return {};
  }
}

RepositoriesFile::Raw RepositoriesFile::read() const {
  const std::string file = place_.image("repositories.json");
  const auto root = place_.try_root_fd();
  try {
    const auto text = root ? try_read_regular_at(*root, file, 64u << 20) : std::nullopt;
    return text ? parse_repositories(*text, file) : Raw();
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    throw Error(Errc::corrupt, std::string(e.what()) +
                                   "; no engine starts on it: restore the file, or move it away to go "
                                   "on with untagged images");
  }
}

References::Map RepositoriesFile::images_in(const Raw& repositories) {
  Map out;
  for (const auto& [repository, references] : repositories)
    for (const auto& [reference, id] : references)
      if (const auto image = ImageId::parse(id)) out[repository].emplace(reference, *image);
  return out;
}

References::Map RepositoriesFile::all() const { return images_in(read()); }

References::Map RepositoriesFile::whole(std::vector<Damage>& damage) const {
  const std::string file = place_.image("repositories.json");
  const auto root = place_.try_root_fd();
  try {
    const auto text = root ? try_read_regular_at(*root, file, 64u << 20) : std::nullopt;
    return text ? images_in(whole_repositories(*text, file, damage)) : Map();
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    damage.push_back({"repositories-invalid", file, e.what(), "all names of images are lost"});
    return {};
  }
}

static std::string encoded(const std::map<std::string, std::map<std::string, std::string>>& repositories) {
  std::string out = "{\"Repositories\":{";
  const char* outer_comma = "";
  for (const auto& [repository, references] : repositories) {
    out += outer_comma + go_json::quote(repository) + ":{";
    const char* comma = "";
    for (const auto& [reference, id] : references) {
      out += comma + go_json::quote(reference) + ":" + go_json::quote(id);
      comma = ",";
    }
    out += "}";
    outer_comma = ",";
  }
  return out + "}}";
}

void RepositoriesFile::update(const std::map<std::string, ImageId>& add, const std::vector<std::string>& remove) {
  Raw repositories = read();
  const Raw before = repositories;
  for (const auto& reference : remove) {
    const auto repository = repositories.find(repository_of(reference));
    if (repository == repositories.end()) continue;
    repository->second.erase(reference);
    if (repository->second.empty()) repositories.erase(repository);
  }
  for (const auto& [reference, image] : add) {
    auto& id = repositories[repository_of(reference)][reference];
    if (!id.empty() && id != image.str() && reference.find('@') != std::string::npos)
      throw Error(Errc::already_exists, "naming image '" + image.str() + "' '" + printable(reference) +
                                            "': a digest cannot move to another image");
    id = image.str();
  }
  if (repositories == before) return;
  replace_file_at(place_.root_fd(), place_.image("repositories.json"), encoded(repositories), 0600);
}

}  // namespace cairn
