// Gradients of every residual scheme in every place against finite differences: blocks of encoders and decoders with
// their memory, whole models, and the same numbers with recomputation.
#include <algorithm>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/loss.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/gradcheck.h"
#include "support/scheme_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Depth;
using nn::Scheme;

constexpr int64_t width = 6;

nn::ModelConfig block_config(const Choice& choice) {
  return {.heads = 2, .width = width, .hidden = 5, .scheme = choice.scheme, .norm = choice.norm};
}

nn::ModelConfig model_config(const Choice& choice) {
  return {.vocab = 5,
          .context = 4,
          .layers = 2,
          .decoder_layers = 3,
          .heads = 2,
          .width = width,
          .hidden = 5,
          .scheme = choice.scheme,
          .norm = choice.norm};
}

// Schemes whose plan is not the same in all blocks.
bool differs_by_layer(Scheme scheme) {
  return scheme == Scheme::KEEL || scheme == Scheme::MixLN || scheme == Scheme::LayerNormScaling;
}

// Block number `layer`, of x and, in a decoder, of the memory.
void check_block(const Choice& choice, const Depth& depth, int64_t layer) {
  const nn::Block block(block_config(choice), depth, layer);
  const ParameterList list = redrawn(block, 60);
  const nn::AttentionMask mask{.causal = depth.is_decoder};
  const bool two = choice.scheme == Scheme::ResiDual;
  const Function f = [&](const Inputs& in) {
    const nn::Memory memory{depth.has_cross_attention() ? in[1] : Tensor(), {.key_lengths = Ids::from({2}, {3, 2})}};
    const nn::Stream s = block({in[0], two ? in[0] : Tensor()}, mask, memory, nn::evaluation());
    return two ? s.x + scale(s.sum, 0.5) : s.x;
  };
  Inputs inputs = {random_tensor({2, 4, width}, 61)};
  if (depth.has_cross_attention()) inputs.push_back(random_tensor({2, 3, width}, 62));
  GradCheckOptions options{.tiny = 1e-6};
  if (choice.norm == nn::NormKind::Derf) {  // its shift of keys moves all scores of a query nearly alike
    options.tiny = 5e-7;
    options.tolerance = 5e-6;
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    // A bias of keys adds the same to all scores of a query: softmax does not see it.
    if (list[i]->name.ends_with("key_norm.bias")) options.zero.push_back(static_cast<int>(inputs.size() + i));
  }
  check_gradients(f, inputs, list, options);
}

const Ids source = random_ids({2, 4}, 5, 63);
const Ids lengths = Ids::from({2}, {4, 2});
const Ids target = random_ids({2, 3}, 5, 64);

// Schemes that differ in more than the formula of a step: second stream, norms at both ends, parallel branches, learned
// gains, blocks of two kinds, norms inside branches.
const std::vector<Choice>& some_choices() {
  using nn::NormKind;
  static const std::vector<Choice> choices = {
      {Scheme::DeepNorm, NormKind::Layer}, {Scheme::ResiDual, NormKind::RMS}, {Scheme::PeriLN, NormKind::Layer},
      {Scheme::Parallel, NormKind::RMS},   {Scheme::Admin, NormKind::Layer},  {Scheme::MixLN, NormKind::RMS},
      {Scheme::KEEL, NormKind::Layer},     {Scheme::ReZero, NormKind::Layer}, {Scheme::NormFormer, NormKind::Layer},
      {Scheme::HybridNorm, NormKind::RMS}};
  return choices;
}

// All gradients of one step of a model with dropout, and then its logits, which forward(model, context) gives.
struct NamedTensors {
  std::vector<std::string> names;
  std::vector<Tensor> tensors;
};
template <class Model, class Forward>
NamedTensors step_of(const nn::ModelConfig& config, const Forward& forward) {
  const Model model(config, Seed{1});
  const ParameterList list = redrawn(model, 65);
  Tape tape;
  const Tensor logits = forward(model, nn::training(7));
  tape.backward(logits, cotangent(logits.shape(), 66));
  NamedTensors result;
  for (const LeafPtr& leaf : list) result.names.push_back(leaf->name);
  result.tensors = take_gradients(list);
  result.names.push_back("logits");
  result.tensors.push_back(logits.copy());
  return result;
}

template <class Model, class Forward>
void check_recomputation(const Choice& choice, const Forward& forward) {
  nn::ModelConfig config = model_config(choice);
  config.dropout = 0.2;
  const auto [names, kept] = step_of<Model>(config, forward);
  config.recompute = true;
  const std::vector<Tensor> recomputed = step_of<Model>(config, forward).tensors;
  REQUIRE(kept.size() == recomputed.size());
  for (std::size_t i = 0; i < kept.size(); ++i) {
    // The embedding begins both streams of ResiDual: its two gradients are added in another order.
    const bool both = choice.scheme == Scheme::ResiDual && names[i].ends_with("embedding.weight");
    INFO(names[i]);
    CHECK((both ? difference(kept[i], recomputed[i]) < 1e-13 : same_bits(kept[i], recomputed[i])));
  }
}

}  // namespace

TEST_CASE("The gradient of a block agrees with finite differences for every scheme, kind of norm and architecture",
          "[gradient][nn][scheme]") {
  for (const Choice& choice : every_choice(all_norms)) {
    for (const Place& place : every_place(3, 4)) {
      DYNAMIC_SECTION(choice.name() << ", " << place.name) {
        check_block(choice, place.depth, 1);
        if (differs_by_layer(choice.scheme)) check_block(choice, place.depth, 0);
      }
    }
  }
}

TEST_CASE("The gradient of a Bert agrees with padding, tied and untied", "[gradient][nn][scheme]") {
  for (const Choice& choice : some_choices()) {
    for (const bool tied : {true, false}) {
      DYNAMIC_SECTION(choice.name() << (tied ? ", tied" : ", untied")) {
        nn::ModelConfig config = model_config(choice);
        config.tied = tied;
        const nn::Bert bert(config, Seed{1});
        const ParameterList list = redrawn(bert, 67);
        check_gradients([&](const Inputs&) { return bert({source, lengths}, nn::evaluation()); }, {}, list);
      }
    }
  }
}

TEST_CASE("The gradient of an encoder-decoder model agrees: embedding, encoder, decoder and head",
          "[gradient][nn][scheme]") {
  for (const Choice& choice : some_choices()) {
    DYNAMIC_SECTION(choice.name()) {
      const nn::EncoderDecoder model(model_config(choice), Seed{1});
      const ParameterList list = redrawn(model, 68);
      check_gradients(
          [&](const Inputs&) {
            return model({source, lengths}, target, nn::evaluation());
          },
          {}, list, {.tiny = 1e-5});
    }
  }
}

TEST_CASE(
    "Recomputation gives the same gradients in every scheme and architecture, with dropout: encoders', through the "
    "memory, too",
    "[gradient][nn][scheme]") {
  for (const Choice& choice : every_choice()) {
    INFO(choice.name());
    check_recomputation<nn::GPT>(choice,
                                 [&](const nn::GPT& gpt, const nn::Context& context) { return gpt(target, context); });
    check_recomputation<nn::Bert>(choice, [&](const nn::Bert& bert, const nn::Context& context) {
      return bert({source, lengths}, context);
    });
    check_recomputation<nn::EncoderDecoder>(choice, [&](const nn::EncoderDecoder& model, const nn::Context& context) {
      return model({source, lengths}, target, context);
    });
  }
}

}  // namespace tape::inline TAPE_ABI::test
