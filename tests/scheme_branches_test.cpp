// Inside the branches: attention and feed-forward of every scheme, composed by hand from single ops on the parameters
// of their names, with the norms that the paper puts there: of queries, keys and values, of all heads together before
// the last projection, and inside feed-forward.
#include <tape/core/ops/activation.h>
#include <tape/core/ops/attention.h>
#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/linear.h>
#include <tape/core/ops/norm.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/core/tape.h>

#include <map>

#include "catch.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::NormKind;
using nn::Scheme;

constexpr int64_t width = 12;
constexpr int64_t heads = 3;
constexpr double tolerance = 1e-5;

// What a scheme puts inside attention and feed-forward.
struct Inside {
  nn::QKNorm query_key = nn::QKNorm::None;
  bool value_norm = false;   // of each head
  bool head_scale = false;   // a factor for each head
  bool out_norm = false;     // of all heads together, in self-attention
  bool hidden_norm = false;  // in feed-forward
};
Inside inside_of(Scheme scheme) {
  switch (scheme) {
    case Scheme::SubLN:
      return {.out_norm = true, .hidden_norm = true};
    case Scheme::NormFormer:
      return {.head_scale = true, .hidden_norm = true};
    case Scheme::OLMo2:
      return {.query_key = nn::QKNorm::FullWidth};
    case Scheme::HybridNorm:
      return {.query_key = nn::QKNorm::PerHead, .value_norm = true};
    default:
      return {};
  }
}

using Values = std::map<std::string, Tensor>;  // of parameters, by name

// The branches as the papers' formulas have them.
class ByHand {
 public:
  ByHand(const Values& values, NormKind kind, const Inside& inside) : values_(values), kind_(kind), inside_(inside) {}

  Tensor self_attention(const Tensor& x, const nn::AttentionMask& mask) const {
    const Tensor packed = linear_of("attn.qkv", x);
    return attention_of("attn", third(packed, 0), third(packed, 1), third(packed, 2), mask);
  }
  Tensor cross_attention(const Tensor& x, const nn::Memory& memory) const {
    const Tensor packed = linear_of("cross.key_value", memory.features);
    return attention_of("cross", linear_of("cross.query", x), third(packed, 0), third(packed, 1), memory.mask);
  }
  Tensor feed_forward(const Tensor& x) const {
    const Tensor hidden = gelu(linear_of("mlp.up", x));
    return linear_of("mlp.down", inside_.hidden_norm ? norm_of("mlp.hidden_norm", hidden) : hidden);
  }

 private:
  const Tensor& parameter(const std::string& name) const { return values_.at(name); }
  static Tensor third(const Tensor& packed, int64_t part) {
    return slice(packed, -1, part * width, (part + 1) * width);
  }
  Tensor linear_of(const std::string& name, const Tensor& x) const {
    return linear(x, parameter(name + ".weight"), parameter(name + ".bias"));
  }
  Tensor norm_of(const std::string& name, const Tensor& x) const {
    if (kind_ == NormKind::RMS) return rms_norm(x, parameter(name + ".weight"));
    return layer_norm(x, parameter(name + ".weight"), parameter(name + ".bias"));
  }
  // A norm of the columns of each head: one weight for all heads.
  Tensor head_norm(const std::string& name, const Tensor& x) const {
    return reshape(norm_of(name, reshape(x, {x.shape()[0], -1, width / heads})), x.shape());
  }
  Tensor scaled_heads(const std::string& name, const Tensor& z) const {
    const Tensor factors = parameter(name);
    std::vector<Tensor> scaled;
    for (int64_t h = 0; h < heads; ++h) {
      const Tensor head = slice(z, -1, h * width / heads, (h + 1) * width / heads);
      scaled.push_back(multiply_rows(head, slice(factors, 0, h, h + 1)));
    }
    return concatenate(scaled, -1);
  }
  Tensor attention_of(const std::string& name, Tensor q, Tensor k, Tensor v, const nn::AttentionMask& mask) const {
    if (inside_.query_key == nn::QKNorm::FullWidth) {
      q = norm_of(name + ".query_norm", q);
      k = norm_of(name + ".key_norm", k);
    } else if (inside_.query_key == nn::QKNorm::PerHead) {
      q = head_norm(name + ".query_norm", q);
      k = head_norm(name + ".key_norm", k);
    }
    if (inside_.value_norm) v = head_norm(name + ".value_norm", v);
    Tensor z = attention(q, k, v, {.heads = heads, .causal = mask.causal, .key_lengths = mask.key_lengths});
    if (inside_.head_scale) z = scaled_heads(name + ".head_scale", z);
    if (inside_.out_norm && name == "attn") z = norm_of(name + ".out_norm", z);
    return linear_of(name + ".out", z);
  }

  const Values& values_;
  NormKind kind_;
  Inside inside_;
};

struct Result {
  Tensor y, dx, dmemory;
  Values gradients;
};

// Values and gradients of the sum of all branches; sum(x, memory, values) gives it.
template <class Sum>
Result differentiated(const ParameterList& list, const Sum& sum) {
  Tape tape;
  const Tensor x = tape.watch(random_tensor({2, 4, width}, 1));
  const nn::Memory memory{tape.watch(random_tensor({2, 5, width}, 2)), {.key_lengths = Ids::from({2}, {5, 3})}};
  Values values;
  for (const LeafPtr& leaf : list) values[leaf->name] = tape.watch(value_of(leaf));
  const Tensor y = sum(x, memory, values);
  tape.backward(y, cotangent(y.shape(), 3));
  Result result{y, tape.grad(x), tape.grad(memory.features), {}};
  for (const LeafPtr& leaf : list) {
    result.gradients[leaf->name] = leaf->has_gradient ? leaf->gradient_tensor().copy() : tape.grad(values[leaf->name]);
    leaf->has_gradient = false;
  }
  return result;
}

}  // namespace

TEST_CASE("The branches of every scheme have the norms inside that its paper puts there: value and all gradients",
          "[nn][scheme][twin]") {
  for (const Choice& choice : every_choice()) {
    for (const Place& place : every_place(2, 2)) {
      INFO(choice.name() << ", " << place.name);
      const nn::Block block(
          {.heads = heads, .width = width, .hidden = 10, .scheme = choice.scheme, .norm = choice.norm}, place.depth, 1);
      ParameterList list = redrawn(block, 11);
      std::erase_if(list, [](const LeafPtr& leaf) { return leaf->name.find("_residual.") != std::string::npos; });
      const nn::AttentionMask mask{.causal = place.depth.is_decoder};
      const auto ours = [&](const Tensor& x, const nn::Memory& memory, const Values&) {
        const nn::Context context = nn::evaluation();
        const Tensor y = block.attn(x, mask, context) + block.mlp(x, context);
        return block.cross ? y + (*block.cross)(x, memory.features, memory.mask, context) : y;
      };
      const auto twin = [&](const Tensor& x, const nn::Memory& memory, const Values& values) {
        const ByHand hand(values, choice.norm, inside_of(choice.scheme));
        const Tensor y = hand.self_attention(x, mask) + hand.feed_forward(x);
        return block.cross ? y + hand.cross_attention(x, memory) : y;
      };
      const Result a = differentiated(list, ours);
      Result b = differentiated(list, twin);
      CHECK(difference(a.y, b.y) < tolerance);
      CHECK(difference(a.dx, b.dx) < tolerance);
      CHECK(difference(a.dmemory, b.dmemory) < tolerance);
      for (const auto& [name, gradient] : a.gradients) {
        INFO(name);
        CHECK(difference(gradient, b.gradients[name], 1e-2) < tolerance);
      }
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
