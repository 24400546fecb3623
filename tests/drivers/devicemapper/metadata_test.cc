#include "drivers/devicemapper/metadata.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/util/error.h"
#include "tests/support/temp_dir.h"

namespace cairn::devicemapper {
namespace {

class MetadataFiles : public testing::Test {
 protected:
  std::string text(const std::string& file) { return read_file_at(home_.get(), "metadata/" + file); }
  void damage(const std::string& file, const std::string& content) {
    std::filesystem::create_directories(dir_ / "metadata");
    test::write_file(dir_ / "metadata" / file, content);
  }
  test::TempDir dir_;
  Fd home_ = open_dir(dir_.path().string());
  Metadata metadata_{home_.get()};
};

// What docker 20.10 wrote, byte for byte.
constexpr const char* kBase =
    R"({"device_id":1,"size":1073741824,"transaction_id":1,"initialized":true,"deleted":false})";
constexpr const char* kSet =
    R"({"next_device_id":143,"BaseDeviceUUID":"f8ab16fc-202b-4fac-9787-a4d677eb8dac","BaseDeviceFilesystem":"ext4"})";
constexpr const char* kTransaction = R"({"open_transaction_id":236,"device_hash":"424f","device_id":143})";

TEST_F(MetadataFiles, AreTheEnginesByteForByte) {
  metadata_.put("", DeviceRecord{1, 1073741824, 1, true, false});
  metadata_.put(DeviceSetRecord{143, "f8ab16fc-202b-4fac-9787-a4d677eb8dac", "ext4"});
  metadata_.put(TransactionRecord{236, "424f", 143});
  EXPECT_EQ(text("base"), kBase);
  EXPECT_EQ(text("deviceset-metadata"), kSet);
  EXPECT_EQ(text("transaction-metadata"), kTransaction);
}

TEST_F(MetadataFiles, OfTheEngineAreRead) {
  damage("base", kBase);
  damage("deviceset-metadata", kSet);
  damage("transaction-metadata", kTransaction);
  EXPECT_EQ(metadata_.device(""), (DeviceRecord{1, 1073741824, 1, true, false}));
  EXPECT_EQ(metadata_.device_set()->base_file_system, "ext4");
  EXPECT_EQ(metadata_.transaction(), (TransactionRecord{236, "424f", 143}));
}

TEST_F(MetadataFiles, FromBefore110HaveNoFileSystem) {
  const std::string old = R"({"next_device_id":5,"BaseDeviceUUID":"u"})";
  damage("deviceset-metadata", old);
  metadata_.put(*metadata_.device_set());
  EXPECT_EQ(text("deviceset-metadata"), old);
}

TEST_F(MetadataFiles, ListsDevicesAndStagesOnly) {
  for (const char* name : {"b", "a-init", "base", "deviceset-metadata", "transaction-metadata", ".tmp123", ".cairn-x"})
    damage(name, "{}");
  EXPECT_EQ(metadata_.list(), (std::vector<std::string>{".cairn-x", "a-init", "b"}));
}

TEST_F(MetadataFiles, DamageIsNamed) {
  for (const std::string content : {"", "{", "[]", R"({"device_id":-1,"size":1})", R"({"device_id":16777216,"size":1})",
                                    R"({"device_id":3})", R"({"device_id":"3","size":1})"}) {
    damage("layer", content);
    try {
      metadata_.device("layer");
      ADD_FAILURE() << content;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << content;
      EXPECT_NE(std::string(e.what()).find("metadata/layer"), std::string::npos) << e.what();
    }
  }
}

TEST_F(MetadataFiles, WhatIsNotThereIsNone) {
  EXPECT_EQ(metadata_.device("ghost"), std::nullopt);
  EXPECT_EQ(metadata_.transaction(), std::nullopt);
  metadata_.remove("ghost");
  EXPECT_TRUE(metadata_.list().empty());
}

}  // namespace
}  // namespace cairn::devicemapper
