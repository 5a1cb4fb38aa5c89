// A module and an op written outside the library, by the same means as its own, and used inside one of its models.
#include <cmath>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/loss.h>
#include <tape/core/tape.h>
#include <tape/nn/block.h>
#include <tape/nn/embedding.h>
#include <tape/nn/module.h>
#include <tape/optim/adam.h>
#include <tape/optim/schedule.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/nn_models.h"
#include "support/temp_folder.h"

namespace user {

namespace nn = tape::nn;
using tape::real;
using tape::Tensor;
using tape::Where;

// y = x/(1 + |x|)     dx = dy/(1 + |x|)²
Tensor softsign(const Tensor& x, Where where = Where::here()) {
  const tape::Op op("softsign", where);
  op.need({&x});
  Tensor y = Tensor::uninitialized(x.shape());
  for (int64_t i = 0; i < x.size(); ++i) y.mutable_data()[i] = x.data()[i] / (1 + std::abs(x.data()[i]));
  return op.record(y, {&x}, [x](tape::Backward& b) {
    const tape::GradView dx = b.grad(0);
    for (int64_t i = 0; i < x.size(); ++i) {
      const real d = 1 + std::abs(x.data()[i]);
      dx.put(i, b.dy()[i] / (d * d));
    }
  });
}

// A gate on each channel: y = x ⊙ softsign(mix(x)) + shift.
struct Gate {
  nn::Linear mix;
  tape::Parameter shift;

  explicit Gate(int64_t width)
      : mix(width, width, true, nn::xavier_normal()), shift({width}, nn::normal_init(0.1), false) {}

  Tensor operator()(const Tensor& x, Where where = Where::here()) const {
    return add_bias(multiply(x, softsign(mix(x, where), where), where), shift, where);
  }
  void visit(auto&& v) const {
    v("mix", mix);
    v("shift", shift);
  }
};

// A language model with gates between the library's blocks.
class GatedModel {
 public:
  GatedModel(int64_t vocab, int64_t width, int64_t layers, tape::Seed seed) : embedding_(vocab, width) {
    for (int64_t i = 0; i < layers; ++i) {
      blocks_.emplace_back(nn::ModelConfig{.heads = 2, .width = width}, nn::Depth::decoder_only(layers), i);
      gates_.emplace_back(width);
    }
    nn::initialize(*this, seed);
    census_.check(*this, "GatedModel");
  }

  Tensor operator()(const tape::Ids& ids, const nn::Context& context) const {
    Tensor x = embedding_(ids);
    for (std::size_t i = 0; i < blocks_.size(); ++i) x = gates_[i](blocks_[i](x, {.causal = true}, context));
    return linear(x, embedding_.weight);
  }
  void visit(auto&& v) const {
    v("embedding", embedding_);
    v("blocks", blocks_);
    v("gates", gates_);
  }

 private:
  nn::Census census_;
  nn::Embedding embedding_;
  std::vector<nn::Block> blocks_;
  std::vector<Gate> gates_;
};

}  // namespace user

namespace tape::inline TAPE_ABI::test {

namespace {

user::GatedModel model(uint64_t seed) {
  return {9, 16, 2, Seed{seed}};
}

}  // namespace

TEST_CASE("A module from outside has names, counts and first values like the library's own", "[nn][custom]") {
  const user::GatedModel gated = model(1);
  const ParameterList list = nn::parameters(gated);
  CHECK(list.size() == 1 + 2 * 12 + 2 * 3);
  const LeafPtr mix = parameter_named(list, "gates.1.mix.weight");
  CHECK(mix->shape == Shape{16, 16});
  CHECK(mix->decay);
  CHECK_FALSE(parameter_named(list, "gates.1.shift")->decay);
  CHECK(nn::count_parameters(gated) == 9 * 16 + 2 * (12 * 256 + 13 * 16) + 2 * (256 + 16 + 16));
  CHECK(has_parts(nn::describe(gated), {"gates.0.mix.bias", "blocks.1.mlp.down.weight"}));
  double sum = 0;
  for (const real x : value_of(parameter_named(list, "gates.0.shift")).values()) sum += std::abs(x);
  CHECK(sum > 0);
  CHECK(nn::freeze(gated, "gates.*") == 6);
  nn::freeze(gated, "gates.*", false);
}

TEST_CASE("A module from outside gets gradients through its own op", "[nn][custom]") {
  // In float: the same comparison in double is the gradient check of the single op, in the f64 tests.
  const user::Gate gate(4);
  nn::initialize(gate, Seed{1});
  const GradCheckOptions options{.tolerance = 2e-3, .step = 0.02, .tiny = 1e-2};
  check_gradients([&](const Inputs& x) { return gate(x[0]); }, {random_away_from_zero({3, 4}, 2, 0.3)},
                  nn::parameters(gate), options);
  Tape tape;
  gate(tape.watch(random_tensor({3, 4}, 2)));
  bool recorded = false;
  for (int64_t i = 0; i < tape.size(); ++i) recorded |= std::string(tape.node(i).op) == "softsign";
  CHECK(recorded);
}

TEST_CASE("A model with modules from outside trains, saves and loads", "[nn][custom]") {
  const user::GatedModel gated = model(1);
  const Ids ids = random_ids({3, 6}, 9, 1);
  const Ids targets = random_ids({3, 6}, 9, 2);
  const Threads guard(1);  // small work
  optim::AdamW adamw(nn::parameters(gated), {.weight_decay = 0});
  const optim::Schedule rate = optim::cosine(300, 1e-2, 0);
  double loss = 0;
  for (int64_t step = 0; step < 300; ++step) {
    Tape tape;
    const Tensor now = cross_entropy(gated(ids, nn::training(step)), targets);
    tape.backward(now);
    adamw.step(rate(step));  // refuses a parameter that got no gradient
    loss = now.item();
  }
  CHECK(loss < 0.2);  // without positions some tokens can not be told apart

  const TempFolder folder;
  nn::save(folder / "gated.safetensors", gated);
  const user::GatedModel loaded = model(2);
  CHECK_FALSE(same_bits(loaded(ids, nn::evaluation()), gated(ids, nn::evaluation())));
  nn::load(folder / "gated.safetensors", loaded);
  CHECK(same_bits(loaded(ids, nn::evaluation()), gated(ids, nn::evaluation())));
}

}  // namespace tape::inline TAPE_ABI::test
