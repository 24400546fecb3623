#include "graphdb/legacy/linkgraph.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>

#include "core/util/error.h"
#include "graphdb/util/files.h"

namespace cairn {

constexpr const char* kFile = "linkgraph.db";
constexpr size_t kMaxRows = 1'000'000;
constexpr int kMaxText = 65536;
constexpr int kMaxSteps = 50'000;  // of 1000 instructions of SQLite's machine each

struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

[[noreturn]] static void refuse(const std::string& why) {
  throw Error(Errc::corrupt, std::string("reading '") + kFile + "': " + printable(why));
}

static int out_of_patience(void* left) { return --*static_cast<int*>(left) < 0; }

// The descriptor's own path: what was checked is what SQLite opens, and no character of the path needs escaping.
static Database open_database(int fd, int* steps_left) {
  const std::string uri = "file:/proc/self/fd/" + std::to_string(fd) + "?immutable=1&mode=ro";
  sqlite3* raw = nullptr;
  const int status = sqlite3_open_v2(uri.c_str(), &raw, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr);
  Database database(raw);
  if (status != SQLITE_OK) refuse(raw != nullptr ? sqlite3_errmsg(raw) : "out of memory");
  sqlite3_limit(raw, SQLITE_LIMIT_LENGTH, kMaxText);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_progress_handler(raw, 1000, out_of_patience, steps_left);
  return database;
}

static std::string column(sqlite3_stmt* row, int index) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(row, index));
  return text != nullptr ? std::string(text, static_cast<size_t>(sqlite3_column_bytes(row, index))) : "";
}

LinkGraph read_link_graph(int root_fd) {
  LinkGraph graph;
  if (!exists_at(root_fd, kFile)) return graph;
  const Fd file = open_regular_at(root_fd, kFile);
  struct stat st;
  if (::fstat(file.get(), &st) == 0 && st.st_size == 0) refuse("the file is empty");
  int steps_left = kMaxSteps;
  const Database database = open_database(file.get(), &steps_left);
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(database.get(), "SELECT entity_id, parent_id, name FROM edge", -1, &raw, nullptr) != SQLITE_OK)
    refuse(sqlite3_errmsg(database.get()));
  const Statement rows(raw);
  size_t count = 0;
  int status = SQLITE_DONE;
  while ((status = sqlite3_step(raw)) == SQLITE_ROW) {
    if (++count > kMaxRows) refuse("more rows than any engine makes");
    const std::string entity = column(raw, 0), parent = column(raw, 1), name = column(raw, 2);
    if (entity == "0" || name.empty()) continue;  // the root's own edge
    if (parent == "0")
      graph.names[entity].push_back(name);
    else if (!parent.empty())
      graph.links[parent].push_back({entity, name});
  }
  if (status != SQLITE_DONE) refuse(sqlite3_errmsg(database.get()));
  for (auto& [id, names] : graph.names) std::sort(names.begin(), names.end());
  for (auto& [id, links] : graph.links)
    std::sort(links.begin(), links.end(), [](const auto& a, const auto& b) { return a.alias < b.alias; });
  return graph;
}

}  // namespace cairn
