// Laws of attention's modules in their forms: what shared heads, windows, segments, norms and first values mean.
#include <cmath>
#include <limits>
#include <optional>

#include <tape/core/ops/elementwise.h>
#include <tape/core/ops/shape_ops.h>
#include <tape/nn/attention.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t width = 16;
constexpr int64_t heads = 4;

nn::SelfAttention random_attention(nn::AttentionConfig config, uint64_t seed) {
  config.width = width;
  config.heads = heads;
  nn::SelfAttention attention(config, {});
  nn::initialize(attention, Seed{1});
  randomize(nn::parameters(attention), seed);
  return attention;
}

void copy_rows(const Parameter& from, int64_t from_row, int64_t count, const Parameter& to, int64_t to_row) {
  const int64_t columns = from->shape.rank() > 1 ? from->shape.last() : 1;
  std::copy_n(from->data() + from_row * columns, count * columns, to->data() + to_row * columns);
}

// Multiplies rows begin … end-1 of a parameter.
void scale_rows(const Parameter& p, int64_t begin, int64_t end, real factor) {
  const int64_t columns = p->shape.rank() > 1 ? p->shape.last() : 1;
  for (int64_t i = begin * columns; i < end * columns; ++i) p->data()[i] *= factor;
}

double stddev_of_rows(const Parameter& p, int64_t begin, int64_t end) {
  const int64_t columns = p->shape.last();
  double squares = 0;
  for (int64_t i = begin * columns; i < end * columns; ++i) squares += p->data()[i] * p->data()[i];
  return std::sqrt(squares / static_cast<double>((end - begin) * columns));
}

Tensor tokens(const Tensor& x, int64_t row, int64_t begin, int64_t end) {
  return slice(slice(x, 0, row, row + 1), 1, begin, end);
}

std::string message_of(const nn::AttentionConfig& config) {
  return error_of([&] { nn::SelfAttention(config, {}); });
}
std::string cross_message_of(const nn::AttentionConfig& config) {
  return error_of([&] { nn::CrossAttention(config, {}); });
}

}  // namespace

TEST_CASE("One key head, copied for every query head, is multi-head attention", "[nn][attention][forms]") {
  constexpr int64_t size = width / heads;
  for (const int64_t kv_heads : {1, 2}) {
    for (const double rotary : {0.0, 20.0}) {
      const nn::SelfAttention shared = random_attention({.kv_heads = kv_heads, .rotary = {.base = rotary}}, 2);
      const nn::SelfAttention full = random_attention({.rotary = {.base = rotary}}, 3);
      for (const auto& [from, to] :
           {std::pair{&shared.qkv.weight, &full.qkv.weight}, std::pair{&shared.qkv.bias, &full.qkv.bias}}) {
        copy_rows(*from, 0, width, *to, 0);
        for (int64_t h = 0; h < heads; ++h) {
          const int64_t g = h * kv_heads / heads;
          copy_rows(*from, width + g * size, size, *to, width + h * size);
          copy_rows(*from, width + (kv_heads + g) * size, size, *to, 2 * width + h * size);
        }
      }
      copy_rows(shared.out.weight, 0, width, full.out.weight, 0);
      copy_rows(shared.out.bias, 0, width, full.out.bias, 0);
      const Tensor x = random_tensor({2, 9, width}, 4);
      const nn::AttentionMask causal{.causal = true};
      CHECK(difference(shared(x, causal, nn::evaluation()), full(x, causal, nn::evaluation())) < 2e-6);
    }
  }
}

TEST_CASE("As many key heads as heads are no other module", "[nn][attention][forms]") {
  const Tensor x = random_tensor({2, 9, width}, 4);
  const Tensor plain = random_attention({}, 2)(x, {.causal = true}, nn::evaluation());
  CHECK(same_bits(random_attention({.kv_heads = heads}, 2)(x, {.causal = true}, nn::evaluation()), plain));
}

