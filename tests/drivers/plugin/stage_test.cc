#include "drivers/plugin/stage.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/archive/tar_reader.h"
#include "core/util/fd.h"
#include "drivers/sys/overlay_marks.h"
#include "tests/support/temp_dir.h"

namespace cairn::plugin {
namespace {

using testing::ElementsAre;

class Stage : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "marks of overlay need root";
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0711), 0);
    mkdir_at(root_.get(), "d", 0755);
    write_opaque(open_dir_at(root_.get(), "d").get());
    create_file_at(root_.get(), "d/f", "content", 04755);
    write_whiteout(root_.get(), "gone");
  }
  std::map<std::string, TarEntry> entries(Marks marks) {
    StringSink tar;
    write_stage(root_.get(), marks, tar);
    const auto source = read_from(tar.text);
    TarReader reader(*source);
    std::map<std::string, TarEntry> out;
    names_.clear();
    while (const TarEntry* entry = reader.next()) {
      names_.push_back(entry->name);
      out[entry->name] = *entry;
    }
    return out;
  }
  test::TempDir dir_;
  Fd root_ = open_dir(dir_.path().string());
  std::vector<std::string> names_;
};

TEST_F(Stage, IsWrittenWithItsRootAndAufsMarks) {
  EXPECT_EQ(entries(Marks::write)["./"].mode, 0711u);
  EXPECT_THAT(names_, ElementsAre("./", "d/", "d/.wh..wh..opq", "d/f", ".wh.gone"));
}

TEST_F(Stage, HasNothingToHideWithoutAParent) {
  entries(Marks::leave_out);
  EXPECT_THAT(names_, ElementsAre("./", "d/", "d/f"));
}

TEST_F(Stage, KeepsWhatDockersDiffsDrop) {
  const timespec times[2] = {{1, 0}, {1234567890, 123456789}};
  ASSERT_EQ(::utimensat(root_.get(), "d/f", times, 0), 0);
  ASSERT_EQ(::setxattr((dir_ / "d/f").c_str(), "trusted.note", "kept", 4, 0), 0);
  const TarEntry file = entries(Marks::write)["d/f"];
  EXPECT_EQ(file.mtime.tv_nsec, 123456789);
  EXPECT_EQ(file.xattrs.at("trusted.note"), "kept");
  EXPECT_EQ(entries(Marks::write)["d/"].xattrs.count("trusted.overlay.opaque"), 0u);
}

}  // namespace
}  // namespace cairn::plugin
