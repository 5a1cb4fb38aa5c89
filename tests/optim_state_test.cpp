// An optimizer's memory: a resumed run goes on bit for bit, and a state that does not fit is refused as a whole.
#include <algorithm>
#include <memory>

#include <tape/core/safetensors.h>
#include <tape/optim/adam.h>
#include <tape/optim/ema.h>
#include <tape/optim/sgd.h>

#include "catch.h"
#include "support/optim_golden.h"
#include "support/temp_folder.h"
#include "support/tensors.h"

using namespace tape;
using test::error_of;
using test::has_parts;
using test::leaf_of;
using test::put_gradients;
using test::values_of;

namespace {

ParameterList two_leaves() {
  return {leaf_of("weight", {40, 300}, 1), leaf_of("bias", {7}, 2)};
}

void run(optim::Optimizer& optimizer, uint64_t from, uint64_t to) {
  for (uint64_t step = from; step < to; ++step) {
    put_gradients(optimizer.parameters(), step);
    optimizer.step(1e-2);
  }
}

std::unique_ptr<optim::Optimizer> make(const std::string& kind, const ParameterList& parameters) {
  if (kind == "sgd") return std::make_unique<optim::SGD>(parameters, optim::SGDOptions{.momentum = 0.9});
  if (kind == "adam") return std::make_unique<optim::Adam>(parameters, optim::AdamOptions{.weight_decay = 0.1});
  return std::make_unique<optim::AdamW>(parameters);
}

void set_values(const ParameterList& parameters, const std::vector<Tensor>& values) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    std::copy(values[i].data(), values[i].data() + values[i].size(), parameters[i]->data());
  }
}

Tensor& entry(optim::State& state, const std::string& name) {
  const auto found = std::find_if(state.begin(), state.end(), [&](const auto& e) { return e.first == name; });
  if (found == state.end()) throw Error("no " + name);
  return found->second;
}

}  // namespace

TEST_CASE("a resumed run equals an uninterrupted one bit for bit", "[optim]") {
  const std::string kind = GENERATE("sgd", "adam", "adamw");
  const ParameterList whole = two_leaves();
  const auto uninterrupted = make(kind, whole);
  run(*uninterrupted, 0, 9);

  const ParameterList before = two_leaves();
  const auto interrupted = make(kind, before);
  run(*interrupted, 0, 4);
  const ParameterList after = two_leaves();
  set_values(after, values_of(before));
  const auto resumed = make(kind, after);
  optim::State state = interrupted->state();
  std::reverse(state.begin(), state.end());
  resumed->load_state(state);
  CHECK(resumed->steps() == 4);
  run(*resumed, 4, 9);

  CHECK(resumed->steps() == 9);
  CHECK(test::same_bits(values_of(after), values_of(whole)));
  const optim::State expected = uninterrupted->state();
  const optim::State got = resumed->state();
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i].first == expected[i].first);
    CHECK(test::same_bits(got[i].second, expected[i].second));
  }
}

TEST_CASE("a state survives a file", "[optim]") {
  const ParameterList leaves = two_leaves();
  optim::AdamW adamw(leaves);
  run(adamw, 0, 3);
  const test::TempFolder folder;
  const std::string path = folder / "optimizer.safetensors";
  save_safetensors(path, adamw.state());
  const SafetensorsFile file = SafetensorsFile::open(path);
  optim::State read;
  for (const std::string& name : file.names()) read.emplace_back(name, file.read(name));

  const ParameterList others = two_leaves();
  set_values(others, values_of(leaves));
  optim::AdamW other(others);
  other.load_state(read);
  run(adamw, 3, 6);
  run(other, 3, 6);
  CHECK(test::same_bits(values_of(others), values_of(leaves)));
}

TEST_CASE("a state taken earlier does not change with later steps", "[optim]") {
  const ParameterList leaves = two_leaves();
  optim::Adam adam(leaves);
  run(adam, 0, 2);
  optim::State state = adam.state();
  const Tensor copy = entry(state, "adam.m.weight").copy();
  run(adam, 2, 4);
  CHECK(test::same_bits(entry(state, "adam.m.weight"), copy));

  const ParameterList others = two_leaves();
  optim::Adam other(others);
  other.load_state(state);
  run(other, 2, 4);
  CHECK(test::same_bits(entry(state, "adam.m.weight"), copy));
}

