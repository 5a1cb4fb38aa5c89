// The norm as a module: which parameters each setting leaves, what is refused, and norms of each head.
#include <algorithm>
#include <limits>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/tape.h>
#include <tape/nn/module.h>
#include <tape/nn/norm.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::NormConfig;
using nn::NormKind;

constexpr NormKind all_kinds[] = {NormKind::Layer, NormKind::RMS, NormKind::Scale, NormKind::DyT, NormKind::Derf};

template <class Change>
NormConfig with(NormKind kind, Change&& change) {
  NormConfig config = kind;
  change(config);
  return config;
}

std::vector<std::string> names(const NormConfig& config) {
  const nn::Norm norm(config, 9);
  std::vector<std::string> result;
  nn::for_each_parameter(norm, [&](const std::string& name, const LeafPtr&) { result.push_back(name); });
  return result;
}

nn::Norm random_norm(const NormConfig& config, int64_t width) {
  nn::Norm norm(config, width);
  nn::initialize(norm, Seed{1});
  randomize(nn::parameters(norm), 2);
  return norm;
}

}  // namespace

TEST_CASE("Gain and bias can each be left out or added", "[nn][norm]") {
  using Names = std::vector<std::string>;
  const auto no_gain = [](NormConfig& c) { c.gain = false; };
  const auto no_bias = [](NormConfig& c) { c.bias = false; };
  const auto neither = [](NormConfig& c) { c.gain = false, c.bias = false; };
  CHECK(names(with(NormKind::Layer, no_bias)) == Names{"weight"});
  CHECK(names(with(NormKind::Layer, no_gain)) == Names{"bias"});
  CHECK(names(with(NormKind::Layer, neither)).empty());
  CHECK(names(with(NormKind::RMS, [](NormConfig& c) { c.bias = true; })) == Names{"weight", "bias"});
  CHECK(names(with(NormKind::RMS, no_gain)).empty());
  CHECK(names(with(NormKind::DyT, neither)) == Names{"alpha"});
  CHECK(names(with(NormKind::Derf, neither)) == Names{"alpha", "shift"});
}

TEST_CASE("Each setting is refused by the kinds that have no use for it, and by no other", "[nn][norm][errors]") {
  struct Setting {
    const char* field;
    void (*change)(NormConfig&);
    std::vector<NormKind> accepted_by;
  };
  const std::vector<Setting> settings = {
      {"eps_place", [](NormConfig& c) { c.eps_place = EpsPlace::outside; }, {NormKind::Layer, NormKind::RMS}},
      {"unit_offset", [](NormConfig& c) { c.unit_offset = true; }, {NormKind::Layer, NormKind::RMS}},
      {"partial", [](NormConfig& c) { c.partial = 0.0625; }, {NormKind::RMS}},
      {"alpha", [](NormConfig& c) { c.alpha = 0.8; }, {NormKind::DyT, NormKind::Derf}},
      {"gain", [](NormConfig& c) { c.gain = false; }, {NormKind::Layer, NormKind::RMS, NormKind::DyT, NormKind::Derf}},
      {"bias", [](NormConfig& c) { c.bias = true; }, {NormKind::Layer, NormKind::RMS, NormKind::DyT, NormKind::Derf}}};
  for (const Setting& setting : settings) {
    for (const NormKind kind : all_kinds) {
      INFO(setting.field << " of " << nn::name_of(kind));
      const NormConfig config = with(kind, setting.change);
      if (std::ranges::count(setting.accepted_by, kind) > 0) {
        CHECK_NOTHROW(nn::Norm(config, 8));
      } else {
        CHECK(has_parts(error_of([&] { nn::Norm(config, 8); }), {str("norm ", nn::name_of(kind)), setting.field}));
      }
    }
  }
}

