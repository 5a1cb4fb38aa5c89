// What sets each optimizer apart, as laws that its updates obey.
#include <algorithm>
#include <cmath>

#include <tape/core/ops.h>
#include <tape/optim/adafactor.h>
#include <tape/optim/adam.h>
#include <tape/optim/lamb.h>
#include <tape/optim/lion.h>
#include <tape/optim/muon.h>
#include <tape/optim/nadam.h>
#include <tape/optim/newton_schulz.h>
#include <tape/optim/radam.h>
#include <tape/optim/schedule_free.h>
#include <tape/optim/sgd.h>

#include "catch.h"
#include "support/nn_models.h"
#include "support/optim_golden.h"

using namespace tape;
using test::error_of;
using test::has_parts;
using test::leaf_of;
using test::put_gradient;
using test::values_of;

namespace {

// What one step with a random gradient does to a parameter.
Tensor moved(optim::Optimizer& optimizer, const LeafPtr& leaf, double rate, uint64_t seed = 7) {
  const Tensor before = values_of({leaf})[0];
  put_gradient(leaf, seed);
  optimizer.step(rate);
  return Tensor::on(leaf->shape, leaf->value) - before;
}

double norm(const Tensor& x) {
  double sum = 0;
  for (const real each : x.values()) sum += static_cast<double>(each) * static_cast<double>(each);
  return std::sqrt(sum);
}

// The eigenvalues of a symmetric matrix, by Jacobi's rotations: independent of what is tested.
std::vector<double> eigenvalues(const Tensor& matrix) {
  const auto n = static_cast<std::size_t>(matrix.shape()[0]);
  std::vector<double> a(matrix.values().begin(), matrix.values().end());
  for (int sweep = 0; sweep < 30; ++sweep) {
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (std::abs(a[p * n + q]) < 1e-14) continue;
        const double angle = 0.5 * std::atan2(2 * a[p * n + q], a[q * n + q] - a[p * n + p]);
        const double c = std::cos(angle);
        const double s = std::sin(angle);
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[k * n + p];
          const double y = a[k * n + q];
          a[k * n + p] = c * x - s * y;
          a[k * n + q] = s * x + c * y;
        }
        for (std::size_t k = 0; k < n; ++k) {
          const double x = a[p * n + k];
          const double y = a[q * n + k];
          a[p * n + k] = c * x - s * y;
          a[q * n + k] = s * x + c * y;
        }
      }
    }
  }
  std::vector<double> values;
  for (std::size_t i = 0; i < n; ++i) values.push_back(a[i * n + i]);
  return values;
}

// The least and the largest singular value.
std::pair<double, double> singular_range(const Tensor& x) {
  const bool tall = x.shape()[0] > x.shape()[1];
  const auto squares =
      eigenvalues(tall ? matmul(x, x, Transpose::yes, Transpose::no) : matmul(x, x, Transpose::no, Transpose::yes));
  const auto [least, most] = std::minmax_element(squares.begin(), squares.end());
  return {std::sqrt(std::max(0.0, *least)), std::sqrt(*most)};
}

}  // namespace

TEST_CASE("Adam without bias correction begins with steps that are 3.16 times as large", "[optim][laws]") {
  const LeafPtr a = leaf_of("w", {50}, 1);
  const LeafPtr b = leaf_of("w", {50}, 1);
  optim::Adam corrected({a});
  optim::Adam uncorrected({b}, {.bias_correction = false});
  // (1 − β₁)/√(1 − β₂) = 0.1/√0.001
  CHECK(norm(moved(uncorrected, b, 1e-2)) / norm(moved(corrected, a, 1e-2)) ==
        Approx(0.1 / std::sqrt(0.001)).epsilon(1e-4));
}

TEST_CASE("independent decay does not change with the peak of the rate, coupled decay does", "[optim][laws]") {
  const auto kept = [](optim::DecayCoupling coupling, double peak, double share) {
    const LeafPtr leaf = leaf_of("w", {1}, 1);
    leaf->data()[0] = 1;
    optim::AdamW adamw({leaf}, {.weight_decay = 0.1, .coupling = coupling, .peak_rate = peak});
    put_gradient(leaf, 1);
    leaf->gradient_data()[0] = 0;
    adamw.step(share * peak);
    return static_cast<double>(leaf->data()[0]);
  };
  for (const double peak : {1e-3, 1e-1}) {
    CHECK(kept(optim::DecayCoupling::Independent, peak, 1) == Approx(0.9));
    CHECK(kept(optim::DecayCoupling::Independent, peak, 0.5) == Approx(0.95));
    CHECK(kept(optim::DecayCoupling::Coupled, peak, 0.5) == Approx(1 - 0.05 * peak));
  }
}

