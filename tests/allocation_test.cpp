// From the third step on, a training step takes no memory: neither tensors from the system nor objects by operator new.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

#include <tape/core/checkpoint.h>
#include <tape/core/ops.h>
#include <tape/examples/support/sampling.h>
#include <tape/nn/attention.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/module.h>
#include <tape/optim/clip.h>
#include <tape/optim/ema.h>

#include "catch.h"
#include "support/optim_golden.h"
#include "support/optimizers.h"
#include "support/tensors.h"

namespace {

std::atomic<int64_t> news{0};

void* take(std::size_t size, std::size_t alignment) {
  ++news;
  void* memory = alignment <= alignof(std::max_align_t)
                     ? std::malloc(size > 0 ? size : 1)
                     : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

// The whole program's operator new, counted. The array and nothrow forms call these.
void* operator new(std::size_t size) {
  return take(size, 1);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return take(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace tape::test {

namespace {

// A Transformer of one block with every kind of op that a training step uses.
struct Model {
  static constexpr int64_t vocabulary = 50, width = 32, context = 24;

  Parameter tokens = parameter_of(random_tensor({vocabulary, width}, 1), "tokens");
  Parameter gain = parameter_of(random_tensor({width}, 2), "gain");
  Parameter bias = parameter_of(random_tensor({width}, 3), "bias");
  Parameter factor = parameter_of(random_tensor({1}, 10, 0.5, 1), "factor");
  Parameter qkv = parameter_of(random_tensor({3 * width, width}, 4), "qkv");
  Parameter up = parameter_of(random_tensor({4 * width, width}, 5), "up");
  Parameter up_bias = parameter_of(random_tensor({4 * width}, 6), "up_bias");
  Parameter down = parameter_of(random_tensor({width, 4 * width}, 7), "down");

  Tensor feed_forward(const Tensor& x) const { return linear(gelu(linear(x, up, up_bias)), down); }

  Tensor loss(const Ids& ids, const Ids& targets, Random& random) const {
    Tensor x = dropout(embedding(tokens, ids), 0.1, random);
    AttentionOptions options;
    options.heads = 4;
    options.causal = true;
    options.dropout = 0.1;
    x = x + attention_packed(linear(layer_norm(x, gain, bias), qkv), options, &random);
    x = axpy(1.5, x, checkpoint([this](const Tensor& t) { return feed_forward(t); }, rms_norm(x, gain)));
    x = scale_norm(dyt(x, factor, gain, bias), factor) + derf(x, factor, factor, gain, bias);
    x = concatenate({slice(x, 2, 0, width / 2), scale(slice(x, 2, width / 2, width), 0.5)}, 2);
    x = softmax(x) * silu(x) + reshape(reshape(x, {-1, width}), {x.shape()[0], context, width});
    return cross_entropy(linear(x, tokens), targets) + scale(mean(x * x), 0.01);
  }
};

struct Taken {
  int64_t from_system = 0, by_new = 0;
};

Taken operator-(const Taken& a, const Taken& b) {
  return {a.from_system - b.from_system, a.by_new - b.by_new};
}
Taken taken() {
  return {pool_stats().system_allocations, news.load()};
}

}  // namespace

TEST_CASE("The count of operator new counts", "[allocation]") {
  const int64_t before = news.load();
  ::operator delete(::operator new(4));  // a new expression the compiler may leave out
  CHECK(news.load() > before);
}

TEST_CASE("From the third step on nothing is allocated", "[allocation]") {
  for (const int count : {1, 2}) {
    const Threads use(count);
    pool_trim();
    const Model model;
    const Ids ids = random_ids({6, Model::context}, Model::vocabulary, 8);
    const Ids targets = random_ids({6, Model::context}, Model::vocabulary, 9);
    Random random(Seed{1}, 2);
    Taken steps[6];
    double losses[6];
    for (int step = 0; step < 6; ++step) {
      const Taken before = taken();
      {
        Tape tape;
        const Tensor loss = model.loss(ids, targets, random);
        tape.backward(loss);
        losses[step] = loss.item();
      }
      for (const Parameter* p : {&model.tokens, &model.gain, &model.bias, &model.factor, &model.qkv, &model.up,
                                 &model.up_bias, &model.down}) {
        (*p)->has_gradient = false;
      }
      steps[step] = taken() - before;
    }
    INFO(count << " threads");
    CHECK(steps[0].from_system > 10);  // the count does count
    for (int step = 2; step < 6; ++step) {
      INFO("step " << step + 1);
      CHECK(steps[step].from_system == 0);
      CHECK(steps[step].by_new == 0);
      CHECK(losses[step] > 0);
    }
  }
}

TEST_CASE("From the third step on attention with all its forms and inner norms allocates nothing", "[allocation][nn]") {
  nn::AttentionConfig config{.width = 32, .heads = 4, .kv_heads = 2, .dropout = 0.1, .rotary = {.base = 100}};
  config.window = 20;
  config.alibi = true;
  config.softcap = 5;
  config.head_scale = true;
  for (const bool norms : {false, true}) {
    config.qk_norm = norms ? nn::QKNorm::PerHead : nn::QKNorm::None;
    config.norm_value = norms;
    config.norm_out = norms;
    const nn::SelfAttention attention(config, {.base = nn::xavier_normal()});
    nn::initialize(attention, Seed{1});
    const Parameter table = parameter_of(random_tensor({8, 4}, 1), "relative_bias");
    ParameterList leaves = nn::parameters(attention);
    leaves.push_back(table.leaf());
    const Tensor x = random_tensor({3, 70, 32}, 2);
    const Ids segments = random_ids({3, 70}, 3, 3);
    const Tensor dy = random_tensor({3, 70, 32}, 4);
    Taken steps[5];
    for (Taken& step : steps) {
      const Taken before = taken();
      {
        Tape tape;
        const nn::AttentionMask mask{.causal = true, .segments = segments, .relative_bias = table};
        tape.backward(attention(x, mask, nn::training(1)), dy);
      }
      step = taken() - before;
      for (const LeafPtr& leaf : leaves) {
        CHECK(leaf->has_gradient);
        leaf->has_gradient = false;
      }
    }
    for (int step = 2; step < 5; ++step) {
      CHECK(steps[step].from_system == 0);
      CHECK(steps[step].by_new == 0);
    }
  }
}

namespace {

// Reads tokens one by one from the beginning, `prompt` at first, and expects the later ones to take no memory.
void check_growth(const nn::ModelConfig& config, int64_t batch, int64_t prompt) {
  const nn::GPT gpt(config, Seed{1});
  const Ids one = random_ids({batch, 1}, 20, 3);
  nn::KeyValueCache cache(config.context);
  const nn::Context context = nn::evaluation().remembering(cache);
  gpt(random_ids({batch, prompt}, 20, 2), context);
  int64_t quiet = 0;
  for (int64_t t = prompt; t < config.context; ++t) {
    const Taken before = taken();
    gpt(one, context);
    const Taken step = taken() - before;
    quiet += step.from_system == 0 && step.by_new == 0;
    if (t < prompt + 2) continue;
    INFO("position " << t << ", batch " << batch);
    CHECK(step.from_system == 0);
    CHECK(step.by_new == 0);
  }
  CHECK(quiet >= config.context - prompt - 2);
}

}  // namespace

TEST_CASE("A text that grows with a key-value cache takes no memory for a token", "[allocation][nn][cache]") {
  for (const int count : {1, 2}) {
    const Threads use(count);
    for (const int64_t batch : {1, 5}) {
      nn::ModelConfig config{.vocab = 20, .context = 200, .layers = 2, .heads = 4, .width = 32};
      pool_trim();
      check_growth(config, batch, 1);
      check_growth(config, batch, 70);
      config.kv_heads = 2;
      config.norm = nn::NormKind::RMS;
      config.activation = nn::Activation::SwiGLU;
      config.qk_norm = nn::QKNorm::PerHead;
      for (const auto positions :
           {nn::Positions::Sinusoidal, nn::Positions::Rotary, nn::Positions::ALiBi, nn::Positions::RelativeBias}) {
        config.positions = positions;
        check_growth(config, batch, 3);
      }
    }
  }
}

TEST_CASE("Sampling takes no memory for a token, within the context and beyond it", "[allocation][tool]") {
  const nn::GPT gpt({.vocab = 20, .context = 30, .layers = 2, .heads = 4, .width = 32}, Seed{1});
  const Threads one(1);  // OpenMP itself takes memory when a team is made
  for (const int64_t top_k : {0, 5}) {
    std::vector<Taken> at;
    at.reserve(100);
    tool::generate(gpt, {1, 2, 3}, {.tokens = 80, .temperature = 1, .top_k = top_k},
                   [&](int32_t) { at.push_back(taken()); });
    REQUIRE(at.size() == 80);
    // Tokens 0 to 27 come from passes with the cache; from 28 on the whole window is read each time.
    for (std::size_t t = 3; t < at.size(); ++t) {
      if (t >= 28 && t <= 30) continue;
      INFO("token " << t);
      CHECK((at[t] - at[t - 1]).from_system == 0);
      CHECK((at[t] - at[t - 1]).by_new == 0);
    }
  }
}

TEST_CASE("A decoder takes no memory for a token of the target", "[allocation][nn][cache]") {
  const nn::EncoderDecoder model({.vocab = 20, .context = 60, .layers = 2, .heads = 4, .width = 32}, Seed{1});
  const nn::Memory memory = model.encode(random_ids({3, 9}, 20, 1), nn::evaluation());
  const Ids one = random_ids({3, 1}, 20, 3);
  nn::KeyValueCache cache(60);
  const nn::Context context = nn::evaluation().remembering(cache);
  for (int text = 0; text < 2; ++text) {
    for (int64_t t = 0; t < 60; ++t) {
      const Taken before = taken();
      model.head(model.decode(memory, one, context));
      const Taken step = taken() - before;
      if (text == 0 && t < 2) continue;
      CHECK(step.from_system == 0);
      CHECK(step.by_new == 0);
    }
    cache.clear();
  }
}

TEST_CASE("From the third step on no optimizer allocates anything, nor does an average of weights",
          "[allocation][optim]") {
  for (const OptimizerRow& row : all_optimizers()) {
    for (const int count : {1, 2}) {
      INFO(row.name << ", " << count << " threads");
      const Threads use(count);
      const ParameterList leaves = {leaf_of("large", {100, 300}, 1), leaf_of("tall", {40, 7}, 2),
                                    leaf_of("bias", {7}, 3)};
      const auto optimizer = row.make(leaves);
      optim::Ema ema(leaves);
      Taken steps[5];
      for (Taken& step : steps) {
        for (const LeafPtr& leaf : leaves) put_gradient(leaf, 1);
        const Taken before = taken();
        optim::clip_grad_norm(*optimizer, 1.0);
        optimizer->step(0.01);
        ema.update();
        step = taken() - before;
      }
      for (int step = 2; step < 5; ++step) {
        CHECK(steps[step].from_system == 0);
        CHECK(steps[step].by_new == 0);
      }
    }
  }
}

}  // namespace tape::test