TEST_CASE("Values out of range are refused by name", "[nn][norm][errors]") {
  const auto message = [](const NormConfig& config, int64_t width = 8) {
    return error_of([&] { nn::Norm(config, width); });
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(has_parts(message(with(NormKind::Layer, [=](NormConfig& c) { c.eps = nan; })), {"norm layer", "eps"}));
  CHECK(has_parts(message(with(NormKind::Scale, [](NormConfig& c) { c.eps = 0; })), {"norm scale", "eps", "above 0"}));
  CHECK(has_parts(message(with(NormKind::RMS, [](NormConfig& c) { c.partial = 0; })), {"norm rms", "partial"}));
  CHECK(has_parts(message(with(NormKind::RMS, [=](NormConfig& c) { c.partial = nan; })), {"norm rms", "partial"}));
  CHECK(has_parts(message(with(NormKind::Derf, [](NormConfig& c) { c.alpha = -1; })), {"norm derf", "alpha"}));
  CHECK(has_parts(message(with(NormKind::RMS, [](NormConfig& c) { c.gain = false, c.unit_offset = true; })),
                  {"norm rms", "unit_offset", "gain"}));
  CHECK(has_parts(message(NormKind::RMS, 0), {"norm rms", "width", "0"}));
}

TEST_CASE("A norm of each head works on the numbers as they lie, with gradients for all heads", "[nn][norm]") {
  constexpr int64_t batch = 2;
  constexpr int64_t time = 3;
  constexpr int64_t heads = 4;
  constexpr int64_t size = 8;
  const Tensor q = random_tensor({batch, time, heads * size}, 3, -2, 3);
  const Tensor dy = cotangent(q.shape(), 4);
  for (const NormKind kind : all_kinds) {
    INFO(nn::name_of(kind));
    const nn::Norm norm = random_norm(kind, size);
    Tape tape;
    const Tensor in = tape.watch(q);
    const Tensor by_head = reshape(in, {batch, time, heads, size});
    CHECK(by_head.storage().shares(q.storage()));
    const Tensor y = reshape(norm(by_head), q.shape());
    CHECK(tape.size() == 3);  // reshape, norm, reshape
    tape.backward(y, dy);
    const Tensor dx = tape.grad(in);
    // Each head by itself.
    for (int64_t h = 0; h < heads; ++h) {
      Tape alone;
      const Tensor part = alone.watch(slice(q, 2, h * size, (h + 1) * size));
      const Tensor one = norm(part);
      alone.backward(one, slice(dy, 2, h * size, (h + 1) * size));
      CHECK(difference(slice(y, 2, h * size, (h + 1) * size), one) < 1e-6);
      CHECK(difference(slice(dx, 2, h * size, (h + 1) * size), alone.grad(part)) < 1e-6);
    }
  }
}

TEST_CASE("A head's norm with a gain of 1 + w and zero weights is the plain norm", "[nn][norm]") {
  // Applied as a plain gain, weights that are stored as offsets from 1 multiply everything by almost nothing
  // (linkedin/Liger-Kernel #74, tenstorrent/tt-metal #22800).
  const Tensor x = random_tensor({2, 3, 8}, 5);
  const NormConfig plain = with(NormKind::RMS, [](NormConfig& c) { c.gain = false; });
  const NormConfig gemma = with(NormKind::RMS, [](NormConfig& c) { c.unit_offset = true; });
  nn::Norm norm(gemma, 8);
  nn::initialize(norm, Seed{1});
  CHECK(same_bits(norm(x), nn::Norm(plain, 8)(x)));
}

TEST_CASE("RMSNorm divides by the root and not by its reciprocal, and epsilon counts where it stands", "[nn][norm]") {
  // Divided by rsqrt in mosaicml/llm-foundry #371, epsilon never used in keras-hub #1472, outside of the root against
  // the reference models in allenai/OLMo #281: on a row of root mean square 0.1 these all differ.
  const Tensor x = Tensor::from({1, 2}, {static_cast<real>(0.1), static_cast<real>(-0.1)});
  const auto first = [&](double eps, EpsPlace place) {
    const NormConfig config =
        with(NormKind::RMS, [=](NormConfig& c) { c.gain = false, c.eps = eps, c.eps_place = place; });
    return static_cast<double>(nn::Norm(config, 2)(x).data()[0]);
  };
  CHECK(first(0, EpsPlace::inside) == Approx(1));
  CHECK(first(0.03, EpsPlace::inside) == Approx(0.5));
  CHECK(first(0.1, EpsPlace::outside) == Approx(0.5));
}

}  // namespace tape::inline TAPE_ABI::test
