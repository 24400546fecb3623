// The built program on the shipped roots: what it prints, where, and how it exits.
#include "tests/cli/program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/digest/digest.h"
#include "tests/support/fixtures.h"
#include "tests/support/tar_builder.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

using nlohmann::json;
using test::Finished;
using test::run_cairn_program;
using test::Running;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class Program : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: stores are closed to others";
  }
  // Unpacks a shipped root once for each case.
  std::string fixture(const std::string& name) {
    const auto folder = dir_ / name;
    return std::filesystem::exists(folder) ? folder / "docker" : test::unpack_fixture(name, folder);
  }
  std::string current() { return fixture("tiny-1.9.1-vfs-after-1.10.3"); }
  std::string legacy() { return fixture("tiny-1.9.1-vfs-before"); }

  // Succeeds silently and returns standard output.
  static std::string good(const std::vector<std::string>& arguments, const Running& how = {}) {
    const Finished finished = run_cairn_program(arguments, how);
    EXPECT_EQ(finished.status, 0) << finished.err;
    EXPECT_EQ(finished.err, "");
    return finished.out;
  }
  // Fails with one line on standard error, nothing on standard output, and returns the line.
  static std::string bad(int status, const std::vector<std::string>& arguments, const Running& how = {}) {
    const Finished finished = run_cairn_program(arguments, how);
    EXPECT_EQ(finished.status, status) << finished.err;
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err, StartsWith("cairn: "));
    EXPECT_EQ(std::count(finished.err.begin(), finished.err.end(), '\n'), 1) << finished.err;
    return finished.err;
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }

  test::TempDir dir_;
};

TEST_F(Program, HelpOfEveryCommandNamesItsFlagsAndEndsWell) {
  const std::string all = good({"--help"});
  for (const char* command :
       {"scan", "migrate", "images", "history", "inspect", "ps",      "load",        "apply", "tag",
        "rmi",  "import",  "commit", "mount",   "umount",  "create",  "rm",          "ls",    "cat",
        "cp",   "export",  "diff",   "changes", "df",      "drivers", "serve-driver"}) {
    EXPECT_THAT(all, HasSubstr(std::string("\n  ") + command + " "));
    const std::string help = good({command, "--help"});
    EXPECT_THAT(help, AllOf(StartsWith(std::string("Usage: cairn ") + command), HasSubstr("Example"),
                            HasSubstr("--storage-driver")));
  }
}

TEST_F(Program, VersionGoesToStandardOutput) { EXPECT_THAT(good({"--version"}), StartsWith("cairn ")); }

TEST_F(Program, UsageErrorsAreOneLineAndExit2) {
  EXPECT_THAT(bad(2, {}), HasSubstr("cairn --help"));
  EXPECT_THAT(bad(2, {"images", "--nonsense"}), AllOf(HasSubstr("--nonsense"), HasSubstr("cairn images --help")));
  EXPECT_THAT(bad(2, {"frobnicate"}), HasSubstr("frobnicate"));
  bad(2, {"cat"});
  bad(2, {"images", "a", "b"});
  bad(2, {"images", "--progress", "loud"});
  bad(2, {"images", "--jobs", "0"});
  EXPECT_THAT(bad(2, {"images", "--storage-opt", "dm.thinpooldev"}), HasSubstr("KEY=VALUE"));
  EXPECT_THAT(bad(2, {"--root", legacy(), "images", "--filter", "color=red"}), HasSubstr("color=red"));
  EXPECT_THAT(bad(2, {"--root", legacy(), "images", "--format", "{{if .ID}}"}), HasSubstr("if .ID"));
}

