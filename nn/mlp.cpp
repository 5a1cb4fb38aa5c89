#include <tape/nn/mlp.h>

#include <array>
#include <cmath>

#include <tape/core/ops/activation.h>
#include <tape/core/probe.h>
#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<Activation>, 8> activation_names{{{Activation::ReLU, "relu"},
                                                             {Activation::GELU, "gelu"},
                                                             {Activation::GELUTanh, "gelu_tanh"},
                                                             {Activation::SquaredReLU, "squared_relu"},
                                                             {Activation::SiLU, "silu"},
                                                             {Activation::SwiGLU, "swiglu"},
                                                             {Activation::GeGLU, "geglu"},
                                                             {Activation::ReGLU, "reglu"}}};

// φ of an activation without a gate.
const Pointwise& pointwise_of(Activation activation) {
  switch (activation) {
    case Activation::ReLU:
      return pointwise::relu;
    case Activation::GELUTanh:
      return pointwise::gelu_tanh;
    case Activation::SquaredReLU:
      return pointwise::squared_relu;
    case Activation::SiLU:
      return pointwise::silu;
    default:
      return pointwise::gelu;
  }
}

// φ(pre) ⊙ linear.
Tensor gated(Activation activation, const Tensor& pre, const Tensor& linear, Where where) {
  switch (activation) {
    case Activation::GeGLU:
      return geglu(pre, linear, where);
    case Activation::ReGLU:
      return reglu(pre, linear, where);
    default:
      return swiglu(pre, linear, where);
  }
}

// F, of a config that can be built.
int64_t hidden_of(const FeedForwardConfig& c) {
  check(c);
  return c.hidden > 0 ? c.hidden : default_hidden(c.activation, c.width);
}

}  // namespace

std::string_view name_of(Activation activation) {
  return find_name(activation, activation_names);
}
Activation activation(std::string_view name) {
  return find_value("activation", name, activation_names);
}
bool is_gated(Activation activation) {
  return activation == Activation::SwiGLU || activation == Activation::GeGLU || activation == Activation::ReGLU;
}

int64_t default_hidden(Activation activation, int64_t width) {
  return is_gated(activation) ? (8 * width / 3 + 7) / 8 * 8 : 4 * width;
}

void check(const FeedForwardConfig& c) {
  const auto at_least = [](const char* field, int64_t value, int64_t least) {
    if (value < least) throw Error(str("feed-forward: ", field, " must be at least ", least, ", it is ", value));
  };
  at_least("width", c.width, 1);
  at_least("hidden", c.hidden, 0);
  if (!(c.dropout >= 0 && c.dropout < 1)) {
    throw Error(str("feed-forward: dropout must be at least 0 and below 1, it is ", c.dropout));
  }
  at_least("experts", c.mixture.experts, 0);
  if (c.mixture.experts == 0) return;
  at_least("per_token", c.mixture.per_token, 1);
  if (c.mixture.per_token > c.mixture.experts) {
    throw Error(
        str("feed-forward: per_token must be at most experts = ", c.mixture.experts, ", it is ", c.mixture.per_token));
  }
  if (!(c.mixture.balance >= 0 && std::isfinite(c.mixture.balance))) {
    throw Error(str("feed-forward: balance must be a finite number of at least 0, it is ", c.mixture.balance));
  }
}

MLP::MLP(const FeedForwardConfig& c, const WeightInit& init)
    : activation(c.activation),
      name(c.name),
      up(c.width, hidden_of(c), c.bias, init.with_gain(init.hidden)),
      down(hidden_of(c), c.width, c.bias, init.with_gain(init.down)) {
  if (is_gated(activation)) gate.emplace(c.width, hidden_of(c), c.bias, init.with_gain(init.hidden));
  if (c.norm_hidden) hidden_norm.emplace(c.norm, hidden_of(c));
}

Tensor MLP::hidden(const Tensor& x, Where where) const {
  if (gate) {
    const Tensor projected = up(x, where);
    const Tensor pre = tap(name, "hook_pre", (*gate)(x, where), where);
    return gated(activation, pre, tap(name, "hook_pre_linear", projected, where), where);
  }
  const Pointwise& f = pointwise_of(activation);
  if (!Probe::current()) return up.activated(f, x, where);
  return f(tap(name, "hook_pre", up(x, where), where), where);
}

Tensor MLP::added(const Tensor& residual, const Tensor& x, Where where) const {
  Tensor h = hidden(x, where);
  if (hidden_norm) h = (*hidden_norm)(tap(name, "hook_mid", h, where), where);
  return down.added(residual, tap(name, "hook_post", h, where), where);
}

}  // namespace tape::inline TAPE_ABI::nn