TEST_CASE("RAdam begins with five steps of plain momentum", "[optim][laws]") {
  for (const double beta2 : {0.95, 0.98, 0.999}) {
    const LeafPtr leaf = leaf_of("w", {20}, 1);
    optim::RAdam radam({leaf}, {.beta2 = beta2});
    std::vector<double> m(20, 0.0);
    for (int t = 1; t <= 6; ++t) {
      INFO("beta2 " << beta2 << ", update " << t);
      const Tensor step = moved(radam, leaf, 1e-2, static_cast<uint64_t>(t));
      const Tensor gradient = test::random_tensor(leaf->shape, static_cast<uint64_t>(t));
      double largest = 0;
      for (std::size_t i = 0; i < m.size(); ++i) {
        m[i] = 0.9 * m[i] + 0.1 * static_cast<double>(gradient.data()[i]);
        const double expected = -1e-2 * m[i] / (1 - std::pow(0.9, t));
        largest = std::max(largest, std::abs(static_cast<double>(step.data()[i]) - expected));
      }
      if (t <= 5) {
        CHECK(largest < 1e-6);
      } else {
        CHECK(largest > 1e-4);  // from here on the squares count
      }
    }
  }
}

TEST_CASE("NAdam's first step is larger than Adam's: it looks ahead", "[optim][laws]") {
  const LeafPtr a = leaf_of("w", {50}, 1);
  const LeafPtr b = leaf_of("w", {50}, 1);
  optim::Adam adam({a});
  optim::NAdam nadam({b});
  CHECK(norm(moved(nadam, b, 1e-2)) > 1.05 * norm(moved(adam, a, 1e-2)));
}

TEST_CASE("Lion moves every element by the rate", "[optim][laws]") {
  const LeafPtr leaf = leaf_of("w", {30, 20}, 1);
  optim::Lion lion({leaf});
  for (uint64_t step = 1; step < 5; ++step) {
    const Tensor change = moved(lion, leaf, 0.25, step);
    CHECK(std::ranges::all_of(change.values(), [](real x) { return std::abs(std::abs(x) - real{0.25f}) < 1e-6; }));
  }
}

TEST_CASE("LAMB moves a matrix by the rate times its own norm", "[optim][laws]") {
  const LeafPtr leaf = leaf_of("w", {30, 20}, 1);
  optim::LAMB lamb({leaf}, {.weight_decay = 0.1});
  for (uint64_t step = 1; step < 5; ++step) {
    const double size = norm(values_of({leaf})[0]);
    CHECK(norm(moved(lamb, leaf, 0.01, step)) == Approx(0.01 * size).epsilon(1e-4));
  }
  // A parameter of zeros, or one without decay, moves as Adam's would.
  const LeafPtr zeros = leaf_of("z", {50}, 1);
  std::fill_n(zeros->data(), 50, real{0});
  optim::LAMB of_zeros({zeros});
  CHECK(norm(moved(of_zeros, zeros, 0.01)) == Approx(0.01 * std::sqrt(50)).epsilon(1e-3));
  const LeafPtr bias = leaf_of("b", {50}, 1);
  bias->decay = false;
  optim::LAMB of_bias({bias});
  CHECK(norm(moved(of_bias, bias, 0.01)) == Approx(0.01 * std::sqrt(50)).epsilon(1e-3));
}

TEST_CASE("Adafactor remembers rows plus columns of a matrix, not rows times columns", "[optim][laws]") {
  const ParameterList leaves = {leaf_of("matrix", {30, 20}, 1), leaf_of("stack", {3, 4, 5}, 2),
                                leaf_of("bias", {7}, 3)};
  optim::Adafactor adafactor(leaves);
  test::put_gradients(leaves, 1);
  adafactor.step(0.01);
  std::vector<std::string> kept;
  for (const auto& [name, tensor] : adafactor.state()) {
    if (name.find("updates") == std::string::npos && name.find("steps") == std::string::npos)
      kept.push_back(str(name, " ", tensor.shape()));
  }
  CHECK(kept == std::vector<std::string>{"adafactor.row.matrix (30)", "adafactor.column.matrix (20)",
                                         "adafactor.row.stack (12)", "adafactor.column.stack (5)",
                                         "adafactor.v.bias (7)"});
}

