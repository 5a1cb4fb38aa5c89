// Names in messages.
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/name_list.h>

#include "catch.h"

using namespace tape;

namespace {

const std::vector<std::string_view> schemes{"post", "pre", "deepnorm", "deepnorm-article", "peri"};

}  // namespace

TEST_CASE("of many names the first are told, and how many there are more", "[names]") {
  const std::vector<std::string> names{"a", "b", "c", "d"};
  CHECK(first_names({}) == "");
  CHECK(first_names(names) == "a, b, c, d");
  CHECK(first_names(names, 4) == "a, b, c, d");
  CHECK(first_names(names, 3) == "a, b, c and 1 more");
  CHECK(first_names(names, 1) == "a and 3 more");
}

TEST_CASE("the name that was meant is the nearest", "[names]") {
  CHECK(nearest_name("deepnrom", schemes) == "deepnorm");  // two letters swapped
  CHECK(nearest_name("psot", schemes) == "post");
  CHECK(nearest_name("erp", schemes).empty());
  CHECK(nearest_name("DeepNorm", schemes) == "deepnorm");
  CHECK(nearest_name("PRE", schemes) == "pre");
  CHECK(nearest_name("poster", schemes) == "post");
  CHECK(nearest_name("pos", schemes) == "post");
  CHECK(nearest_name("pst", schemes) == "post");
  CHECK(nearest_name("deepnorm-articles", schemes) == "deepnorm-article");
}

TEST_CASE("a name that is far from all is none of them", "[names]") {
  for (const char* name : {"", "x", "p", "before", "norm", "none"}) {
    CAPTURE(name);
    CHECK(nearest_name(name, schemes).empty());
  }
  CHECK(nearest_name(std::string(100'000, 'p'), schemes).empty());
  CHECK(nearest_name("post", {}).empty());
}

TEST_CASE("choices are listed, the likely one first", "[names]") {
  CHECK(choices_for("before", schemes) == "choose one of post, pre, deepnorm, deepnorm-article, peri");
  CHECK(choices_for("perri", schemes) ==
        "did you mean peri? Choose one of post, pre, deepnorm, deepnorm-article, peri");
}