TEST_CASE("A token beyond the window changes nothing, bit for bit", "[nn][attention][forms]") {
  const nn::SelfAttention attention = random_attention({.window = 4}, 2);
  const Tensor x = random_tensor({1, 100, width}, 4);
  Tensor y = x.copy();
  std::fill_n(y.mutable_data() + 30 * width, width, real{3});  // token 30
  const Tensor before = attention(x, {.causal = true}, nn::evaluation());
  const Tensor after = attention(y, {.causal = true}, nn::evaluation());
  CHECK(same_bits(tokens(after, 0, 0, 30), tokens(before, 0, 0, 30)));
  for (int64_t t = 30; t < 34; ++t) CHECK_FALSE(same_bits(tokens(after, 0, t, t + 1), tokens(before, 0, t, t + 1)));
  CHECK(same_bits(tokens(after, 0, 34, 100), tokens(before, 0, 34, 100)));
}

TEST_CASE("Texts packed into one row are the texts each for itself", "[nn][attention][forms]") {
  // 40 and 30 tokens, and padding. Positions that are distances do not notice where a text begins.
  constexpr int64_t first = 40;
  constexpr int64_t second = 30;
  Ids segments(Shape{1, 75});
  for (int64_t t = 0; t < 75; ++t) segments.mutable_data()[t] = t < first ? 0 : t < first + second ? 1 : -1;
  const Tensor x = random_tensor({1, 75, width}, 4);
  const Parameter table = parameter_of(random_tensor({8, heads}, 5), "relative_bias");
  for (const nn::AttentionConfig& config : {nn::AttentionConfig{}, nn::AttentionConfig{.rotary = {.base = 100}},
                                            nn::AttentionConfig{.kv_heads = 2, .window = 9, .alibi = true}}) {
    const nn::SelfAttention attention = random_attention(config, 2);
    for (const bool causal : {true, false}) {
      const auto run = [&](const Tensor& part, const Ids& of) {
        return attention(part, {.causal = causal, .segments = of, .relative_bias = table}, nn::evaluation());
      };
      const Tensor packed = run(x, segments);
      CHECK(difference(tokens(packed, 0, 0, first), run(tokens(x, 0, 0, first), {})) < 3e-6);
      const Tensor alone = run(tokens(x, 0, first, first + second), {});
      CHECK(difference(tokens(packed, 0, first, first + second), alone) < 3e-6);
      // Padding sees nothing: what is left is the bias of the output projection.
      CHECK(same_bits(reshape(tokens(packed, 0, 74, 75), {width}), attention.out.bias.value().detach()));
    }
  }
}

TEST_CASE("A number added to the whole table of relative biases changes nothing", "[nn][attention][forms]") {
  const nn::SelfAttention attention = random_attention({.scale = 1}, 2);
  const Tensor x = random_tensor({2, 20, width}, 4);
  const Tensor table = random_tensor({8, heads}, 5);
  const auto run = [&](const Tensor& t) { return attention(x, {.relative_bias = t}, nn::evaluation()); };
  CHECK(difference(run(table + Tensor::full(table.shape(), 3)), run(table)) < 5e-6);
  CHECK(difference(run(Tensor::zeros(table.shape())), attention(x, {}, nn::evaluation())) < 1e-6);
  CHECK(difference(run(table), attention(x, {}, nn::evaluation())) > 0.01);
}

TEST_CASE("With a norm of queries and keys the scale of their weights does not matter", "[nn][attention][forms]") {
  const Tensor x = random_tensor({2, 9, width}, 4);
  for (const nn::QKNorm kind : {nn::QKNorm::None, nn::QKNorm::PerHead, nn::QKNorm::FullWidth}) {
    nn::AttentionConfig config{.rotary = {.base = 100}, .qk_norm = kind};
    config.norm = nn::NormKind::RMS;
    config.norm.eps = 1e-12;
    const nn::SelfAttention attention = random_attention(config, 2);
    const Tensor before = attention(x, {.causal = true}, nn::evaluation());
    for (const Parameter* p : {&attention.qkv.weight, &attention.qkv.bias}) scale_rows(*p, 0, width, 50);
    const double change = difference(attention(x, {.causal = true}, nn::evaluation()), before);
    if (kind == nn::QKNorm::None) {
      CHECK(change > 0.05);
    } else {
      CHECK(change < 5e-6);
    }
    // One head alone: only a norm of each head by itself takes that out again.
    for (const Parameter* p : {&attention.qkv.weight, &attention.qkv.bias}) scale_rows(*p, 0, width / heads, 50);
    CHECK((difference(attention(x, {.causal = true}, nn::evaluation()), before) < 5e-6) ==
          (kind == nn::QKNorm::PerHead));
  }
}

