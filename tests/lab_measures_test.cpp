// What the lab's experiments measure with: the small text, trainings on any data, attention logits, and that a cell
// gives the same numbers whenever it is measured.
#include <tape/examples/lab/attention_logits.h>
#include <tape/examples/lab/experiment.h>
#include <tape/examples/lab/measures.h>
#include <tape/examples/lab/small_text.h>

#include <cmath>

#include "catch.h"
#include "support/lab.h"

namespace tape::inline TAPE_ABI::test {

using namespace lab;

namespace {

const Cell tiny{{"scheme", "pre"}, {"layers", 2}, {"width", 16}, {"heads", 2},  {"context", 8},
                {"rows", 4},       {"steps", 20}, {"lr", 4e-3},  {"warmup", 0}, {"seed", 1}};

LeafPtr leaf(const ParameterList& list, std::string_view name) {
  for (const LeafPtr& one : list) {
    if (one->name == name) return one;
  }
  throw Error("no such parameter");
}

}  // namespace

TEST_CASE("the small text is a text whose pairs say more than its letters", "[lab]") {
  CHECK(small_text().vocab() == 54);
  CHECK(small_text().bigram_entropy() > 0);
  CHECK(small_text().bigram_entropy() < small_text().unigram_entropy());
  CHECK(small_text().unigram_entropy() < std::log(54.0));
  const tool::Batch a = small_text().batch(3, 20, 7);
  const tool::Batch b = small_text().batch(3, 20, 7);
  for (int64_t i = 0; i < a.input.size(); ++i) {
    CHECK(a.input.data()[i] == b.input.data()[i]);
    CHECK(a.input.data()[i] < 54);
    if (i % 20 < 19) CHECK(a.target.data()[i] == a.input.data()[i + 1]);
  }
}

TEST_CASE("a cell's data are the language, or the text; another name is refused", "[lab]") {
  CHECK(data_of(tiny).vocab == tool::MarkovSource::vocab);
  CHECK(data_of(tiny).bigram_entropy == language().entropy());
  CHECK(data_of(tiny.with("data", "text")).vocab == 54);
  CHECK(model_config(tiny.with("data", "text"), 8).vocab == 54);
  CHECK_THROWS_WITH(data_of(tiny.with("data", "kjv")), Catch::Contains("can only be \"text\""));
  const Fields text = measure_training(tiny.with("data", "text").with("steps", 60));
  CHECK(text.number("loss") < std::log(54.0));
  CHECK(text.number("loss") > small_text().bigram_entropy());
}

TEST_CASE("a rate that falls to nothing ends with smaller steps", "[lab][no-asan]") {
  const auto end = [](double decay) {
    const Fields r = measure_training(tiny.with("steps", 200).with("decay", decay).with("lr", 3e-2));
    return r.number("loss");
  };
  CHECK(end(1) < end(0));
}

TEST_CASE("the largest attention logit is proportional to the queries, and bounded by QK-norm", "[lab]") {
  const Ids ids = batch_of(tiny, 4, 8, 0).input;
  const nn::GPT model = model_of(tiny.with("layers", 1));
  const double once = largest_logit(model, ids);
  CHECK(once > 0);
  const LeafPtr qkv = leaf(nn::parameters(model), "blocks.0.attn.qkv.weight");
  for (int64_t i = 0; i < qkv->size() / 3; ++i) qkv->data()[i] *= 3;
  CHECK(largest_logit(model, ids) == Approx(3 * once).epsilon(1e-4));

  // Normalised queries and keys have the length √(head size) = √8 at the start.
  const nn::GPT normed = model_of(tiny.with("qk_norm", 1));
  CHECK(largest_logit(normed, ids) > 0);
  CHECK(largest_logit(normed, ids) <= std::sqrt(8.0) * 1.0001);
  for (const LeafPtr& one : nn::parameters(normed)) {
    if (one->name.ends_with("qkv.weight"))
      for (int64_t i = 0; i < one->size(); ++i) one->data()[i] *= 100;
  }
  CHECK(largest_logit(normed, ids) <= std::sqrt(8.0) * 1.0001);

  qkv->data()[0] = std::numeric_limits<real>::infinity();
  CHECK(std::isinf(largest_logit(model, ids)));
}

TEST_CASE("every kind of training gives the same numbers for the same cell, and others for another seed",
          "[lab][slow]") {
  for (const char* name : {"depth-limit", "rate-limit", "rate-sensitivity", "text-warmup", "translation-warmup",
                           "optimizers", "deepnorm-constants"}) {
    INFO(name);
    const Experiment& e = experiment(name);
    const int steps = e.name == "rate-limit" ? 150 : 30;  // its ramp has to pass rates that teach something
    const Cell cell = e.cells(Size::quick).front().with("layers", 2).with("width", 16).with("steps", steps);
    const std::string once = to_json(e.measure(cell.with("seed", 1)));
    CHECK(to_json(e.measure(cell.with("seed", 1))) == once);
    CHECK(to_json(e.measure(cell.with("seed", 2))) != once);
  }
}

TEST_CASE("a translation's exact match is a share, and a model that is not trained has none", "[lab]") {
  const Experiment& e = experiment("translation-warmup");
  const Cell cell = e.cells(Size::quick).front().with("layers", 1).with("width", 16).with("seed", 1);
  const Fields start = e.measure(cell.with("steps", 1));
  CHECK(start.number("exact") < 0.05);
  CHECK(start.number("failed") == 1);
}

TEST_CASE("full runs have 1,000 layers of five schemes, each with three seeds", "[lab]") {
  const std::vector<Cell> cells = cells_of(experiment("depth-limit"), Size::full, 0);
  for (const char* scheme : {"post", "pre", "deepnorm", "admin", "keel"}) {
    CHECK(std::ranges::count_if(cells, [&](const Cell& cell) {
            return cell.text("scheme") == scheme && cell.number("layers") == 1000;
          }) >= 3);
  }
}

}  // namespace tape::inline TAPE_ABI::test