TEST_F(Program, MistakesInWhatChangesImagesAreSaidBeforeAnythingIsDone) {
  const std::string root = current();
  EXPECT_THAT(bad(2, {"--root", root, "tag", "small:1", "x@sha256:" + std::string(64, '0')}), HasSubstr("digest"));
  EXPECT_THAT(bad(2, {"--root", root, "tag", "none:1", "x"}), HasSubstr("'none:1'"));
  EXPECT_THAT(bad(2, {"--root", root, "rmi", "none:1"}), HasSubstr("'none:1'"));
  EXPECT_THAT(bad(2, {"--root", root, "import", "-", "UPPER"}), HasSubstr("lowercase"));
  EXPECT_THAT(bad(2, {"--root", root, "import", "-", "--change", "RUN x"}), HasSubstr("'RUN x'"));
  EXPECT_THAT(bad(2, {"--root", root, "import", "-", "--platform", "windows/amd64"}), HasSubstr("linux"));
  EXPECT_THAT(bad(2, {"--root", root, "import", dir_ / "none.tar"}), HasSubstr("none.tar"));
  EXPECT_THAT(bad(2, {"--root", root, "commit", "none"}), HasSubstr("'none'"));
  EXPECT_THAT(bad(2, {"--root", root, "commit", "web", "--change", "CMD [1]"}), HasSubstr("'CMD [1]'"));
  EXPECT_THAT(bad(2, {"--root", legacy(), "rmi", "x"}), HasSubstr("cairn migrate"));
}

TEST_F(Program, InspectFillsTemplates) {
  const std::string id = lines(good({"--root", current(), "images", "-q", "--no-trunc"})).front();
  EXPECT_EQ(good({"--root", current(), "inspect", "--format", "{{.Id}} {{json .Id}}", id}), id + " \"" + id + "\"\n");
  EXPECT_EQ(json::parse(good({"--root", current(), "inspect", "-f", "json", id})),
            json::parse(good({"--root", current(), "inspect", id}))[0]);
  EXPECT_THAT(bad(2, {"--root", current(), "inspect", "--format", "{{.Nothing}}", id}), HasSubstr("{{.Nothing}}"));
  EXPECT_THAT(bad(2, {"--root", current(), "--json", "inspect", "--format", "{{.Id}}", id}), HasSubstr("--json"));
  EXPECT_EQ(json::parse(good({"--root", current(), "--json", "inspect", id})).size(), 1u);
  EXPECT_THAT(bad(2, {"--root", current(), "inspect", "--format", "{{range .RepoTags}}{{end}}", id}),
              HasSubstr("range .RepoTags"));
}

TEST_F(Program, GlobalFlagsGoBeforeAndAfterTheCommand) {
  const std::string want = good({"--root", legacy(), "images", "-q"});
  EXPECT_EQ(good({"images", "-q", "--root", legacy()}), want);
  EXPECT_EQ(good({"images", "-q", "--data-root=" + legacy()}), want);
  EXPECT_EQ(good({"-g", legacy(), "images", "-q"}), want);
  EXPECT_EQ(good({"images", "--graph", legacy(), "-q"}), want);
  EXPECT_EQ(good({"images", "-q"}, {.environment = {{"CAIRN_ROOT", legacy()}}}), want);
}

TEST_F(Program, CommandsMayBeNamesOfImages) {
  EXPECT_EQ(good({"--root", legacy(), "images", "-q", "ps"}), "");
  EXPECT_THAT(bad(2, {"--root", legacy(), "changes", "ls"}), HasSubstr("'ls'"));
}

TEST_F(Program, MissingRootIsTheUsersMistake) {
  EXPECT_THAT(bad(2, {"--root", dir_ / "none", "images"}), AllOf(HasSubstr("none"), HasSubstr("--root")));
  bad(2, {"scan", dir_ / "none"});
  bad(2, {"--root", dir_ / "none", "rm", "x"});
  EXPECT_FALSE(std::filesystem::exists(dir_ / "none"));
}

