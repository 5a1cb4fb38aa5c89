// All kinds of norms with all their settings: against PyTorch, the laws that tell them apart, and rows that are hard.
#include <cmath>
#include <map>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/safetensors.h>
#include <tape/core/tape.h>
#include <tape/nn/module.h>
#include <tape/nn/norm.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::NormConfig;
using nn::NormKind;

const std::vector<NormKind> all_kinds = {NormKind::Layer, NormKind::RMS, NormKind::Scale, NormKind::DyT,
                                         NormKind::Derf};

// The settings of tests/golden/norms.py.
std::map<std::string, NormConfig> golden_configs() {
  const auto config = [](NormKind kind, auto&& change) {
    NormConfig c = kind;
    c.eps = 1e-2;
    change(c);
    return c;
  };
  const auto as_is = [](NormConfig&) {};
  const auto gemma = [](NormConfig& c) { c.unit_offset = true; };
  const auto outside = [](NormConfig& c) { c.eps_place = EpsPlace::outside; };
  return {{"layer", config(NormKind::Layer, as_is)},
          {"layer.no_bias", config(NormKind::Layer, [](NormConfig& c) { c.bias = false; })},
          {"layer.no_gain", config(NormKind::Layer, [](NormConfig& c) { c.bias = c.gain = false; })},
          {"layer.gemma", config(NormKind::Layer, gemma)},
          {"layer.outside", config(NormKind::Layer, outside)},
          {"rms", config(NormKind::RMS, as_is)},
          {"rms.bias", config(NormKind::RMS, [](NormConfig& c) { c.bias = true; })},
          {"rms.no_gain", config(NormKind::RMS, [](NormConfig& c) { c.gain = false; })},
          {"rms.outside", config(NormKind::RMS, outside)},
          {"rms.gemma", config(NormKind::RMS, gemma)},
          {"rms.partial", config(NormKind::RMS, [](NormConfig& c) { c.partial = 0.25; })},
          {"scale", config(NormKind::Scale, as_is)},
          {"dyt", config(NormKind::DyT, as_is)},
          {"derf", config(NormKind::Derf, as_is)}};
}

nn::Norm fresh(const NormConfig& config, int64_t width) {
  nn::Norm norm(config, width);
  nn::initialize(norm, Seed{1});
  return norm;
}

Tensor put_everywhere(const Tensor& x, real value) {
  return Tensor::full(x.shape(), value);
}

struct Differentiated {
  Tensor y, dx;
};
Differentiated differentiated(const nn::Norm& norm, const Tensor& x, const Tensor& dy) {
  Tape tape;
  const Tensor in = tape.watch(x);
  const Tensor y = norm(in);
  tape.backward(y, dy);
  return {y, tape.grad(in)};
}

bool all_finite(const Tensor& x) {
  return std::ranges::all_of(x.values(), [](real v) { return std::isfinite(v); });
}

constexpr double tolerance = 3e-6;

}  // namespace

TEST_CASE("Every norm agrees with PyTorch, values and gradients", "[golden][norm]") {
  const SafetensorsFile file = SafetensorsFile::open(TAPE_GOLDEN_DIR "/norms.safetensors");
  for (const auto& [name, config] : golden_configs()) {
    INFO(name);
    const nn::Norm norm = fresh(config, 10);
    for (const LeafPtr& leaf : nn::parameters(norm)) {
      file.read_into(name + ".value." + leaf->name, leaf->data(), leaf->size());
    }
    const Differentiated ours = differentiated(norm, file.read(name + ".x"), file.read(name + ".dy"));
    CHECK(difference(ours.y, file.read(name + ".y")) < tolerance);
    CHECK(difference(ours.dx, file.read(name + ".dx")) < tolerance);
    for (const LeafPtr& leaf : nn::parameters(norm)) {
      INFO(leaf->name);
      CHECK(difference(leaf->gradient_tensor(), file.read(name + ".gradient." + leaf->name)) < tolerance);
    }
  }
}

