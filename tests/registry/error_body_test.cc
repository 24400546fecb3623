#include "registry/error_body.h"

#include <gmock/gmock.h>

namespace cairn {
namespace {

using std::chrono::seconds;
using std::chrono::system_clock;
using testing::HasSubstr;

struct FaultCase {
  const char* name;
  int status;
  const char* type;
  std::string body;
  const char* text;
  Errc code;
};
class RefusalBodies : public testing::TestWithParam<FaultCase> {};
TEST_P(RefusalBodies, BecomeOneLine) {
  const auto& c = GetParam();
  const auto fault = fault_of({c.status, c.type, c.body, {}});
  EXPECT_EQ(fault.text, c.text);
  EXPECT_EQ(fault.code, c.code);
}
INSTANTIATE_TEST_SUITE_P(
    , RefusalBodies,
    testing::Values(
        FaultCase{"message_and_detail", 404, "application/json; charset=utf-8",
                  R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag": "x"}}]})",
                  R"(manifest unknown: {"Tag":"x"} (HTTP 404, MANIFEST_UNKNOWN))", Errc::not_found},
        FaultCase{"no_detail", 400, "", R"( {"errors":[{"code":"NAME_INVALID","message":"bad","detail":null}]})",
                  "bad (HTTP 400, NAME_INVALID)", Errc::invalid},
        FaultCase{"empty_detail", 403, "", R"({"errors":[{"code":"DENIED","message":"no","detail":{}}]})",
                  "no (HTTP 403, DENIED)", Errc::io},
        FaultCase{"detail_alone", 401, "", R"({"errors":[{"code":"UNAUTHORIZED","detail":"who are you"}]})",
                  "who are you (HTTP 401, UNAUTHORIZED)", Errc::io},
        FaultCase{"code_alone", 401, "", R"({"errors":[{"code":"UNAUTHORIZED"}]})",
                  "authentication is required (HTTP 401, UNAUTHORIZED)", Errc::io},
        FaultCase{
            "missing_blobs", 400, "",
            R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":{"digest":"sha256:a"}},
                                {"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown","detail":"b"}]})",
            R"(blob unknown: {"digest":"sha256:a"}; blob unknown: b (HTTP 400, MANIFEST_BLOB_UNKNOWN))",
            Errc::not_found},
        FaultCase{"many_errors", 500, "",
                  R"({"errors":[{"code":"A"},{"code":"B"},{"code":"A"},"c",{"message":"d"},"e"]})",
                  "it failed; it failed; it failed; c; and 2 more (HTTP 500, A, B)", Errc::io},
        FaultCase{"numeric_code", 412, "", R"({"errors":[{"code":412,"message":"no"}]})", "no (HTTP 412, 412)",
                  Errc::io},
        FaultCase{"unsupported", 405, "", R"({"errors":[{"code":"UNSUPPORTED","message":"no"}]})",
                  "no (HTTP 405, UNSUPPORTED)", Errc::unsupported},
        FaultCase{"code_before_status", 400, "", R"({"errors":[{"code":"UNSUPPORTED","message":"no"}]})",
                  "no (HTTP 400, UNSUPPORTED)", Errc::unsupported},
        FaultCase{"unknown_is_no_kind_of_thing", 500, "", R"({"errors":[{"code":"UNKNOWN","message":"no"}]})",
                  "no (HTTP 500, UNKNOWN)", Errc::io},
        FaultCase{"details", 400, "", R"({"details":"incorrect username or password"})",
                  "incorrect username or password (HTTP 400)", Errc::invalid},
        FaultCase{"error_text", 404, "", R"({"error":"no repository"})", "no repository (HTTP 404)", Errc::not_found},
        FaultCase{"error_object", 403, "", R"({"error":{"code":"X","message":"no"}})", "no (HTTP 403, X)", Errc::io},
        FaultCase{"message", 500, "", R"({"message":"sorry"})", "sorry (HTTP 500)", Errc::io},
        FaultCase{"no_errors", 404, "", R"({"errors":[]})", R"({"errors":[]} (HTTP 404))", Errc::not_found},
        FaultCase{"html_title", 502, "text/html", "<html><TITLE class=a>\n 502 Bad\n Gateway </Title><body>x",
                  "502 Bad Gateway (HTTP 502)", Errc::io},
        FaultCase{"html_without_title", 503, "text/html; charset=utf-8", "<h1>gone</h1>",
                  "it is not available (HTTP 503)", Errc::io},
        FaultCase{"html_by_its_looks", 404, "", "<!DOCTYPE html><p>x", "there is no such thing (HTTP 404)",
                  Errc::not_found},
        FaultCase{"plain", 500, "text/plain", "  disk\r\n full \n", "disk full (HTTP 500)", Errc::io},
        FaultCase{"plain_with_escapes", 500, "text/plain", "a\x1b[2Jb\xff", R"(a\x1b[2Jb\xff (HTTP 500))", Errc::io},
        FaultCase{"message_with_lines", 500, "", R"({"errors":[{"message":"a\nb\u001b"}]})", R"(a b\x1b (HTTP 500))",
                  Errc::io},
        FaultCase{"nothing", 404, "", "", "there is no such thing (HTTP 404)", Errc::not_found},
        FaultCase{"nothing_for_a_method", 405, "", "", "it does not do that (HTTP 405)", Errc::unsupported},
        FaultCase{"broken_json", 400, "application/json", R"({"errors":[)", R"({"errors":[ (HTTP 400))",
                  Errc::invalid}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Refusals, TellWhetherOtherCredentialsWouldHelp) {
  EXPECT_TRUE(fault_of({401, "", "", ""}).denied);
  EXPECT_TRUE(fault_of({403, "", "", ""}).denied);
  EXPECT_TRUE(fault_of({404, "", R"({"errors":[{"code":"DENIED"}]})", ""}).denied);
  EXPECT_FALSE(fault_of({404, "", "", ""}).denied);
}