TEST_F(Program, ImagesOfBothLayoutsAreTheSameTable) {
  for (const auto& root : {legacy(), current()}) {
    const auto table = lines(good({"--root", root, "images"}));
    ASSERT_EQ(table.size(), 8u);
    EXPECT_THAT(table[0], testing::MatchesRegex("REPOSITORY   TAG      IMAGE ID       CREATED +SIZE"));
    EXPECT_THAT(table[1], testing::MatchesRegex("tiny/alone   1        [0-9a-f]{12}   .* ago   75B"));
    EXPECT_EQ(lines(good({"--root", root, "images", "-a"})).size(), 15u);
    EXPECT_THAT(lines(good({"--root", root, "images", "--format", "{{.Repository}}:{{.Tag}}", "tiny/app"})),
                ElementsAre("tiny/app:2", "tiny/app:1", "tiny/app:latest"));
    EXPECT_EQ(lines(good({"--root", root, "images", "--digests"}))[0].find("DIGEST"),
              std::string("REPOSITORY   TAG      ").size());
  }
}

TEST_F(Program, ImagesArgumentAndFilterTakeFamiliarNamesAndPatterns) {
  const std::string r = current();
  const std::vector<std::string> names{"--root", r, "images", "--format", "{{.Repository}}:{{.Tag}}"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), names.begin(), names.end());
    return lines(good(more));
  };
  EXPECT_THAT(with({"docker.io/tiny/app:1"}), ElementsAre("tiny/app:1"));
  EXPECT_THAT(with({"tiny/*:1.0"}), ElementsAre("tiny/base:1.0"));
  EXPECT_THAT(with({"--filter", "reference=tiny/e*", "--filter", "reference=tiny/alone"}),
              ElementsAre("tiny/alone:1", "tiny/env:1"));
  EXPECT_THAT(with({"--filter", "before=tiny/app:1", "--filter", "dangling=false"}),
              ElementsAre("tiny/base:1.0", "tiny/base:latest"));
  EXPECT_THAT(with({"--filter", "label=role=demo"}), testing::Not(IsEmpty()));
  EXPECT_THAT(with({"--filter", "label=role=other"}), IsEmpty());
  bad(2, {"--root", r, "images", "--filter", "since=no/such:1"});
}

TEST_F(Program, JsonIsOneDocument) {
  const std::string r = current();
  const json images = json::parse(good({"--root", r, "images", "--json"}));
  ASSERT_EQ(images.size(), 5u);
  EXPECT_EQ(images[0]["tags"], json({"tiny/alone:1"}));
  EXPECT_EQ(images[0]["size"], 75);
  EXPECT_EQ(json::parse(good({"--json", "--root", r, "ps"})).size(), 2u);
  EXPECT_EQ(json::parse(good({"--json", "--root", r, "history", "tiny/app:2", "tiny/base:1.0"}))[1]["reference"],
            "tiny/base:1.0");
  EXPECT_EQ(json::parse(good({"--json", "--root", r, "df"}))["images"]["total"], 12);
  EXPECT_EQ(json::parse(good({"--json", "--root", r, "changes", "web"}))[0], json({{"kind", "C"}, {"path", "/app"}}));
  const json drivers = json::parse(good({"--json", "--root", r, "drivers"}));
  const auto vfs = std::find_if(drivers.begin(), drivers.end(), [](const json& one) { return one["name"] == "vfs"; });
  ASSERT_NE(vfs, drivers.end());
  EXPECT_EQ((*vfs)["images"], 12);
  EXPECT_EQ((*vfs)["usable"], true);
}

TEST_F(Program, FormatJsonIsOneObjectALine) {
  const auto objects = lines(good({"--root", current(), "images", "--format", "json"}));
  ASSERT_EQ(objects.size(), 7u);
  EXPECT_EQ(json::parse(objects[0])["Repository"], "tiny/alone");
}