TEST_CASE("Head scale at first changes nothing, and a zero silences one head", "[nn][attention][forms]") {
  const Tensor x = random_tensor({2, 9, width}, 4);
  const nn::SelfAttention plain = random_attention({}, 2);
  const nn::SelfAttention scaled = random_attention({.head_scale = true}, 2);
  CHECK_FALSE(scaled.inner.head_scale->decay);
  nn::copy_values(nn::parameters(plain),
                  {scaled.qkv.weight.leaf(), scaled.qkv.bias.leaf(), scaled.out.weight.leaf(), scaled.out.bias.leaf()});
  std::fill_n(scaled.inner.head_scale->data(), heads, real{1});
  CHECK(same_bits(scaled(x, {}, nn::evaluation()), plain(x, {}, nn::evaluation())));
  scaled.inner.head_scale->data()[1] = 0;
  for (int64_t row = 0; row < width; ++row) {  // the columns of the output projection that read head 1
    std::fill_n(plain.out.weight->data() + row * width + width / heads, width / heads, real{0});
  }
  CHECK(difference(scaled(x, {}, nn::evaluation()), plain(x, {}, nn::evaluation())) < 1e-6);
}

TEST_CASE("DeepNorm's gain meets values and output alone, also in packed weights and with fewer key heads",
          "[nn][init][forms]") {
  // Public code has scaled the whole packed weight, and so the queries and keys too.
  constexpr double beta = 0.3;
  constexpr int64_t c = 96;
  const nn::WeightInit init{.base = nn::xavier_normal(), .value = beta, .attention_out = beta};
  for (const int64_t kv_heads : {6, 3, 1}) {
    INFO(kv_heads << " key heads");
    const int64_t kv = kv_heads * c / 6;
    const double square = std::sqrt(2.0 / (c + c));
    const double narrow = std::sqrt(2.0 / static_cast<double>(c + kv));  // of a matrix (KV·D, C) of its own
    const nn::SelfAttention self({.width = c, .heads = 6, .kv_heads = kv_heads}, init);
    nn::initialize(self, Seed{3});
    CHECK(self.qkv.weight->shape == Shape{c + 2 * kv, c});
    CHECK(stddev_of_rows(self.qkv.weight, 0, c) == Approx(square).epsilon(0.04));
    CHECK(stddev_of_rows(self.qkv.weight, c, c + kv) == Approx(narrow).epsilon(0.08));
    CHECK(stddev_of_rows(self.qkv.weight, c + kv, c + 2 * kv) == Approx(beta * narrow).epsilon(0.08));
    CHECK(stddev_of_rows(self.out.weight, 0, c) == Approx(beta * square).epsilon(0.04));
    const nn::CrossAttention cross({.width = c, .heads = 6, .kv_heads = kv_heads}, init);
    nn::initialize(cross, Seed{4});
    CHECK(stddev_of_rows(cross.query.weight, 0, c) == Approx(square).epsilon(0.04));
    CHECK(stddev_of_rows(cross.key_value.weight, 0, kv) == Approx(narrow).epsilon(0.08));
    CHECK(stddev_of_rows(cross.key_value.weight, kv, 2 * kv) == Approx(beta * narrow).epsilon(0.08));
    CHECK(stddev_of_rows(cross.out.weight, 0, c) == Approx(beta * square).epsilon(0.04));
  }
}

