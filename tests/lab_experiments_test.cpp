// The experiments of the lab: their lists of cells, their texts, and that the same cell gives the same numbers.
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/lab/source.h>
#include <tape/examples/lab/variant_gpt.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "catch.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

using namespace lab;

namespace {

bool both(const Text& text) {
  return !text.en.empty() && !text.zh.empty();
}

Cell first_with(const Experiment& e, const Fields& part, int seed) {
  for (const Cell& cell : e.cells(Size::quick)) {
    if (cell.contains(part)) return cell.with("seed", seed);
  }
  throw Error("no such cell");
}

}  // namespace

TEST_CASE("every experiment says what it asks, in both languages, and has cells, seeds and guesses", "[lab]") {
  CHECK(experiments().size() >= 15);
  std::set<std::string> names;
  for (const Experiment& e : experiments()) {
    INFO(e.name);
    CHECK(names.insert(e.name).second);
    CHECK(std::ranges::all_of(e.name, [](unsigned char c) { return std::islower(c) != 0 || c == '-'; }));
    for (const Text* text : {&e.title, &e.question, &e.setup}) CHECK(both(*text));
    CHECK_FALSE(e.source.empty());
    CHECK(e.seeds_quick >= 3);
    CHECK(e.seeds_full >= e.seeds_quick);
    const std::vector<Cell> full = e.cells(Size::full);
    const std::vector<Cell> quick = e.cells(Size::quick);
    CHECK_FALSE(quick.empty());
    for (const Cell& cell : quick) CHECK(std::ranges::find(full, cell) != full.end());
    for (const Cell& cell : full) {
      CHECK(std::ranges::count(full, cell) == 1);
      CHECK(e.seconds(cell) > 0);
    }
  }
}

TEST_CASE("every claim has words in both languages, a source, and criteria that no missing data satisfies", "[lab]") {
  for (const Experiment& e : experiments()) {
    INFO(e.name);
    for (const Claim& claim : e.claims) {
      CHECK(both(claim.article));
      CHECK(both(claim.paper));
      CHECK_FALSE(claim.source.empty());
      CHECK_FALSE(claim.criteria.empty());
      CHECK(claim.if_all_hold != claim.otherwise);
      for (const Criterion& criterion : claim.criteria) {
        CHECK(both(criterion.name));
        CHECK(criterion.low <= criterion.high);
        CHECK((std::isfinite(criterion.low) || std::isfinite(criterion.high)));
      }
      CHECK(judge(claim, Results()).verdict == Verdict::no_data);
    }
    CHECK_NOTHROW(e.figures(Results()));
  }
}

TEST_CASE("no figure is empty where the grid has gaps", "[lab]") {
  for (const char* name : {"warmup-map", "depth-limit", "warmup-length", "text-warmup"}) {
    for (const Size size : {Size::quick, Size::full}) {
      INFO(name);
      std::vector<Row> rows;
      for (const Cell& cell : cells_of(experiment(name), size, 2))
        rows.push_back({cell, {{"loss", 1.7}, {"failed", 0}}});
      const std::vector<Figure> figures = experiment(name).figures(Results(rows));
      CHECK_FALSE(figures.empty());
      for (const Figure& figure : figures) {
        INFO(figure.title.en);
        CHECK_FALSE(table_of(figure).rows.empty());
        CHECK_FALSE(to_svg(figure, Language::english).empty());
      }
    }
  }
}

TEST_CASE("all quick experiments together are guessed to take less than 10 minutes on 2 cores, full ones 4 hours",
          "[lab]") {
  double quick = 0;
  double full = 0;
  for (const Experiment& e : experiments()) {
    for (const Cell& cell : cells_of(e, Size::quick, 0)) quick += e.seconds(cell);
    for (const Cell& cell : cells_of(e, Size::full, 0)) full += e.seconds(cell);
  }
  CHECK(quick / 2 < 10 * 60);
  CHECK(full / 2 < 4 * 3600);
}

TEST_CASE("the same cell gives the same numbers, another seed others", "[lab][slow]") {
  for (const auto& name : {"gradient-profile", "norm-outliers", "model-update"}) {
    INFO(name);
    const Experiment& e = experiment(name);
    const Fields small = std::string_view(name) == "norm-outliers" ? Fields{{"norm", "rms"}} : Fields{{"layers", 6}};
    const std::string once = to_json(e.measure(first_with(e, small, 1)));
    CHECK(to_json(e.measure(first_with(e, small, 1))) == once);
    CHECK(to_json(e.measure(first_with(e, small, 2))) != once);
  }
}

