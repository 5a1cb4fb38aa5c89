// What the lab computes from measured rows: estimates, slopes, groups, and verdicts by fixed criteria.
#include <tape/examples/lab/claim.h>
#include <tape/examples/lab/figure.h>

#include <cmath>
#include <limits>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

using namespace lab;

namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// Loss of two schemes at two depths with three seeds; the deep Post-LN fails in one.
Results made_up() {
  std::vector<Row> rows;
  for (const char* scheme : {"post", "pre"}) {
    for (const int layers : {6, 24}) {
      for (const int seed : {1, 2, 3}) {
        const bool failed = scheme[1] == 'o' && layers == 24 && seed == 2;
        rows.push_back({{{"scheme", scheme}, {"layers", layers}, {"seed", seed}},
                        {{"loss", failed ? nan : layers + 0.1 * seed}, {"failed", failed ? 1 : 0}}});
      }
    }
  }
  return Results(rows);
}

Claim claim_of(double low, double high) {
  return {.article = {"a", "甲"},
          .paper = {"p", "乙"},
          .source = "s",
          .criteria = {{{"loss", "损失"}, [](const Results& r) { return r.of("loss"); }, low, high}},
          .if_all_hold = Verdict::wrong_as_stated,
          .otherwise = Verdict::not_reproduced};
}

}  // namespace

TEST_CASE("an estimate is the mean and the sample deviation of finite numbers", "[lab]") {
  const Estimate e = estimate({1, 2, 3, nan});
  CHECK(e.mean == Approx(2));
  CHECK(e.sd == Approx(1));
  CHECK(e.count == 3);
  CHECK(e.not_finite == 1);
  CHECK(estimate({5}).sd == 0);
  CHECK(std::isnan(estimate({}).mean));
  CHECK(std::isnan(estimate({nan}).mean));
  CHECK(to_string(estimate({})) == "-");
  CHECK(to_string(estimate({1.6, 1.62, 1.58})) == "1.600 ± 0.020");
}

TEST_CASE("a bootstrap interval holds the mean, is the same each time, and is as wide as the numbers differ", "[lab]") {
  const std::vector<double> numbers{1, 2, 4, 7, 11};
  const Interval i = bootstrap(numbers);
  CHECK(i.low < 5);
  CHECK(i.high > 5);
  CHECK(i.low >= 1);
  CHECK(i.high <= 11);
  CHECK(bootstrap(numbers).low == i.low);
  const Interval same = bootstrap({3, 3, 3, 3});
  CHECK(same.low == 3);
  CHECK(same.high == 3);
  const Interval wide = bootstrap({5 - 40, 5 - 30, 5 - 10, 5 + 20, 5 + 60});
  CHECK(wide.high - wide.low == Approx(10 * (i.high - i.low)));
  // Three numbers of which one is 1: all three draws are 0 in 8 of 27 samples, and 1 in 1 of 27, more than 2.5 %.
  const Interval three = bootstrap({0, 0, 1});
  CHECK(three.low == 0);
  CHECK(three.high == 1);
  CHECK(std::isnan(bootstrap({1, 2}).low));
  CHECK(std::isnan(bootstrap({1, 2, nan}).high));
  CHECK(with_interval({3, 3, 3}) == "3.000 (3.000 … 3.000)");
  CHECK(with_interval({3}) == to_string(estimate({3})));
  CHECK(with_interval({nan, nan, nan}) == "-");
}

TEST_CASE("a slope of logarithms is the power of a power law", "[lab]") {
  CHECK(log_slope({2, 4, 8, 16}, {3, 3 / std::sqrt(2.0), 1.5, 1.5 / std::sqrt(2.0)}) == Approx(-0.5));
  CHECK(log_slope({1, 10, 100}, {7, 7, 7}) == Approx(0).margin(1e-12));
  CHECK(log_slope({1, 10, 100}, {1, -1, 100}) == Approx(1));
  CHECK(std::isnan(log_slope({1}, {1})));
  CHECK(std::isnan(log_slope({2, 2}, {1, 3})));
}