TEST_F(Program, HistoryShowsStepsAndTheirImages) {
  const auto table = lines(good({"--root", legacy(), "history", "tiny/app:1"}));
  EXPECT_THAT(table[0], testing::MatchesRegex("IMAGE +CREATED +CREATED BY +SIZE +COMMENT"));
  EXPECT_THAT(table[1], StartsWith("c549a708f6f0   "));
  EXPECT_THAT(lines(good({"--root", legacy(), "history", "--human=false", "--format", "{{.Size}} {{.CreatedAt}}",
                          "tiny/base:1.0"}))[0],
              testing::MatchesRegex("75 [0-9]{4}-[0-9-]+T.*"));
}

TEST_F(Program, SeveralNamesAreAllTried) {
  const Finished finished =
      run_cairn_program({"--root", current(), "inspect", "no/such", "tiny/alone:1", "web", "neither"});
  EXPECT_EQ(finished.status, 2);
  EXPECT_EQ(lines(finished.err).size(), 2u);
  const json documents = json::parse(finished.out);
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0]["RepoTags"], json({"tiny/alone:1"}));
  EXPECT_EQ(documents[1]["Name"], "/web");
  EXPECT_EQ(documents[1]["GraphDriver"]["Name"], "vfs");
  EXPECT_TRUE(documents[1]["HostConfig"].contains("RestartPolicy")) << documents[1]["HostConfig"];
}

TEST_F(Program, ObjectsAreFoundByNameIdAndPrefix) {
  const std::string r = current();
  const std::string id = lines(good({"--root", r, "images", "-q", "--no-trunc", "tiny/base:1.0"}))[0];
  const std::string want = good({"--root", r, "cat", "tiny/base:1.0:/etc/passwd"});
  EXPECT_FALSE(want.empty());
  const std::string chain = json::parse(good({"--root", r, "images", "--json", "tiny/base:1.0"}))[0]["chain_id"];
  const std::string cache = json::parse(good({"--root", r, "images", "--json", "tiny/base:1.0"}))[0]["layer"];
  for (const auto& name : {std::string("docker.io/tiny/base:1.0"), std::string("tiny/base"), id, id.substr(7),
                           id.substr(7, 12), id.substr(0, 20), chain, chain.substr(7), cache})
    EXPECT_EQ(good({"--root", r, "cat", name + ":/etc/passwd"}), want) << name;
  EXPECT_THAT(bad(2, {"--root", r, "cat", "0:/etc/passwd"}), HasSubstr("more digits"));
}

TEST_F(Program, LsAndCatReadWithoutMounting) {
  for (const auto& root : {legacy(), current()}) {
    EXPECT_EQ(good({"--root", root, "ls", "tiny/base:1.0"}), "bin\ndata\netc\nsrv\n");
    EXPECT_EQ(good({"--root", root, "ls", "web:/srv/opaque"}), "high\n");
    EXPECT_THAT(good({"--root", root, "ls", "-l", "tiny/base:1.0:/etc/passwd"}),
                testing::MatchesRegex("-rw.* /etc/passwd\n"));
    EXPECT_THAT(bad(2, {"--root", root, "ls", "web:/nothing"}), HasSubstr("no such file"));
    EXPECT_THAT(bad(2, {"--root", root, "cat", "web:/etc"}), HasSubstr("no regular file"));
    EXPECT_THAT(bad(2, {"--root", root, "cat", "ghost:/etc"}), HasSubstr("image, container or layer 'ghost'"));
  }
}

TEST_F(Program, ChangesOfAContainerAreDockers) {
  for (const auto& root : {legacy(), current()})
    EXPECT_EQ(
        good({"--root", root, "changes", "web"}),
        "C /app\nD /app/app.txt\nA /app/moved.txt\nC /data\nA /data/new.txt\nC /data/sub\nD /data/sub/gone\nC /etc\n"
        "C /etc/passwd\nC /etc/release\nC /srv\nC /srv/opaque\nA /srv/opaque/high\nD /srv/opaque/low\nA /vol\n");
}