TEST_CASE(
    "With a factor of its own on the scores queries start smaller by as much, as in T5: first scores are the same",
    "[nn][attention][forms]") {
  const Tensor x = random_tensor({2, 5, width}, 1, -3, 3);
  const auto with_scale = [](std::optional<double> scale) {
    nn::SelfAttention attention({.width = width, .heads = heads, .scale = scale}, {.base = nn::xavier_normal()});
    nn::initialize(attention, Seed{1});
    return attention;
  };
  const nn::SelfAttention usual = with_scale({});
  const nn::SelfAttention t5 = with_scale(1);  // the usual factor is 1/√4
  CHECK(difference(t5(x, {}, nn::evaluation()), usual(x, {}, nn::evaluation())) < 1e-5);
  CHECK(stddev_of_rows(t5.qkv.weight, 0, width) == Approx(stddev_of_rows(usual.qkv.weight, 0, width) / 2));
  CHECK(stddev_of_rows(t5.qkv.weight, width, 3 * width) == Approx(stddev_of_rows(usual.qkv.weight, width, 3 * width)));
  // A norm of queries leaves nothing of their size, which is then the usual one.
  for (const nn::QKNorm norm : {nn::QKNorm::PerHead, nn::QKNorm::FullWidth}) {
    nn::SelfAttention normed({.width = width, .heads = heads, .scale = 1, .qk_norm = norm},
                             {.base = nn::xavier_normal()});
    nn::initialize(normed, Seed{1});
    CHECK(stddev_of_rows(normed.qkv.weight, 0, width) == Approx(stddev_of_rows(usual.qkv.weight, 0, width)));
  }
  // In a model it reaches every attention, also across.
  nn::ModelConfig config{.vocab = 7, .context = 4, .layers = 1, .heads = 2, .width = 8};
  const nn::EncoderDecoder without(config, Seed{1});
  config.attention_scale = 1;
  const nn::EncoderDecoder with(config, Seed{1});
  int smaller = 0;
  for (std::size_t i = 0; i < nn::parameters(with).size(); ++i) {
    const LeafPtr a = nn::parameters(without)[i];
    const LeafPtr b = nn::parameters(with)[i];
    smaller += a->init.kind == Init::Kind::normal && std::abs(b->data()[0] / a->data()[0] - 0.5) < 1e-6 ? 1 : 0;
  }
  CHECK(smaller == 3);  // the encoder's, the decoder's and cross attention's queries
  config.attention_scale = -1;
  CHECK(has_parts(error_of([&] { nn::EncoderDecoder(config, Seed{1}); }), {"EncoderDecoder: attention_scale"}));
}

TEST_CASE("Groups of rows must make up the whole weight", "[nn][init][errors]") {
  Init init = nn::xavier_normal();
  init.row_gains = {1, 0.5};
  const auto message = [&](const std::vector<int64_t>& rows) {
    init.group_rows = rows;
    const Parameter parameter({7, 4}, init, true);
    parameter->name = "qkv.weight";
    return error_of([&] { nn::initialize(ParameterList{parameter.leaf()}, Seed{1}); });
  };
  CHECK(has_parts(message({4, 2}), {"qkv.weight (7, 4)", "2 groups of 6 rows", "2 gains and 7 rows"}));
  CHECK(has_parts(message({7}), {"1 groups of 7 rows", "2 gains"}));
  CHECK(has_parts(message({8, -1}), {"qkv.weight (7, 4)"}));
}

TEST_CASE("Norms and factors inside attention have names of their own, absent when unused", "[nn][attention][forms]") {
  const auto names = [](nn::AttentionConfig config) {
    config.width = width;
    config.heads = heads;
    config.bias = false;
    config.norm = nn::NormKind::RMS;
    const nn::SelfAttention attention(config, {});
    nn::name_parameters(attention);
    std::string all;
    for (const LeafPtr& leaf : nn::parameters(attention)) all += str(leaf->name, leaf->shape, " ");
    return all;
  };
  CHECK(names({}) == "qkv.weight(48, 16) out.weight(16, 16) ");
  CHECK(names({.kv_heads = 2, .qk_norm = nn::QKNorm::PerHead, .norm_value = true}) ==
        "qkv.weight(32, 16) query_norm.weight(4) key_norm.weight(4) value_norm.weight(4) out.weight(16, 16) ");
  CHECK(names({.kv_heads = 2, .qk_norm = nn::QKNorm::FullWidth, .norm_out = true, .head_scale = true}) ==
        "qkv.weight(32, 16) query_norm.weight(16) key_norm.weight(8) out_norm.weight(16) head_scale(4) "
        "out.weight(16, 16) ");
}

