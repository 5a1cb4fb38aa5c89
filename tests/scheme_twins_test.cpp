// Twins of blocks and stacks: every scheme in every place, composed by hand from the block's own norms, attention and
// feed-forward in the order of the paper's formula, against the block that walks its plan of slots.
#include <cmath>
#include <functional>

#include <tape/core/ops/elementwise.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Depth;
using nn::Residual;
using nn::Scheme;
using nn::Stream;

constexpr int64_t width = 8;
constexpr double tolerance = 4e-5;  // the gradient of ScaleNorm's one gain is a long sum of both signs

// One residual step of a block: its norms and gains, its branch, and where it stands.
struct Step {
  const Residual& r;
  std::function<Tensor(const Tensor&)> f;
  int64_t layer;
  nn::Sublayer sublayer;
};

double deepnorm_alpha(const Depth& d) {
  const auto n = static_cast<double>(d.encoder);
  const auto m = static_cast<double>(d.decoder);
  if (d.architecture != nn::Architecture::EncoderDecoder) return std::pow(2 * (n + m), 0.25);  // one of them is 0
  if (d.is_decoder) return std::pow(3 * m, 0.25);
  return std::pow(27, -1.0 / 16) * std::pow(n, 0.25) * std::pow(m, 1.0 / 16);
}

// The formula of the scheme, as its paper prints it.
Tensor by_hand(Scheme scheme, const Depth& depth, const Step& s, const Tensor& x) {
  const Residual& r = s.r;
  const bool first = s.layer == 0;
  switch (scheme) {
    case Scheme::PostLN:
    case Scheme::ResiDual:
      return (*r.norm_sum)(x + s.f(x));
    case Scheme::PreLN:
    case Scheme::SubLN:  // the inner norm belongs to the branch
      return x + s.f((*r.norm_input)(x));
    case Scheme::DeepNorm:
      return (*r.norm_sum)(scale(x, deepnorm_alpha(depth)) + s.f(x));
    case Scheme::DeepNormArticle:
      return (*r.norm_sum)(x + scale(s.f(x), depth.is_decoder ? 0.8 : 1.0));
    case Scheme::SandwichLN:
    case Scheme::PeriLN:
      return x + (*r.norm_output)(s.f((*r.norm_input)(x)));
    case Scheme::NormFormer:
      if (s.sublayer == nn::Sublayer::FeedForward) return x + s.f((*r.norm_input)(x));
      return x + (*r.norm_output)(s.f((*r.norm_input)(x)));
    case Scheme::OLMo2:
      return x + (*r.norm_output)(s.f(x));
    case Scheme::Admin:
      return (*r.norm_sum)(multiply_rows(x, r.skip_gain) + s.f(x));
    case Scheme::MixLN:  // of 3 and 5 blocks one is Post-LN
      return first ? (*r.norm_sum)(x + s.f(x)) : x + s.f((*r.norm_input)(x));
    case Scheme::LayerNormScaling:
      return x + s.f(scale((*r.norm_input)(x), 1 / std::sqrt(static_cast<double>(s.layer + 1))));
    case Scheme::HybridNorm: {
      if (s.sublayer != nn::Sublayer::FeedForward) return x + s.f(x);
      const Tensor y = (*r.norm_stream)(x);
      return y + s.f(y);
    }
    case Scheme::KEEL: {
      const Tensor z = s.f((*r.norm_input)(x));
      if (first && s.sublayer == nn::Sublayer::SelfAttention) return x + z;
      const auto alpha = static_cast<double>((depth.has_cross_attention() ? 3 : 2) * depth.layers());
      return (*r.norm_sum)(first ? x + z : scale(x, alpha) + z);
    }
    case Scheme::LayerScale:
      return x + multiply_rows(s.f((*r.norm_input)(x)), r.branch_gain);
    case Scheme::ReZero:
      return x + multiply_rows(s.f(x), r.branch_gain);
    case Scheme::TFixup:
      return x + s.f(x);
    case Scheme::Parallel:
      break;  // a block of its own, see block_by_hand
  }
  FAIL("no formula");
  return x;
}

const nn::AttentionMask& mask_of(const Depth& depth) {
  static const nn::AttentionMask causal{.causal = true};
  static const nn::AttentionMask padded{.key_lengths = Ids::from({2}, {4, 3})};
  return depth.is_decoder ? causal : padded;
}

Stream block_by_hand(const nn::Block& block, Scheme scheme, const Depth& depth, int64_t layer, const Stream& in,
                     const nn::Memory& memory) {
  const nn::Context context = nn::evaluation();
  const auto attention = [&](const Tensor& x) { return block.attn(x, mask_of(depth), context); };
  const auto cross = [&](const Tensor& x) { return (*block.cross)(x, memory.features, memory.mask, context); };
  const auto feed_forward = [&](const Tensor& x) { return block.mlp(x, context); };
  if (scheme == Scheme::Parallel) {
    const Tensor y = (*block.attn_residual.norm_input)(in.x);
    const Tensor sum = in.x + attention(y) + feed_forward(y);
    return {depth.has_cross_attention() ? sum + cross(y) : sum};
  }
  std::vector<Step> steps = {{block.attn_residual, attention, layer, nn::Sublayer::SelfAttention}};
  if (depth.has_cross_attention()) {
    steps.push_back({*block.cross_residual, cross, layer, nn::Sublayer::CrossAttention});
  }
  steps.push_back({*block.mlp_residual, feed_forward, layer, nn::Sublayer::FeedForward});
  Stream s = in;
  for (const Step& step : steps) {
    if (s.sum) s.sum = s.sum + step.f(s.x);  // ResiDual: the branches once more, without any norm
    s.x = by_hand(scheme, depth, step, s.x);
  }
  return s;
}