TEST_CASE("Adafactor's update has a root mean square of at most its clip", "[optim][laws]") {
  const LeafPtr leaf = leaf_of("w", {30, 20}, 1);
  optim::Adafactor adafactor({leaf}, {.clip = 0.5});
  moved(adafactor, leaf, 0.01, 1);
  put_gradient(leaf, 2);
  for (int64_t i = 0; i < leaf->size(); ++i) leaf->gradient_data()[i] *= 1000;  // far larger than what came before
  const Tensor before = values_of({leaf})[0];
  adafactor.step(0.01);
  const Tensor change = Tensor::on(leaf->shape, leaf->value) - before;
  CHECK(norm(change) / std::sqrt(600) == Approx(0.005).epsilon(1e-3));
}

TEST_CASE("Adafactor's factors are exact for squares that are a product of rows and columns", "[optim][laws]") {
  const LeafPtr leaf = leaf_of("w", {6, 4}, 1);
  put_gradient(leaf, 1);
  for (int64_t i = 0; i < 24; ++i) leaf->gradient_data()[i] = static_cast<real>((1 + i / 4) * (i % 4 - 5));
  const Tensor before = values_of({leaf})[0];
  optim::Adafactor adafactor({leaf});
  adafactor.step(0.01);  // every element has its own scale: a step of signs, as Adam's first
  const Tensor change = Tensor::on(leaf->shape, leaf->value) - before;
  CHECK(test::difference(change, Tensor::full({6, 4}, real{0.01f})) < 1e-4);
}

TEST_CASE("Muon's update of a hidden matrix is nearly orthogonal", "[optim][laws]") {
  for (const Shape& shape : {Shape{16, 16}, Shape{40, 12}, Shape{12, 40}}) {
    INFO(str(shape));
    const LeafPtr leaf = leaf_of("w", shape, 1);
    optim::Muon muon({leaf});
    for (uint64_t step = 1; step < 4; ++step) {
      const double scale = std::sqrt(std::max(1.0, static_cast<double>(shape[0]) / static_cast<double>(shape[1])));
      const auto [least, most] = singular_range(moved(muon, leaf, 1, step));
      CHECK(least > 0.6 * scale);
      CHECK(most < 1.25 * scale);
    }
  }
}

TEST_CASE("Muon orthogonalizes packed queries, keys and values each by itself", "[optim][laws]") {
  const LeafPtr packed = leaf_of("blocks.0.attn.qkv.weight", {36, 20}, 1);
  packed->init.row_gains = {1, 1, 1};
  optim::Muon muon({packed});
  const Tensor change = moved(muon, packed, 1);
  for (int64_t part = 0; part < 3; ++part) {
    const auto [least, most] = singular_range(slice(change, 0, part * 12, (part + 1) * 12));
    CHECK(least > 0.6);
    CHECK(most < 1.25);
  }
}

TEST_CASE("the Newton-Schulz iteration keeps singular vectors: a diagonal matrix stays diagonal", "[optim][laws]") {
  Tensor x = Tensor::zeros({4, 4});
  for (int64_t i = 0; i < 4; ++i) x.mutable_data()[i * 5] = static_cast<real>(0.02 * static_cast<double>(1 + i * i));
  optim::newton_schulz({x.mutable_data(), 4, 4}, 5);
  for (int64_t i = 0; i < 16; ++i) {
    if (i % 5 == 0) {
      CHECK(x.data()[i] > real{0.6f});
      CHECK(x.data()[i] < real{1.25f});
    } else {
      CHECK(x.data()[i] == 0);
    }
  }
}

TEST_CASE("Muon takes the matrices inside blocks and leaves everything else to AdamW", "[optim][laws]") {
  const nn::GPT gpt({.vocab = 11, .context = 8, .layers = 1, .heads = 2, .width = 16, .tied = false}, Seed{1});
  for (const LeafPtr& leaf : nn::parameters(gpt)) {
    INFO(leaf->name);
    const bool inside = leaf->name.starts_with("blocks.") && leaf->shape.rank() == 2;
    const int64_t matrices = leaf->name == "blocks.0.attn.qkv.weight" ? 3 : inside ? 1 : 0;
    CHECK(optim::hidden_matrices(*leaf) == matrices);
  }
  CHECK(optim::hidden_matrices(*leaf_of("experts.up.weight", {8, 4, 3})) == 8);
  CHECK(has_parts(error_of([] {
                    optim::Muon({leaf_of("w", {4, 3})}, {.hidden = [](const Leaf&) { return int64_t{3}; }});
                  }),
                  {"muon: w (4, 3)", "can not hold 3 matrices"}));
}

