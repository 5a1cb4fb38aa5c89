// Every scheme trains: 300 steps on a Markov source, in every architecture, with LayerNorm and with RMSNorm. The loss
// is always that of new text, and has to come a part of the way from the unigram entropy, which is all that a model
// without context can reach, to the entropy of the source: half of it, and a quarter for masked tokens, of which a step
// has fewer.
#include <tape/core/ops/loss.h>
#include <tape/core/tape.h>
#include <tape/examples/support/markov_source.h>
#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>
#include <tape/optim/schedule.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t steps = 300;
constexpr int64_t rows = 16;
constexpr int64_t context = 24;
constexpr int32_t mask_token = tool::MarkovSource::vocab;

nn::ModelConfig config_of(nn::Scheme scheme, nn::NormKind norm) {
  return {.vocab = mask_token + 1,
          .context = context,
          .layers = 3,
          .heads = 2,
          .width = 32,
          .hidden = 64,
          .scheme = scheme,
          .norm = norm};
}

// Mean loss of the last 50 of 300 steps, where loss_of(step) records one on the current tape.
template <class Model, class Loss>
double trained_loss(const Model& model, const Loss& loss_of) {
  const Threads guard(1);
  optim::AdamW adamw(nn::parameters(model), {.beta2 = 0.98, .weight_decay = 0});
  const optim::Schedule rate = optim::warmup(30, 6e-3).then(optim::linear(steps - 30, 6e-3, 6e-4));
  double sum = 0;
  for (int64_t step = 0; step < steps; ++step) {
    Tape tape;
    const Tensor loss = loss_of(step);
    tape.backward(loss);
    optim::clip_grad_norm(adamw, 1.0);
    adamw.step(rate(step));
    if (step >= steps - 50) sum += static_cast<double>(loss.item()) / 50;
  }
  return sum;
}

double gpt_loss(const nn::ModelConfig& config, const tool::MarkovSource& source) {
  const nn::GPT gpt(config, Seed{1});
  return trained_loss(gpt, [&](int64_t step) {
    const tool::Batch batch = source.batch(rows, context, step);
    return cross_entropy(gpt(batch.input, nn::training(step)), batch.target);
  });
}

// Every fifth token is hidden, from a place that changes with the step.
double bert_loss(nn::ModelConfig config, const tool::MarkovSource& source) {
  config.positions = nn::Positions::Rotary;
  config.rotary_base = 100;
  const nn::Bert bert(config, Seed{1});
  return trained_loss(bert, [&](int64_t step) {
    Ids input = source.batch(rows, context, step).input;
    Ids target(input.shape());
    for (int64_t i = 0; i < input.size(); ++i) {
      const bool hidden = (i + step) % 5 == 0;
      target.mutable_data()[i] = hidden ? input.data()[i] : -100;
      if (hidden) input.mutable_data()[i] = mask_token;
    }
    return cross_entropy(bert(input, nn::training(step)), target);
  });
}

// The target goes on where the source ends.
double encoder_decoder_loss(const nn::ModelConfig& config, const tool::MarkovSource& source) {
  const nn::EncoderDecoder model(config, Seed{1});
  return trained_loss(model, [&](int64_t step) {
    const tool::Batch text = source.batch(rows, 2 * context, step);
    Ids read({rows, context});
    Ids written({rows, context});
    Ids target({rows, context});
    for (int64_t row = 0; row < rows; ++row) {
      std::copy_n(text.input.data() + row * 2 * context, context, read.mutable_data() + row * context);
      std::copy_n(text.input.data() + row * 2 * context + context, context, written.mutable_data() + row * context);
      std::copy_n(text.target.data() + row * 2 * context + context, context, target.mutable_data() + row * context);
    }
    return cross_entropy(model(read, written, nn::training(step)), target);
  });
}

template <class Loss>
void check_all_schemes(nn::NormKind norm, double way, const Loss& loss_of) {
  const tool::MarkovSource source(Seed{1});
  const double enough = source.unigram_entropy() * (1 - way) + source.entropy() * way;
  for (const nn::SchemeInfo& row : nn::scheme_table()) {
    const double loss = loss_of(config_of(row.scheme, norm), source);
    INFO(row.name << ": loss " << loss << ", unigram entropy " << source.unigram_entropy() << ", entropy "
                  << source.entropy());
    CHECK(loss < enough);
  }
}

}  // namespace

TEST_CASE("A GPT with LayerNorm learns a Markov source under every scheme", "[schemes]") {
  check_all_schemes(nn::NormKind::Layer, 0.5, gpt_loss);
}
TEST_CASE("A GPT with RMSNorm learns a Markov source under every scheme", "[schemes]") {
  check_all_schemes(nn::NormKind::RMS, 0.5, gpt_loss);
}
TEST_CASE("A Bert with LayerNorm learns a Markov source under every scheme", "[schemes]") {
  check_all_schemes(nn::NormKind::Layer, 0.25, bert_loss);
}
TEST_CASE("A Bert with RMSNorm learns a Markov source under every scheme", "[schemes]") {
  check_all_schemes(nn::NormKind::RMS, 0.25, bert_loss);
}
TEST_CASE("An encoder-decoder with LayerNorm learns a Markov source under every scheme", "[schemes]") {
  check_all_schemes(nn::NormKind::Layer, 0.5, encoder_decoder_loss);
}
TEST_CASE("An encoder-decoder with RMSNorm learns a Markov source under every scheme", "[schemes]") {
  check_all_schemes(nn::NormKind::RMS, 0.5, encoder_decoder_loss);
}

}  // namespace tape::inline TAPE_ABI::test