TEST_F(Program, DiffOfARegisteredLayerHasItsDiffId) {
  const json image = json::parse(good({"--root", current(), "inspect", "tiny/app:2"}))[0];
  EXPECT_EQ(Digest::of(good({"--root", current(), "diff", "tiny/app:2"})).str(), image["RootFS"]["Layers"].back());
}

TEST_F(Program, TarsNeverGoToATerminal) {
  for (const char* command : {"export", "diff"}) {
    const Finished finished =
        run_cairn_program({"--root", current(), command, "tiny/app:2"}, {.terminal_output = true});
    EXPECT_EQ(finished.status, 2);
    EXPECT_EQ(finished.out, "");
    EXPECT_THAT(finished.err, HasSubstr("-o FILE"));
  }
}

TEST_F(Program, OutputFilesAppearWholeOrNotAtAll) {
  ::umask(022);
  EXPECT_EQ(good({"--root", current(), "export", "web", "-o", dir_ / "web.tar"}), "");
  EXPECT_EQ(test::read_file(dir_ / "web.tar"), good({"--root", current(), "export", "web", "-o", "-"}));
  EXPECT_EQ(std::filesystem::status(dir_ / "web.tar").permissions(), std::filesystem::perms(0644));
  bad(2, {"--root", current(), "export", "ghost", "-o", dir_ / "ghost.tar"});
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path()))
    EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("ghost")));
}

TEST_F(Program, ALinkStaysAndWhatItLeadsToIsReplaced) {
  std::filesystem::create_directories(dir_ / "elsewhere");
  test::write_file(dir_ / "elsewhere/web.tar", "old");
  const std::string link = dir_ / "link.tar", again = dir_ / "again.tar";
  std::filesystem::create_symlink("elsewhere/web.tar", link);
  std::filesystem::create_symlink(link, again);
  good({"--root", current(), "export", "web", "-o", again});
  EXPECT_EQ(std::filesystem::read_symlink(link), "elsewhere/web.tar");
  EXPECT_EQ(std::filesystem::read_symlink(again), link);
  EXPECT_EQ(test::read_file(dir_ / "elsewhere/web.tar"), good({"--root", current(), "export", "web"}));
  std::filesystem::remove(dir_ / "elsewhere/web.tar");
  EXPECT_THAT(bad(2, {"--root", current(), "export", "web", "-o", link}), HasSubstr("link to nothing"));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
}

TEST_F(Program, OpenFilesWithoutANameAreWrittenDirectly) {
  const std::string want = good({"--root", current(), "export", "web"});
  const std::string out = dir_ / "stdout";  // as /dev/stdout is
  std::filesystem::create_symlink("/proc/self/fd/1", out);
  EXPECT_EQ(good({"--root", current(), "export", "web", "-o", out}), want);
  const int lost = ::open(dir_.path().c_str(), O_TMPFILE | O_RDWR, 0600);
  ASSERT_GE(lost, 0);
  good({"--root", current(), "export", "web", "-o",
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(lost)});
  std::string got(want.size() + 1, '\0');
  EXPECT_EQ(::pread(lost, got.data(), got.size(), 0), static_cast<ssize_t>(want.size()));
  got.pop_back();
  EXPECT_EQ(got, want);
  ::close(lost);
  const Finished terminal =
      run_cairn_program({"--root", current(), "export", "web", "-o", out}, {.terminal_output = true});
  EXPECT_EQ(terminal.status, 2);
  EXPECT_THAT(terminal.err, HasSubstr("terminal"));
}

TEST_F(Program, AReaderThatLeavesIsNoComplaint) {
  const Finished finished = run_cairn_program({"--root", current(), "export", "web"}, {.close_output = true});
  EXPECT_EQ(finished.err, "");
  EXPECT_EQ(finished.status, 1);
}

