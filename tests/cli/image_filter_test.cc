#include "cli/image_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/exit.h"

namespace cairn {
namespace {

CatalogImage image(const std::string& id, std::vector<std::string> tags,
                   const std::string& created = "2020-01-02T00:00:00Z") {
  CatalogImage out;
  out.id = id;
  out.tags = std::move(tags);
  out.created = created;
  return out;
}

const std::vector<CatalogImage>& images() {
  static const std::vector<CatalogImage> all = [] {
    std::vector<CatalogImage> out{
        image("app", {"app:1", "host:5000/app:2"}), image("old", {"u/old:1"}, "2019-01-01T00:00:00Z"),
        image("dangling", {}, "2021-01-01T00:00:00Z"), image("middle", {}), image("pulled", {})};
    out[3].has_children = true;
    out[4].digests = {"reg/x@sha256:" + std::string(64, 'd')};
    return out;
  }();
  return all;
}

std::map<std::string, std::string> labels(const CatalogImage& one) {
  if (one.id == "app") return {{"stage", "prod"}, {"empty", ""}};
  return {};
}

std::vector<std::string> chosen(const std::vector<std::string>& filters) {
  const ImageFilter filter(filters, [](const std::string&) { return *parse_time("2020-01-02T00:00:00Z"); });
  std::vector<std::string> out;
  for (auto one : images())
    if (filter.accepts(one, labels)) out.push_back(one.id);
  return out;
}

}  // namespace

struct FilterCase {
  const char* name;
  std::vector<std::string> filters, want;
};
class Filters : public testing::TestWithParam<FilterCase> {};

TEST_P(Filters, Choose) { EXPECT_EQ(chosen(GetParam().filters), GetParam().want); }

INSTANTIATE_TEST_SUITE_P(
    , Filters,
    testing::Values(FilterCase{"none", {}, {"app", "old", "dangling", "middle", "pulled"}},
                    FilterCase{"dangling_has_no_name_and_no_child", {"dangling=true"}, {"dangling"}},
                    FilterCase{"not_dangling_has_a_name", {"dangling=false"}, {"app", "old", "pulled"}},
                    FilterCase{"label_key", {"label=stage"}, {"app"}},
                    FilterCase{"label_value", {"label=stage=prod"}, {"app"}},
                    FilterCase{"label_empty_value", {"label=empty="}, {"app"}},
                    FilterCase{"label_other_value", {"label=stage=test"}, {}},
                    FilterCase{"labels_narrow", {"label=stage", "label=missing"}, {}},
                    FilterCase{"before", {"before=app"}, {"old"}}, FilterCase{"since", {"since=app"}, {"dangling"}},
                    FilterCase{"reference", {"reference=app"}, {"app"}},
                    FilterCase{"reference_wildcards_stop_at_slashes", {"reference=*"}, {"app"}},
                    FilterCase{"reference_with_slash", {"reference=*/*"}, {"app", "old", "pulled"}},
                    FilterCase{"references_widen", {"reference=app", "reference=u/*:1"}, {"app", "old"}},
                    FilterCase{"keys_narrow", {"reference=*/*", "before=app"}, {"old"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ImageFilter, ReferencesLeaveOnlyTheNamesThatMatch) {
  const ImageFilter filter({"reference=host:5000/*"}, {});
  CatalogImage one = images()[0];
  ASSERT_TRUE(filter.accepts(one, labels));
  EXPECT_THAT(one.tags, testing::ElementsAre("host:5000/app:2"));
}

TEST(ImageFilter, RefuseUnknownKeysAndValues) {
  for (const char* bad : {"color=red", "dangling", "dangling=maybe", "=x", ""}) {
    EXPECT_THROW(ImageFilter({bad}, {}), UserError) << bad;
  }
}

TEST(ImageFilter, PassOnThatANamedImageIsUnknown) {
  const auto unknown = [](const std::string&) -> Instant { throw UserError(Errc::not_found, "no"); };
  EXPECT_THROW(ImageFilter({"before=ghost"}, unknown), UserError);
}

TEST(SplitReference, FindsTheTagNotThePort) {
  using Pair = std::pair<std::string, std::string>;
  EXPECT_EQ(split_reference("busybox:1"), Pair("busybox", "1"));
  EXPECT_EQ(split_reference("host:5000/x"), Pair("host:5000/x", ""));
  EXPECT_EQ(split_reference("host:5000/x:1"), Pair("host:5000/x", "1"));
  EXPECT_EQ(split_reference("x@sha256:ab"), Pair("x", "sha256:ab"));
}

TEST(RowsOf, OneForEachTagAndDigestOfItsRepository) {
  CatalogImage one = image("1", {"a:1", "a:2", "b:1"});
  one.digests = {"a@sha256:x", "c@sha256:y"};
  const auto text = [](const std::vector<ImageRow>& rows) {
    std::vector<std::string> out;
    for (const auto& row : rows) out.push_back(row.repository + " " + row.tag + " " + row.digest);
    return out;
  };
  EXPECT_THAT(text(rows_of(one, false)),
              testing::ElementsAre("a 1 <none>", "a 2 <none>", "b 1 <none>", "c <none> <none>"));
  EXPECT_THAT(text(rows_of(one, true)),
              testing::ElementsAre("a 1 sha256:x", "a 2 sha256:x", "b 1 <none>", "c <none> sha256:y"));
  EXPECT_THAT(text(rows_of(image("2", {}), true)), testing::ElementsAre("<none> <none> <none>"));
}

}  // namespace cairn