TEST_CASE("Forms that can not be built are refused by name", "[nn][attention][errors]") {
  CHECK(has_parts(message_of({.width = 16, .heads = 4, .kv_heads = 3}), {"heads 4", "multiple of kv_heads 3"}));
  CHECK(has_parts(message_of({.width = 16, .heads = 4, .kv_heads = -2}), {"kv_heads -2"}));
  CHECK(has_parts(message_of({.width = 16, .heads = 4, .window = -1}), {"window", "-1"}));
  CHECK(has_parts(message_of({.width = 16, .heads = 4, .softcap = -1}), {"softcap", "-1"}));
  CHECK(has_parts(message_of({.width = 16, .heads = 4, .rotary = {.base = 10, .fraction = 0.8}}),
                  {"even head size", "gives 4", "fraction of 0.8 is 3"}));
  CHECK(has_parts(message_of({.width = 16, .heads = 4, .rotary = {.base = 10, .fraction = 1.5}}),
                  {"rotary.fraction", "1.5"}));
  CHECK(has_parts(cross_message_of({.width = 16, .heads = 4, .rotary = {.base = 10}}),
                  {"cross-attention", "rotary positions"}));
  CHECK(has_parts(cross_message_of({.width = 16, .heads = 4, .window = 3}), {"cross-attention", "window"}));
  CHECK(has_parts(cross_message_of({.width = 16, .heads = 4, .alibi = true}), {"cross-attention", "alibi"}));
  const nn::CrossAttention cross({.width = 16, .heads = 4}, {});
  nn::initialize(cross, Seed{1});
  CHECK(has_parts(error_of([&] {
                    const Tensor x = Tensor::zeros({1, 3, 16});
                    cross(x, x, {.relative_bias = Tensor::zeros({8, 4})}, nn::evaluation());
                  }),
                  {"cross-attention", "relative bias", "nn_attention_forms_test.cpp:"}));
}

TEST_CASE("Positions have names, and say whether they add to the embedding", "[nn][positions]") {
  using nn::Positions;
  const std::pair<Positions, const char*> all[] = {
      {Positions::Learned, "learned"}, {Positions::Sinusoidal, "sinusoidal"}, {Positions::Rotary, "rotary"},
      {Positions::ALiBi, "alibi"},     {Positions::RelativeBias, "relative"}, {Positions::None, "none"}};
  for (const auto& [value, name] : all) {
    CHECK(nn::name_of(value) == name);
    CHECK(nn::positions(name) == value);
    CHECK(nn::adds_to_embedding(value) == (value == Positions::Learned || value == Positions::Sinusoidal));
  }
}

TEST_CASE("A model with ALiBi reads sequences in order without anything in the embedding", "[nn][positions]") {
  const nn::ModelConfig config{.vocab = 7, .context = 12, .layers = 1, .heads = 2, .width = 8};
  const Ids ids = Ids::from({1, 4}, {1, 2, 3, 4});
  const Ids swapped = Ids::from({1, 4}, {2, 1, 3, 4});
  for (const nn::Positions positions : {nn::Positions::ALiBi, nn::Positions::None}) {
    nn::ModelConfig c = config;
    c.positions = positions;
    const nn::GPT gpt(c, Seed{1});
    randomize(nn::parameters(gpt), 2);
    for (const LeafPtr& leaf : nn::parameters(gpt)) CHECK(leaf->name.find("position") == std::string::npos);
    // In one layer without positions the last token sees a set of tokens; distances tell them apart.
    const double change =
        difference(slice(gpt(swapped, nn::evaluation()), 1, 3, 4), slice(gpt(ids, nn::evaluation()), 1, 3, 4));
    CHECK((change > 1e-4) == (positions == nn::Positions::ALiBi));
  }
}

}  // namespace tape::inline TAPE_ABI::test