TEST_CASE("rows are found by the values of their cells", "[lab]") {
  const Results all = made_up();
  CHECK(all.rows().size() == 12);
  CHECK(all.where(Fields{{"scheme", "pre"}}).rows().size() == 6);
  CHECK(all.where(Fields{{"scheme", "pre"}, {"layers", 6}}).mean("loss") == Approx(6.2));
  CHECK(all.where(Fields{{"scheme", "deepnorm"}}).empty());
  CHECK(all.numbers("layers") == std::vector<double>{6, 24});
  CHECK(all.texts("scheme") == std::vector<std::string>{"post", "pre"});
  const Estimate ratio = all.where(Fields{{"scheme", "pre"}}).over_seeds([](const Results& one) {
    return one.where(Fields{{"layers", 24}}).mean("loss") / one.where(Fields{{"layers", 6}}).mean("loss");
  });
  CHECK(ratio.count == 3);
  CHECK(ratio.mean == Approx((24.1 / 6.1 + 24.2 / 6.2 + 24.3 / 6.3) / 3));
  CHECK_THROWS_WITH(all.mean("speed"), Catch::Contains("there is no number \"speed\""));
}

TEST_CASE("curves and maps mark what failed instead of dropping it", "[lab]") {
  const Results all = made_up();
  const Curve post = curve(all.where(Fields{{"scheme", "post"}}), "layers", "loss", "Post-LN");
  REQUIRE(post.points.size() == 2);
  CHECK_FALSE(post.points[0].failed);
  CHECK(post.points[1].failed);
  CHECK(post.points[1].y.count == 2);
  const Figure figure{{"t", "题"}, {}, Curves{.x_name = "x", .y_name = "y", .curves = {post}}};
  CHECK_THAT(to_svg(figure, Language::english), Catch::Contains("a seed failed"));
  CHECK(table_of(figure).rows.at(1).at(1).en.find("×") != std::string::npos);
}

TEST_CASE("a curve of nothing but failures leaves the others drawn, and one alone leaves no picture", "[lab]") {
  const Curve lost{"lost", {{1, estimate({nan}), true}}};
  const Curve found{"found", {{1, estimate({2, 3}), false}, {2, estimate({2, 4}), false}}};
  CHECK(to_svg({{"t", "题"}, {}, Curves{.curves = {lost}}}, Language::both).empty());
  const std::string svg = to_svg({{"t", "题"}, {}, Curves{.curves = {lost, found}}}, Language::both);
  CHECK_THAT(svg, Catch::Contains("found"));
}

TEST_CASE("a verdict follows from the criteria alone", "[lab]") {
  const Results pre = made_up().where(Fields{{"scheme", "pre"}});
  CHECK(judge(claim_of(15, 16), pre).verdict == Verdict::wrong_as_stated);
  CHECK(judge(claim_of(16, 17), pre).verdict == Verdict::not_reproduced);
  const Finding at_the_bound = judge(claim_of(pre.mean("loss"), 100), pre);
  CHECK(at_the_bound.verdict == Verdict::wrong_as_stated);
  CHECK(at_the_bound.outcomes.at(0).measured.count == 6);
}

TEST_CASE("without data there is no verdict, and one number that is not finite makes a criterion fail", "[lab]") {
  CHECK(judge(claim_of(0, 100), Results()).verdict == Verdict::no_data);
  CHECK(judge({.article = {}, .paper = {}, .source = ""}, made_up()).verdict == Verdict::no_data);
  const Results post = made_up().where(Fields{{"scheme", "post"}});
  CHECK(judge(claim_of(0, 100), post).verdict == Verdict::not_reproduced);
  Claim two = claim_of(0, 100);
  two.criteria.push_back({{"other", "其他"}, [](const Results&) { return Estimate{}; }, 0, 1});
  CHECK(judge(two, made_up().where(Fields{{"scheme", "pre"}})).verdict == Verdict::no_data);
}

TEST_CASE("a criterion is shown with its range in both languages", "[lab]") {
  const Finding finding = judge(claim_of(-0.5, 0.25), Results());
  CHECK(finding.outcomes.at(0).criterion == Text("loss: -0.5 … 0.25", "损失：-0.5 … 0.25"));
}

TEST_CASE("fields survive their JSON bit for bit, and what is not finite becomes NaN", "[lab]") {
  const Fields fields{
      {"name", "a \"b\" 中\n"}, {"third", 1.0 / 3}, {"tiny", 5e-324}, {"list", std::vector<double>{0.1, nan}}};
  const Fields back = lab::fields_of(to_json(fields));
  CHECK(back.text("name") == fields.text("name"));
  CHECK(back.number("third") == 1.0 / 3);
  CHECK(back.number("tiny") == 5e-324);
  CHECK(back.list("list").at(0) == 0.1);
  CHECK(std::isnan(back.list("list").at(1)));
  for (const char* wrong : {"", "[]", "{\"a\":{}}", "{\"a\":[\"b\"]}", "{\"a\":true}", "{\"a\":1"})
    CHECK_THROWS_AS(lab::fields_of(wrong), Error);
}

}  // namespace tape::inline TAPE_ABI::test