TEST_CASE("Schedule-Free with beta 0 trains at the points of RMSprop, and evaluates their mean", "[optim][laws]") {
  const LeafPtr free = leaf_of("w", {20}, 1);
  const LeafPtr plain = leaf_of("w", {20}, 1);
  optim::ScheduleFree schedule_free({free}, {.beta = 0});
  optim::Adam adam({plain}, {.beta1 = 0});
  Tensor sum = Tensor::zeros({20});
  for (uint64_t step = 1; step <= 8; ++step) {
    moved(schedule_free, free, 0.01, step);
    moved(adam, plain, 0.01, step);
    CHECK(test::difference(values_of({free})[0], values_of({plain})[0]) < 1e-6);
    sum = sum + values_of({free})[0];
  }
  const auto scope = schedule_free.evaluation();
  CHECK(test::difference(values_of({free})[0], scale(sum, 1.0 / 8)) < 1e-6);
}

TEST_CASE("Schedule-Free's values come back after evaluation, to the bit, and no step is made meanwhile",
          "[optim][laws]") {
  const LeafPtr leaf = leaf_of("w", {20}, 1);
  optim::ScheduleFree schedule_free({leaf});
  for (uint64_t step = 1; step < 5; ++step) moved(schedule_free, leaf, 0.1, step);
  const auto before = values_of({leaf});
  {
    const auto scope = schedule_free.evaluation();
    CHECK_FALSE(test::same_bits(values_of({leaf}), before));
    put_gradient(leaf, 9);
    CHECK(has_parts(error_of([&] { schedule_free.step(0.1); }), {"schedule-free", "evaluation", "end their scope"}));
    CHECK_THROWS_AS(schedule_free.evaluation(), Error);
    CHECK(leaf->has_gradient);
  }
  CHECK(test::same_bits(values_of({leaf}), before));
  schedule_free.step(0.1);
  CHECK_FALSE(test::same_bits(values_of({leaf}), before));
}

TEST_CASE("options of the newer optimizers out of range are refused by name", "[optim][errors]") {
  const ParameterList one = {leaf_of("w", {3})};
  CHECK(has_parts(error_of([&] { optim::AdamW(one, {.coupling = optim::DecayCoupling::Independent}); }),
                  {"adamw: peak_rate", "above 0", "not 0"}));
  CHECK(has_parts(error_of([&] { optim::RAdam(one, {.beta1 = 1}); }), {"radam: beta1", "below 1"}));
  CHECK(has_parts(error_of([&] { optim::NAdam(one, {.momentum_decay = -1}); }), {"nadam: momentum_decay", "not -1"}));
  CHECK(has_parts(error_of([&] { optim::Lion(one, {.beta2 = 1}); }), {"lion: beta2"}));
  CHECK(has_parts(error_of([&] { optim::Lion(one, {.weight_decay = -1}); }), {"lion: weight_decay"}));
  CHECK(has_parts(error_of([&] { optim::LAMB(one, {.eps = 0}); }), {"lamb: eps"}));
  CHECK(has_parts(error_of([&] { optim::LAMB(one, {.beta1 = -1}); }), {"lamb: beta1"}));
  CHECK(has_parts(error_of([&] { optim::Adafactor(one, {.decay_exponent = 0}); }), {"adafactor: decay_exponent"}));
  CHECK(has_parts(error_of([&] { optim::Adafactor(one, {.clip = 0}); }), {"adafactor: clip"}));
  CHECK(has_parts(error_of([&] { optim::Adafactor(one, {.eps1 = 0}); }), {"adafactor: eps1"}));
  CHECK(has_parts(error_of([&] { optim::Adafactor(one, {.beta1 = 1}); }), {"adafactor: beta1"}));
  CHECK(has_parts(error_of([&] { optim::Muon(one, {.momentum = 1}); }), {"muon: momentum"}));
  CHECK(has_parts(error_of([&] { optim::Muon(one, {.iterations = 0}); }), {"muon: iterations", "not 0"}));
  CHECK(has_parts(error_of([&] { optim::Muon(one, {.rest_rate = -1}); }), {"muon: rest_rate"}));
  CHECK(has_parts(error_of([&] { optim::ScheduleFree(one, {.beta = 1}); }), {"schedule-free: beta", "below 1"}));
  CHECK(has_parts(error_of([&] { optim::ScheduleFree(one, {.eps = 0}); }), {"schedule-free: eps"}));
}
