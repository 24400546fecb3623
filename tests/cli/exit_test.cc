#include "cli/exit.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

const Error kBroken(Errc::io, "reading 'x': broken");
const UserError kUnknown(Errc::not_found, "finding 'x': there is none");
const Error kStopped(Errc::interrupted, "reading 'x': interrupted");

// What `body` says on stderr.
template <typename Body>
std::string said(Body&& body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

}  // namespace

TEST(Report, SaysOneLineAndChoosesTheStatus) {
  EXPECT_EQ(said([] { EXPECT_EQ(report(kBroken), Exit::failed); }), "cairn: reading 'x': broken\n");
  EXPECT_EQ(said([] { EXPECT_EQ(report(kUnknown), Exit::usage); }), "cairn: finding 'x': there is none\n");
  EXPECT_EQ(said([] { EXPECT_EQ(report(kStopped), Exit::interrupted); }), "cairn: interrupted\n");
}

TEST(AsNamedByUser, MakesOnlyWhatCannotBeTheUsersMistake) {
  const auto with = [](Errc code) { as_named_by_user([&] { throw Error(code, "x"); }); };
  EXPECT_THROW(with(Errc::not_found), UserError);
  EXPECT_THROW(with(Errc::invalid), UserError);
  for (const Errc code : {Errc::io, Errc::corrupt, Errc::in_use}) {
    try {
      with(code);
      ADD_FAILURE() << "no error";
    } catch (const UserError&) {
      ADD_FAILURE() << "blamed the user";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code);
    }
  }
}

TEST(Tally, ReadersFailOrMistakeWritersDoPart) {
  const std::string ignored = said([] {
    Tally none;
    EXPECT_EQ(none.for_reader(), Exit::done);
    Tally mistaken;
    mistaken.attempt([] { throw kUnknown; });
    EXPECT_EQ(mistaken.for_writer(), Exit::usage);
    mistaken.attempt([] {});
    EXPECT_EQ(mistaken.for_reader(), Exit::usage);
    EXPECT_EQ(mistaken.for_writer(), Exit::partly);
    Tally failed;
    failed.attempt([] { throw kBroken; });
    failed.attempt([] { throw kUnknown; });
    EXPECT_EQ(failed.for_reader(), Exit::failed);
  });
}

TEST(Tally, StopsWhenInterrupted) {
  Tally tally;
  EXPECT_THROW(tally.attempt([] { throw kStopped; }), Error);
}

}  // namespace cairn