TEST_F(Program, OthersThanRootAreToldFirst) {
  ::chmod(dir_.path().c_str(), 0755);
  const std::string closed = dir_ / "closed";
  std::filesystem::create_directory(closed);
  ::chmod(closed.c_str(), 0700);
  const Running nobody{.as_nobody = true};
  EXPECT_THAT(bad(1, {"--root", closed, "images"}, nobody),
              AllOf(StartsWith("cairn: this needs root: "), HasSubstr("closed")));
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"load"},
                                                                     {"apply", "-"},
                                                                     {"create", "x"},
                                                                     {"rm", "x"},
                                                                     {"mount", "x", "/mnt"},
                                                                     {"umount", "/mnt"},
                                                                     {"migrate", "/nowhere", "--in-place"}}) {
    auto with_root = arguments;
    with_root.insert(with_root.end(), {"--root", dir_ / "new"});
    EXPECT_THAT(bad(1, with_root, nobody), StartsWith("cairn: this needs root: ")) << arguments[0];
  }
  EXPECT_FALSE(std::filesystem::exists(dir_ / "new"));
  good({"images", "--help"}, nobody);
  bad(2, {"images", "--nonsense"}, nobody);
}

TEST_F(Program, ScanSaysWhatARootIs) {
  const json scan = json::parse(good({"scan", legacy(), "--json"}));
  EXPECT_EQ(scan["layout"], "graph");
  EXPECT_EQ(scan["drivers"][0]["name"], "vfs");
  EXPECT_EQ(scan["drivers"][0]["images"], 12);
  EXPECT_EQ(scan["drivers"][0]["damage"], json::array());
  EXPECT_TRUE(scan["drivers"][0]["repositories"].contains("tiny/app"));
  EXPECT_THAT(good({"--root", legacy(), "scan"}), HasSubstr("DRIVER   LAYOUT"));
}

TEST_F(Program, ScanThatFindsDamageExits3AndListingsGoOn) {
  const std::string root = legacy();
  const std::string victim = json::parse(good({"--root", root, "inspect", "tiny/alone:1"}))[0]["Id"];
  test::write_file(root + "/graph/" + victim + "/json", "");
  const Finished scan = run_cairn_program({"scan", root, "--json"});
  EXPECT_EQ(scan.status, 3);
  EXPECT_THAT(scan.err, HasSubstr(victim));
  EXPECT_THAT(json::parse(scan.out)["drivers"][0]["damage"].dump(), HasSubstr(victim));
  const Finished images = run_cairn_program({"--root", root, "images"});
  EXPECT_EQ(images.status, 0);
  EXPECT_THAT(images.err, HasSubstr(victim));
  EXPECT_EQ(lines(images.out).size(), 7u);
  EXPECT_EQ(good({"--root", root, "--log-level", "error", "images"}), images.out);
}

TEST_F(Program, SeveralDriversMustBeToldApart) {
  const std::string root = current();
  std::filesystem::copy(root + "/image/vfs", root + "/image/overlay2", std::filesystem::copy_options::recursive);
  EXPECT_THAT(bad(2, {"--root", root, "images"}),
              HasSubstr("overlay2 (12 images), vfs (12 images); name one with --storage-driver"));
  good({"--root", root, "-s", "vfs", "images"});
  good({"--root", root, "images"}, {.environment = {{"STORAGE_DRIVER", "vfs"}}});
  EXPECT_THAT(bad(2, {"--root", root, "-s", "nosuch", "images"}), HasSubstr("nosuch"));
  bad(2, {"--root", root, "-s", "../vfs", "images"});
}

