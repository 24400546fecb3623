#include "tests/drivers/devicemapper/store.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "core/archive/apply.h"
#include "drivers/sys/mount_table.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/required_drivers.h"
#include "tests/support/tar_builder.h"

namespace cairn::devicemapper {

namespace fs = std::filesystem;

void ThinStore::SetUp() {
  const auto missing = DeviceMapper::missing({"thin-pool", "thin"});
  if (missing.why.empty()) return;
  ASSERT_FALSE(test::is_required("devicemapper")) << "devicemapper is required and does not work here: " << missing.why;
  GTEST_SKIP() << "no thin provisioning here: " << missing.why;
}

void ThinStore::TearDown() {
  test::unmount_leftovers(dir_.path());
  if (!fs::exists(home())) return;
  for (const auto& name : DeviceMapper::list())
    if (name.starts_with(device("")) && name != pool()) DeviceMapper::remove(name, true);
  DeviceMapper::remove(pool(), true);
}

std::unique_ptr<Driver> ThinStore::open(const Opts& opts) const {
  Opts all{{"dm.loopdatasize", "1G"},
           {"dm.loopmetadatasize", "16M"},
           {"dm.basesize", "128M"},
           {"dm.fs", "ext4"},
           {"dm.min_free_space", "1%"}};
  for (const auto& [key, value] : opts) {
    std::erase_if(all, [&, name = key](const auto& one) { return one.first == name; });
    if (!value.empty()) all.emplace_back(key, value);
  }
  return open_devicemapper(dir_ / "root", {all});
}

std::string ThinStore::device(const std::string& hash) const {
  struct stat st {};
  EXPECT_EQ(::stat(home().c_str(), &st), 0);
  return device_prefix(st) + "-" + hash;
}

PoolStatus ThinStore::status() const { return parse_pool_status(DeviceMapper::status(pool()).at(0).parameters); }

fs::path ThinStore::place(const std::string& name) const {
  fs::create_directories(dir_ / name);
  return fs::canonical(dir_ / name);
}

void ThinStore::put(Driver& driver, const LayerId& id, const std::optional<LayerId>& parent, size_t bytes) {
  std::string noise(bytes, '\0');
  std::mt19937_64 random(1);
  for (size_t at = 0; at + 8 <= bytes; at += 512) {
    const uint64_t number = random();
    std::copy_n(reinterpret_cast<const char*>(&number), 8, &noise[at]);
  }
  const auto tar = test::TarBuilder().file("own", id.str()).file("noise", noise).str();
  const auto source = read_from(tar);
  TarReader reader(*source);
  const auto target = driver.begin(id);
  target->finish(parent, apply_tar(reader, *target).implied_dirs);
}

std::string ThinStore::own(const Driver& driver, const LayerId& id) {
  return read_all(*content_of(*driver.tree(id).find("own")), 1000);
}

std::vector<std::string> ThinStore::in_the_kernel() const {
  std::vector<std::string> out;
  for (const auto& name : DeviceMapper::list())
    if (name.starts_with(device(""))) out.push_back("device " + name);
  for (const char* file : {"devicemapper/data", "devicemapper/metadata"})
    if (fs::exists(home() / file))
      if (const auto loop = LoopDevice::find(home() / file)) out.push_back(loop->node() + " shows " + file);
  for (const auto& one : mounted_below(mount_table(), fs::canonical(home())))
    out.push_back("mount " + one.target.string());
  if (fs::exists(home() / "mnt"))
    for (const auto& one : fs::directory_iterator(home() / "mnt")) out.push_back("directory " + one.path().string());
  return out;
}

std::vector<std::string> ThinStore::left_behind() const {
  auto out = in_the_kernel();
  for (int tries = 0; tries < 50 && !out.empty(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    out = in_the_kernel();
  }
  return out;
}

static std::pair<bool, std::string> output_of(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {false, "no pipe"};
  std::array<char, 4096> part;
  while (const size_t n = std::fread(part.data(), 1, part.size(), pipe)) out.append(part.data(), n);
  return {::pclose(pipe) == 0, out};
}

void ThinStore::expect_pool_and_files_agree() {
  const auto [dumped, dump] = output_of("thin_dump '" + (home() / "devicemapper/metadata").string() + "'");
  ASSERT_TRUE(dumped) << "thin_dump: " << dump;
  std::set<int64_t> in_pool, in_files;
  const std::string key = " dev_id=\"";
  for (size_t at = dump.find(key); at != std::string::npos; at = dump.find(key, at + 1))
    in_pool.insert(std::stoll(dump.substr(at + key.size())));
  const Metadata files = metadata();
  for (const auto& hash : files.list()) in_files.insert(files.device(hash)->device_id);
  if (const auto base = files.device("")) in_files.insert(base->device_id);
  EXPECT_EQ(in_pool, in_files);
}

BlockDevice::BlockDevice(const fs::path& file, uint64_t bytes) {
  test::write_file(file, "");
  fs::resize_file(file, bytes);
  loop_ = LoopDevice::attach(file);
}

ForeignDevice::~ForeignDevice() {
  try {
    DeviceMapper::remove(name_);
  } catch (const Error& e) {
    ADD_FAILURE() << e.what();
  }
}

Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << "more than one line: " << e.what();
    return e;
  }
  ADD_FAILURE() << "nothing was thrown";
  return Error(Errc::interrupted, "");
}

}  // namespace cairn::devicemapper
