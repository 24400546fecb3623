#include "core/image/save/archive_file.h"

#include <unistd.h>

#include <algorithm>

#include "core/archive/tar_header.h"
#include "core/archive/tar_writer.h"
#include "core/util/error.h"
#include "core/util/workers.h"

namespace cairn {
namespace {

// Writes from a place in a file on; others write elsewhere in it at the same time.
class PlacedSink : public ByteSink {
 public:
  PlacedSink(const SaveOutput& output, uint64_t offset) : output_(output), offset_(offset) {}
  void write(std::span<const char> bytes) override {
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(output_.file, bytes.data(), bytes.size(), static_cast<off_t>(offset_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw_errno("writing '" + printable(output_.name) + "'");
      offset_ += static_cast<uint64_t>(n);
      bytes = bytes.subspan(static_cast<size_t>(n));
    }
  }
  uint64_t offset() const { return offset_; }
  void skip(uint64_t bytes) { offset_ += bytes; }

 private:
  const SaveOutput& output_;
  uint64_t offset_;
};

// Holds a blob to the size its header says.
class MeasuredSink : public ByteSink {
 public:
  MeasuredSink(ByteSink& out, const SavedBlob& blob) : out_(out), blob_(blob) {}
  void write(std::span<const char> bytes) override {
    written_ += bytes.size();
    if (written_ > blob_.bytes) wrong("more");
    out_.write(bytes);
  }
  void finish() const {
    if (written_ < blob_.bytes) wrong("fewer");
  }

 private:
  [[noreturn]] void wrong(const char* how) const {
    throw Error(Errc::corrupt, "reading " + blob_.label() + ": it gives " + how +
                                   " bytes than its records say: " + std::to_string(blob_.bytes));
  }
  ByteSink& out_;
  const SavedBlob& blob_;
  uint64_t written_ = 0;
};

constexpr uint64_t padding_of(uint64_t size) { return -size % kTarBlock; }

void write_header(const ArchiveMember& member, ByteSink& out) {
  TarEntry entry;
  entry.name = member.name;
  entry.type = member.type;
  entry.mode = member.type == TarType::directory ? 040755u : member.type == TarType::symlink ? 0120777u : 0100644u;
  entry.mtime.tv_sec = member.mtime;
  entry.size = member.size();
  if (member.type == TarType::symlink) entry.link_target = member.text;
  TarWriter(out, TarTimes::seconds, TarNames::root, TarModes::with_type).begin(entry);
}

void write_content(const SavedBlob& blob, const BlobWriter& write_blob, ByteSink& out) {
  MeasuredSink measured(out, blob);
  write_blob(blob, measured);
  measured.finish();
}

void write_in_order(std::span<const ArchiveMember> members, const BlobWriter& write_blob, ByteSink& out) {
  for (const auto& member : members) {
    write_header(member, out);
    if (member.blob)
      write_content(*member.blob, write_blob, out);
    else if (member.type == TarType::file)
      out.write(member.text);
    out.write(std::string(padding_of(member.size()), '\0'));
  }
  out.write(std::string(2 * kTarBlock, '\0'));
}

// Everything but the layers first, which leaves a place for each of them; what nobody writes is zeros.
void write_at_once(std::span<const ArchiveMember> members, const BlobWriter& write_blob, const SaveOutput& output,
                   unsigned jobs) {
  struct Place {
    const SavedBlob* blob;
    uint64_t offset;
  };
  std::vector<Place> places;
  PlacedSink out(output, 0);
  for (const auto& member : members) {
    write_header(member, out);
    if (member.blob)
      places.push_back({member.blob, out.offset()}), out.skip(member.size());
    else if (member.type == TarType::file)
      out.write(member.text);
    out.skip(padding_of(member.size()));
  }
  out.write(std::string(2 * kTarBlock, '\0'));
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.blob->bytes > b.blob->bytes; });
  run_parallel(jobs, places.size(), [&](size_t i) {
    PlacedSink place(output, places[i].offset);
    write_content(*places[i].blob, write_blob, place);
  });
}

}  // namespace

void write_archive(std::span<const ArchiveMember> members, const BlobWriter& write_blob, SaveOutput output,
                   unsigned jobs) {
  if (output.file >= 0)
    write_at_once(members, write_blob, output, jobs);
  else
    write_in_order(members, write_blob, output.stream);
}

}  // namespace cairn