TEST_F(Program, ApplyPrintsWhatItMade) {
  const std::string tar = test::TarBuilder().dir("d/").file("d/f", "hello").str();
  const std::string root = dir_ / "store";
  std::istringstream words(good({"--root", root, "-s", "vfs", "--progress", "none", "apply", "-"}, {.input = tar}));
  std::string diff, chain, cache;
  words >> diff >> chain >> cache;
  EXPECT_EQ(diff, Digest::of(tar).str());
  EXPECT_EQ(chain, diff);
  EXPECT_EQ(good({"--root", root, "cat", chain + ":/d/f"}), "hello");
  EXPECT_EQ(good({"--root", root, "cat", cache + ":/d/f"}), "hello");
  EXPECT_EQ(good({"--root", root, "diff", chain}), tar);
  const std::string upper = test::TarBuilder().file("d/.wh.f").str();
  const json second = json::parse(
      good({"--root", root, "--progress", "none", "--json", "apply", "--parent", chain, "-"}, {.input = upper}));
  EXPECT_EQ(second["diff_id"], Digest::of(upper).str());
  EXPECT_EQ(good({"--root", root, "changes", second["chain_id"]}), "C /d\nD /d/f\n");
  EXPECT_THAT(bad(2, {"--root", root, "apply", "--parent", "sha256:" + std::string(64, '0'), "-"}, {.input = upper}),
              HasSubstr("000"));
  bad(2, {"--root", root, "apply", dir_ / "missing.tar"});
}

TEST_F(Program, CreateMakesAContainerThatRmRemoves) {
  const std::string root = current();
  const std::string id = lines(good({"--root", root, "create", "tiny/app:1", "--name", "work"}))[0];
  EXPECT_THAT(good({"--root", root, "ps", "--no-trunc", "--format", "{{.ID}} {{.Names}}"}), HasSubstr(id + " work\n"));
  EXPECT_EQ(good({"--root", root, "changes", "work"}), "");
  bad(1, {"--root", root, "create", "tiny/app:1", "--name", "work"});
  bad(2, {"--root", root, "create", "no/such"});
  bad(2, {"--root", root, "create", "tiny/app:1", "--name", "../../escape"});
  bad(2, {"--root", root, "rm", ""});
  const Finished removed = run_cairn_program({"--root", root, "rm", "work", "ghost"});
  EXPECT_EQ(removed.status, 4);
  EXPECT_EQ(removed.out, "work\n");
  bad(2, {"--root", root, "rm", "work"});
}

TEST_F(Program, OldRootsAreNotWritten) {
  EXPECT_THAT(bad(2, {"--root", legacy(), "create", "tiny/app:1"}), HasSubstr("cairn migrate"));
  EXPECT_FALSE(std::filesystem::exists(legacy() + "/image"));
}

TEST_F(Program, MigrateGivesDockersAnswer) {
  const std::string target = dir_ / "target";
  const auto ids = [&](const std::string& root) {
    auto out = lines(good({"--root", root, "images", "-aq", "--no-trunc"}));
    std::sort(out.begin(), out.end());
    return out;
  };
  EXPECT_THAT(good({"migrate", legacy(), "--to", target, "-s", "vfs", "--dry-run"}), HasSubstr("12 planned"));
  EXPECT_FALSE(std::filesystem::exists(target));
  const json report = json::parse(good({"migrate", legacy(), "--to", target, "-s", "vfs", "--progress", "none",
                                        "--json", "--report", dir_ / "report.json"}));
  EXPECT_EQ(report["images"].size(), 12u);
  EXPECT_EQ(json::parse(test::read_file(dir_ / "report.json")), report);
  EXPECT_EQ(ids(target), ids(current()));
}

TEST_F(Program, MigrateSaysWhichWay) {
  bad(2, {"migrate", legacy()});
  bad(2, {"migrate", legacy(), "--to", dir_ / "t", "--in-place"});
  bad(2, {"migrate", legacy(), "--to", dir_ / "t", "--remove-source"});
  bad(2, {"migrate", legacy(), "--in-place", "--remove-source", "--no-containers"});
  bad(2, {"migrate", legacy(), "--to", dir_ / "t", "--image", "no/such:1"});
  bad(2, {"migrate", dir_ / "none", "--to", dir_ / "t"});
  EXPECT_FALSE(std::filesystem::exists(dir_ / "t"));
}

}  // namespace
}  // namespace cairn