TEST_CASE("Only LayerNorm ignores a shift, and only those with a statistic ignore the scale of a row", "[nn][norm]") {
  const Tensor x = random_tensor({3, 16}, 1);
  for (const NormKind kind : all_kinds) {
    INFO(nn::name_of(kind));
    const nn::Norm norm = fresh(kind, 16);
    const double shift = difference(norm(x + put_everywhere(x, 2)), norm(x));
    const double factor = difference(norm(scale(x, 3)), norm(x));
    CHECK((shift < 1e-5) == (kind == NormKind::Layer));
    CHECK((factor < 1e-3) == nn::is_scale_invariant(kind));            // but for eps
    CHECK(difference(norm(scale(x, -1)), scale(norm(x), -1)) < 1e-6);  // all are odd at their first values
  }
}

TEST_CASE("RMSNorm equals LayerNorm where the mean is zero, and ScaleNorm equals RMSNorm with gain g/√C",
          "[nn][norm]") {
  Tensor x = random_tensor({5, 8}, 1);
  for (int64_t r = 0; r < 5; ++r) {
    double mean = 0;
    for (int64_t c = 0; c < 8; ++c) mean += static_cast<double>(x.data()[r * 8 + c]) / 8;
    for (int64_t c = 0; c < 8; ++c) x.mutable_data()[r * 8 + c] -= static_cast<real>(mean);
  }
  CHECK(difference(fresh(NormKind::RMS, 8)(x), fresh(NormKind::Layer, 8)(x)) < 1e-6);
  NormConfig exact = NormKind::RMS;
  exact.eps = 0;
  CHECK(difference(fresh(NormKind::Scale, 8)(x), fresh(exact, 8)(x)) < 1e-6);
}

TEST_CASE("Gemma's gain of 1 + w starts as the plain norm, and weight 0.5 there is 1.5 elsewhere", "[nn][norm]") {
  const Tensor x = random_tensor({3, 8}, 1);
  for (const NormKind kind : {NormKind::Layer, NormKind::RMS}) {
    NormConfig config = kind;
    const nn::Norm plain = fresh(config, 8);
    config.unit_offset = true;
    const nn::Norm gemma = fresh(config, 8);
    CHECK(same_bits(gemma(x), plain(x)));
    std::fill_n(plain.weight->data(), 8, real{1.5});
    std::fill_n(gemma.weight->data(), 8, real{0.5});
    CHECK(same_bits(gemma(x), plain(x)));
  }
}

TEST_CASE("Epsilon outside of the root differs from inside as the formulas say", "[nn][norm]") {
  NormConfig config = NormKind::RMS;
  config.eps = 0.5;
  const Tensor x = Tensor::from({1, 2}, {3, 4});  // mean square 12.5
  CHECK(static_cast<double>(fresh(config, 2)(x).data()[0]) == Approx(3 / std::sqrt(13.0)));
  config.eps_place = EpsPlace::outside;
  CHECK(static_cast<double>(fresh(config, 2)(x).data()[0]) == Approx(3 / (std::sqrt(12.5) + 0.5)));
}

TEST_CASE("A partial RMSNorm of all columns is RMSNorm, and of a few does not see the others", "[nn][norm]") {
  NormConfig config = NormKind::RMS;
  const Tensor x = random_tensor({3, 16}, 1);
  const Tensor whole = fresh(config, 16)(x);
  config.partial = 0.0625;  // the paper's: one of 16
  const nn::Norm partial = fresh(config, 16);
  const Tensor y = partial(x);
  for (int64_t r = 0; r < 3; ++r) CHECK(std::abs(static_cast<double>(y.data()[r * 16])) == Approx(1).epsilon(5e-3));
  CHECK(difference(y, whole) > 0.1);
  config.partial = 1;
  CHECK(same_bits(fresh(config, 16)(x), whole));
}

TEST_CASE("A row of zeros gives the bias and a finite gradient in every norm", "[nn][norm]") {
  const Tensor x = Tensor::zeros({2, 8});
  const Tensor dy = cotangent(x.shape(), 3);
  for (const auto& [name, config] : golden_configs()) {
    INFO(name);
    const nn::Norm norm = fresh(config, 8);
    const Differentiated result = differentiated(norm, x, dy);
    CHECK(same_bits(result.y, x));  // first values: no bias
    CHECK(all_finite(result.dx));
    // The gradient that the contract promises: dy times the slope of the norm at 0.
    if (config.kind == NormKind::RMS) {
      const double slope = config.eps_place == EpsPlace::outside ? 1 / config.eps : 1 / std::sqrt(config.eps);
      CHECK(difference(result.dx, scale(dy, slope)) < 1e-6);
    }
    if (config.kind == NormKind::Scale) CHECK(difference(result.dx, scale(dy, std::sqrt(8.0) / config.eps)) < 1e-6);
    if (config.kind == NormKind::DyT) CHECK(difference(result.dx, scale(dy, config.alpha)) < 1e-6);
  }
}