TEST_CASE("the file to copy has under 60 lines, and a copy under another name is one more experiment", "[lab]") {
  const std::string file = read_file(TAPE_SOURCE_DIR "/examples/lab/experiments/text_warmup.cpp");
  CHECK(std::ranges::count(file, '\n') < 60);
  const Experiment& copy = experiment("copied-experiment");  // made by tests/CMakeLists.txt
  CHECK(copy.cells(Size::quick) == experiment("text-warmup").cells(Size::quick));
  CHECK(copy.claims.size() == 1);
  CHECK(experiments().back().name == "copied-experiment");
}

TEST_CASE("an unknown experiment is answered with the names of all", "[lab]") {
  CHECK_THROWS_WITH(experiment("gradients"),
                    Catch::Contains("unknown experiment \"gradients\"") && Catch::Contains("rmsnorm"));
}

TEST_CASE("a grid has every combination, the last field changing fastest", "[lab]") {
  const std::vector<Cell> cells = grid({{"a", {1, 2}}, {"b", {"x", "y"}}}, {{"c", 0.5}});
  REQUIRE(cells.size() == 4);
  CHECK(to_json(cells[1]) == R"({"a":1,"b":"y","c":0.5})");
}

TEST_CASE("with the gains of DeepNorm the variant model is the library's DeepNorm model", "[lab]") {
  const Cell cell{{"layers", 3}, {"width", 16}, {"context", 8}, {"scheme", "deepnorm"}, {"seed", 4}};
  const nn::SchemeConstants c = nn::scheme_constants(nn::Scheme::DeepNorm, nn::Depth::decoder_only(3));
  const VariantGPT variant(model_config(cell, 8), {.skip = c.alpha, .beta = c.beta}, Seed{4});
  const nn::GPT gpt = model_of(cell);
  const Ids ids = batch_of(cell, 2, 8, 0).input;
  const Tensor a = variant(ids, nn::evaluation());
  const Tensor b = gpt(ids, nn::evaluation());
  REQUIRE(a.size() == b.size());
  for (int64_t i = 0; i < a.size(); ++i) CHECK(a.data()[i] == b.data()[i]);
}

TEST_CASE("models start alike: the same weights whatever the scheme, but for DeepNorm's factor", "[lab]") {
  const Cell cell{{"layers", 2}, {"width", 16}, {"context", 8}, {"seed", 1}};
  const nn::GPT post = model_of(cell.with("scheme", "post"));
  const nn::GPT pre = model_of(cell.with("scheme", "pre"));
  const nn::GPT deep = model_of(cell.with("scheme", "deepnorm"));
  const double beta = nn::scheme_constants(nn::Scheme::DeepNorm, nn::Depth::decoder_only(2)).beta;
  const auto weight = [](const nn::GPT& model, const char* name) {
    for (const LeafPtr& leaf : nn::parameters(model)) {
      if (leaf->name == name) return static_cast<double>(leaf->data()[leaf->size() - 1]);
    }
    throw Error("no such parameter");
  };
  for (const char* name : {"blocks.1.attn.qkv.weight", "blocks.1.attn.out.weight", "blocks.1.mlp.up.weight"}) {
    CHECK(weight(post, name) == weight(pre, name));
    CHECK(weight(deep, name) == Approx(beta * weight(post, name)));
  }
}

TEST_CASE("every scheme has its lines of source", "[lab]") {
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    INFO(row.name);
    const Excerpt e = source_of(row.scheme);
    CHECK(e.line > 1);
    CHECK_THAT(e.text, Catch::StartsWith("case Scheme::") && Catch::Contains("return"));
  }
  CHECK_THAT(source_of(nn::Scheme::DeepNorm).text, Catch::Contains(".skip = alpha"));
  CHECK_THAT(source_of(nn::Scheme::SandwichLN).text, Catch::Contains("norm_output"));
  CHECK_THAT(source_of_sum().text, Catch::Contains("axpy(slots.skip"));
}

TEST_CASE("the largest rate that works in all seeds, or half of the lowest", "[lab]") {
  std::vector<Row> rows;
  for (const double lr : {0.1, 0.2, 0.4}) {
    for (const int seed : {1, 2})
      rows.push_back(
          {{{"lr", lr}, {"seed", seed}}, {{"failed", lr > 0.3 || (lr > 0.15 && seed == 2) ? 1 : 0}, {"loss", lr}}});
  }
  const Results all{rows};
  CHECK(largest_working_rate(all) == 0.1);
  CHECK(best_loss(all) == 0.1);
  CHECK(largest_working_rate(all.where(Fields{{"seed", 1}})) == 0.2);
  CHECK(largest_working_rate(all.where(Fields{{"lr", 0.4}})) == 0.2);
  CHECK(std::isnan(best_loss(all.where(Fields{{"lr", 0.4}}))));
  CHECK(std::isnan(largest_working_rate(Results())));
}

}  // namespace tape::inline TAPE_ABI::test