// The parts of a stack, as its visit hands them out.
struct Parts {
  const std::vector<nn::Block>* blocks = nullptr;
  const nn::Norm* embedding_norm = nullptr;
  const nn::Norm* final_norm = nullptr;
  void operator()(std::string_view, const Parameter&) {}  // the table of relative positions, which these stacks lack
  void operator()(std::string_view, const std::vector<nn::Block>& b) { blocks = &b; }
  void operator()(std::string_view name, const std::optional<nn::Norm>& norm) {
    if (norm) (name == "final_norm" ? final_norm : embedding_norm) = &*norm;
  }
};

Tensor stack_by_hand(const nn::Stack& stack, Scheme scheme, const Depth& depth, const Tensor& embedding,
                     const nn::Memory& memory) {
  Parts parts;
  stack.visit(parts);
  const Tensor x = parts.embedding_norm ? (*parts.embedding_norm)(embedding) : embedding;
  Stream s{x, scheme == Scheme::ResiDual ? x : Tensor()};
  int64_t layer = 0;
  for (const nn::Block& block : *parts.blocks) s = block_by_hand(block, scheme, depth, layer++, s, memory);
  if (scheme == Scheme::ResiDual) return s.x + (*parts.final_norm)(s.sum);
  return parts.final_norm ? (*parts.final_norm)(s.x) : s.x;
}

nn::ModelConfig config_of(const Choice& choice) {
  return {.heads = 2, .width = width, .hidden = 12, .scheme = choice.scheme, .norm = choice.norm};
}

struct Result {
  Tensor y, dx, dmemory;
  std::vector<Tensor> parameters;
};
template <class Forward>
Result differentiated(const ParameterList& parameters, const Depth& depth, const Forward& forward) {
  Tape tape;
  const Tensor x = tape.watch(random_tensor({2, 4, width}, 1));
  const bool reads = depth.has_cross_attention();
  const Tensor features = reads ? tape.watch(random_tensor({2, 3, width}, 2)) : Tensor();
  const nn::Memory memory{features, {.key_lengths = Ids::from({2}, {2, 3})}};
  const Tensor y = forward(x, memory);
  tape.backward(y, cotangent(y.shape(), 3));
  return {y, tape.grad(x), reads ? tape.grad(features) : Tensor(), take_gradients(parameters)};
}

void check_same(const ParameterList& list, const Result& ours, const Result& twin) {
  CHECK(difference(ours.y, twin.y) < tolerance);
  CHECK(difference(ours.dx, twin.dx) < tolerance);
  if (ours.dmemory) CHECK(difference(ours.dmemory, twin.dmemory) < tolerance);
  for (std::size_t i = 0; i < list.size(); ++i) {
    INFO(list[i]->name);
    // The gradient of the keys' bias is 0 but for rounding: softmax does not see it.
    CHECK(difference(ours.parameters[i], twin.parameters[i], 1e-2) < tolerance);
  }
}

}  // namespace

TEST_CASE("A block of every scheme, norm and architecture is its paper's formula: value and all gradients",
          "[nn][scheme][twin]") {
  for (const Choice& choice : every_choice(all_norms)) {
    for (const Place& place : every_place(3, 5)) {
      for (const int64_t layer : {0, 1}) {
        INFO(choice.name() << ", " << place.name << ", block " << layer);
        const nn::Block block(config_of(choice), place.depth, layer);
        const ParameterList list = redrawn(block, 11);
        const bool two = choice.scheme == Scheme::ResiDual;
        // ResiDual's streams start as one tensor; both are seen through their difference.
        const auto one_tensor = [](const Stream& s) { return s.sum ? s.sum - scale(s.x, 0.5) : s.x; };
        const auto ours = [&](const Tensor& x, const nn::Memory& memory) {
          return one_tensor(block(Stream{x, two ? x : Tensor()}, mask_of(place.depth), memory, nn::evaluation()));
        };
        const auto twin = [&](const Tensor& x, const nn::Memory& memory) {
          return one_tensor(block_by_hand(block, choice.scheme, place.depth, layer, {x, two ? x : Tensor()}, memory));
        };
        check_same(list, differentiated(list, place.depth, ours), differentiated(list, place.depth, twin));
      }
    }
  }
}

TEST_CASE("A stack of every scheme, norm and architecture is its blocks with the scheme's outer norms",
          "[nn][scheme][twin][slow]") {
  for (const Choice& choice : every_choice(all_norms)) {
    for (const Place& place : every_place(3, 5)) {
      INFO(choice.name() << ", " << place.name);
      const nn::Stack stack(config_of(choice), place.depth);
      const ParameterList list = redrawn(stack, 12);
      const auto ours = [&](const Tensor& x, const nn::Memory& memory) {
        return stack(x, mask_of(place.depth), memory, nn::evaluation());
      };
      const auto twin = [&](const Tensor& x, const nn::Memory& memory) {
        return stack_by_hand(stack, choice.scheme, place.depth, x, memory);
      };
      check_same(list, differentiated(list, place.depth, ours), differentiated(list, place.depth, twin));
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