TEST_CASE("a state has the names it promises", "[optim]") {
  const ParameterList leaves = two_leaves();
  leaves[1]->frozen = true;
  optim::Adam adam(leaves);
  run(adam, 0, 2);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : adam.state()) names.push_back(name);
  CHECK(names == std::vector<std::string>{"adam.steps", "adam.updates.weight", "adam.m.weight", "adam.v.weight",
                                          "adam.updates.bias"});
  optim::SGD plain(two_leaves());
  CHECK(plain.state().size() == 3);
}

TEST_CASE("counts are exact beyond what a float can hold", "[optim]") {
  const ParameterList leaves = two_leaves();
  optim::SGD sgd(leaves);
  optim::State state = sgd.state();
  // 2^53 = 2^13 · 2^40, and digits are to the base 2^20.
  entry(state, "sgd.steps") = Tensor::from({3}, {1, 0, 8192});
  sgd.load_state(state);
  CHECK(sgd.steps() == (int64_t{1} << 53) + 1);
  state = sgd.state();
  CHECK(test::same_bits(entry(state, "sgd.steps"), Tensor::from({3}, {1, 0, 8192})));
}

TEST_CASE("a state that does not fit is refused with everything that is wrong", "[optim]") {
  const ParameterList leaves = two_leaves();
  optim::Adam adam(leaves);
  run(adam, 0, 2);
  optim::State state = adam.state();
  entry(state, "adam.v.weight") = Tensor::zeros({300, 40});
  entry(state, "adam.updates.bias") = Tensor::from({3}, {0.5, 0, 0});
  state.emplace_back("adam.m.head", Tensor::zeros({2}));
  state.erase(std::find_if(state.begin(), state.end(), [](const auto& e) { return e.first == "adam.m.weight"; }));
  state.push_back(state[0]);

  optim::Adam other(two_leaves());
  CHECK(
      has_parts(error_of([&] { other.load_state(state); }),
                {"adam: this state does not fit", "missing: adam.m.weight;", "adam.steps (a second time)",
                 "adam.m.head", "adam.v.weight is (300, 40) instead of (40, 300)", "adam.updates.bias does not hold"}));
  CHECK(other.steps() == 0);
  CHECK(other.state().size() == 3);

  CHECK(has_parts(error_of([&] { other.load_state({}); }),
                  {"missing: adam.steps, adam.updates.weight, adam.updates.bias"}));
  optim::AdamW adamw(leaves);
  CHECK(has_parts(error_of([&] { adamw.load_state(adam.state()); }), {"adamw", "another kind of optimizer, adam"}));
}

TEST_CASE("of a state that does not fit at all, the first names are told", "[optim]") {
  ParameterList leaves;
  for (int i = 0; i < 30; ++i) leaves.push_back(leaf_of(str("w", i), {2}));
  optim::SGD sgd(leaves);
  const std::string message = error_of([&] { sgd.load_state({}); });
  CHECK(has_parts(message, {"missing: sgd.steps, sgd.updates.w0,", "sgd.updates.w6 and 23 more"}));
  CHECK(message.find("sgd.updates.w7") == std::string::npos);

  optim::Ema ema(leaves, {.decay = 0.9});
  CHECK(has_parts(error_of([&] { ema.load_state({}); }), {"missing: ema.updates, ema.product,", "and 24 more"}));
}

TEST_CASE("parameters of the same name have no state to save", "[optim]") {
  const ParameterList leaves = {leaf_of("w", {2}), leaf_of("w", {3})};
  optim::SGD sgd(leaves);
  put_gradients(leaves, 1);
  sgd.step(0.1);
  CHECK(has_parts(error_of([&] { sgd.state(); }), {"sgd", "two parameters are called w", "name the parameters"}));
  CHECK_THROWS_AS(sgd.load_state({}), Error);
}