TEST_CASE("Rows of very large and very small numbers stay finite", "[nn][norm]") {
  for (const auto& [name, config] : golden_configs()) {
    for (const double size : {1e-18, 1e-6, 1e6, 1e17}) {
      INFO(name << ", numbers of size " << size);
      const nn::Norm norm = fresh(config, 8);
      const Tensor x = scale(random_tensor({2, 8}, 1), size);
      const Differentiated result = differentiated(norm, x, cotangent(x.shape(), 3));
      CHECK(all_finite(result.y));
      CHECK(all_finite(result.dx));
    }
  }
}

TEST_CASE("A norm of each head is the norm of x (…, H, D), without a copy", "[nn][norm]") {
  const Tensor x = random_tensor({2, 3, 8}, 1);
  const nn::Norm norm = fresh(NormKind::RMS, 4);
  const Tensor heads = norm(reshape(x, {2, 3, 2, 4}));
  for (int64_t r = 0; r < 12; ++r) {
    const Tensor one = Tensor::from({1, 4}, x.values().subspan(static_cast<std::size_t>(4 * r), 4));
    CHECK(difference(norm(one), Tensor::from({1, 4}, heads.values().subspan(static_cast<std::size_t>(4 * r), 4))) <
          1e-6);
  }
}

TEST_CASE("Settings that a norm has no use for are refused by name", "[nn][norm][errors]") {
  const auto message = [](NormKind kind, auto&& change) {
    NormConfig config = kind;
    change(config);
    return error_of([&] { nn::Norm(config, 8); });
  };
  CHECK(has_parts(message(NormKind::Layer, [](NormConfig& c) { c.partial = 0.5; }), {"norm layer", "partial", "rms"}));
  CHECK(
      has_parts(message(NormKind::Scale, [](NormConfig& c) { c.unit_offset = true; }), {"norm scale", "unit_offset"}));
  CHECK(has_parts(message(NormKind::Scale, [](NormConfig& c) { c.bias = true; }), {"norm scale", "bias"}));
  CHECK(
      has_parts(message(NormKind::DyT, [](NormConfig& c) { c.eps_place = EpsPlace::outside; }), {"dyt", "eps_place"}));
  CHECK(has_parts(message(NormKind::DyT, [](NormConfig& c) { c.alpha = 0; }), {"dyt", "alpha", "above 0"}));
  CHECK(has_parts(message(NormKind::RMS, [](NormConfig& c) { c.eps = -1; }), {"rms", "eps", "at least 0"}));
  CHECK(
      has_parts(error_of([] { nn::norm_kind("Layer"); }), {"unknown norm \"Layer\"", "layer, rms, scale, dyt, derf"}));
}

TEST_CASE("Nothing in a norm is decayed, and each kind has the parameters that its formula has", "[nn][norm]") {
  const std::map<NormKind, std::vector<std::string>> expected = {
      {NormKind::Layer, {"weight", "bias"}},
      {NormKind::RMS, {"weight"}},
      {NormKind::Scale, {"weight"}},
      {NormKind::DyT, {"weight", "bias", "alpha"}},
      {NormKind::Derf, {"weight", "bias", "alpha", "shift"}}};
  for (const auto& [kind, names] : expected) {
    std::vector<std::string> ours;
    const nn::Norm norm = fresh(kind, 9);
    for (const LeafPtr& leaf : nn::parameters(norm)) {
      ours.push_back(leaf->name);
      CHECK_FALSE(leaf->decay);
    }
    CHECK(ours == names);
  }
  CHECK(fresh(NormKind::Scale, 9).weight->data()[0] == real{3});
  CHECK(fresh(NormKind::DyT, 9).alpha->data()[0] == real{0.5});
}

}  // namespace tape::inline TAPE_ABI::test
