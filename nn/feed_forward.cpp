#include <tape/nn/feed_forward.h>

#include <array>

#include <tape/core/ops/activation.h>
#include <tape/core/ops/elementwise.h>
#include <tape/core/probe.h>
#include <tape/nn/names.h>

namespace tape::inline TAPE_ABI::nn {

namespace {

constexpr std::array<Named<Activation>, 4> activation_names{{{Activation::ReLU, "relu"},
                                                             {Activation::GELU, "gelu"},
                                                             {Activation::GELUTanh, "gelu_tanh"},
                                                             {Activation::SwiGLU, "swiglu"}}};

}  // namespace

std::string_view name_of(Activation activation) {
  return find_name(activation, activation_names);
}
Activation activation(std::string_view name) {
  return find_value("activation", name, activation_names);
}

int64_t default_hidden(Activation activation, int64_t width) {
  return activation == Activation::SwiGLU ? (8 * width / 3 + 7) / 8 * 8 : 4 * width;
}

FeedForward::FeedForward(Activation kind_, int64_t width, int64_t hidden, bool bias, const WeightInit& init,
                         double dropout_p_, std::string name_)
    : kind(kind_),
      name(std::move(name_)),
      dropout_p(dropout_p_),
      up(width, hidden, bias, init.with_gain(init.hidden)),
      down(hidden, width, bias, init.with_gain(init.down)) {
  if (kind == Activation::SwiGLU) gate.emplace(width, hidden, bias, init.with_gain(init.hidden));
}

Tensor FeedForward::operator()(const Tensor& x, const Context& context, Where where) const {
  const Tensor pre = tap(name, "hook_pre", up(x, where), where);
  Tensor hidden;
  switch (kind) {
    case Activation::ReLU:
      hidden = relu(pre, where);
      break;
    case Activation::GELU:
      hidden = gelu(pre, where);
      break;
    case Activation::GELUTanh:
      hidden = gelu_tanh(pre, where);
      break;
    case Activation::SwiGLU:
      hidden = multiply(silu((*gate)(x, where), where), pre, where);
      break;
  }
  return dropout(down(tap(name, "hook_post", hidden, where), where), dropout_p, context, where);
}

}  // namespace tape::inline TAPE_ABI::nn