TEST(Refusals, KeepTheFirstCode) {
  EXPECT_EQ(fault_of({404, "", R"({"errors":[{"code":"NAME_UNKNOWN"},{"code":"DENIED"}]})", ""}).registry_code,
            "NAME_UNKNOWN");
  EXPECT_EQ(fault_of({404, "", "", ""}).registry_code, "");
}

TEST(Refusals, AreRetriedWhenTimeMayMendThem) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 520})
    EXPECT_TRUE(fault_of({status, "", "", ""}).retryable);
  for (const int status : {400, 401, 403, 404, 405, 416, 501, 505})
    EXPECT_FALSE(fault_of({status, "", "", ""}).retryable) << status;
}

TEST(Refusals, OfAnySizeMakeShortLines) {
  const std::string junk(10 << 20, 'x');
  EXPECT_LT(fault_of({500, "text/plain", junk, ""}).text.size(), 400u);
  EXPECT_LT(fault_of({500, "text/html", "<title>" + junk.substr(0, 60000) + "</title>", ""}).text.size(), 400u);
  std::string many = R"({"errors":[)";
  for (int i = 0; i < 800; ++i) many += R"({"code":"C)" + std::to_string(i) + R"(","message":"m","detail":"d"},)";
  const auto fault = fault_of({500, "", many + "{}]}", ""});
  EXPECT_LT(fault.text.size(), 400u);
  EXPECT_THAT(fault.text, HasSubstr("and 796 more"));
  EXPECT_LT(fault_of({500, "", R"({"errors":[{"code":")" + junk.substr(0, 60000) + R"("}]})", ""}).text.size(), 400u);
}

TEST(RetryAfter, IsSecondsOrADate) {
  const auto now = system_clock::from_time_t(784111777);  // Sun, 06 Nov 1994 08:49:37 GMT
  const auto wait = [&](const char* header) { return fault_of({429, "", "", header}, now).retry_after; };
  EXPECT_EQ(wait("120"), seconds(120));
  EXPECT_EQ(wait(" 0 "), seconds(0));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:50:37 GMT"), seconds(60));
  EXPECT_EQ(wait("Sunday, 06-Nov-94 08:50:37 GMT"), seconds(60));
  EXPECT_EQ(wait("Sun Nov  6 08:50:37 1994"), seconds(60));
  EXPECT_EQ(wait("Sun, 06 Nov 1994 08:00:00 GMT"), seconds(0));
  EXPECT_EQ(wait("Sun, 06 Nov 2044 08:49:37 GMT"), seconds(86400));
  EXPECT_EQ(wait("Fri, 31 Dec 9999 23:59:59 GMT"), seconds(86400));
  EXPECT_EQ(wait("99999999999999999999999"), seconds(86400));
  for (const char* none : {"", "  ", "-5", "soon", "12 monkeys"}) EXPECT_EQ(wait(none), std::nullopt) << none;
}

}  // namespace
}  // namespace cairn
