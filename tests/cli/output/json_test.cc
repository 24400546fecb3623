#include "cli/output/json.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {

TEST(Json, KeepsTheOrderOfKeys) { EXPECT_EQ(json_line({{"z", 1}, {"a", 2}}), "{\"z\":1,\"a\":2}\n"); }

TEST(Json, ShowsBytesThatAreNoUtf8) { EXPECT_EQ(json_line(Json("a\xff")), "\"a\xef\xbf\xbd\"\n"); }

TEST(Json, ReadsWhatAnEngineWrote) { EXPECT_EQ(read_json("{\"a\":[1,{\"b\":\"}{][,\"}]}", "x")["a"][1]["b"], "}{][,"); }

TEST(Json, RefusesMonstersAndGarbage) {
  std::string wide = "{";
  for (int i = 0; i < 30'000; ++i) wide += "\"" + std::to_string(i) + "\":0,";
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("nope"), std::string(1'000'000, '['), wide + "\"x\":0}"}) {
    try {
      read_json(text, "'x'");
      ADD_FAILURE() << "accepted " << text.substr(0, 20);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
    }
  }
}

}  // namespace cairn
