// Properties of whole models that hold for every residual scheme, on models and inputs of random shape.
#include <random>

#include <tape/core/tape.h>

#include "catch.h"
#include "support/scheme_models.h"
#include "support/temp_folder.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using nn::Bert;
using nn::EncoderDecoder;
using nn::GPT;
using nn::Sequence;

constexpr double tolerance = 2e-5;  // products of other shapes may add in another order

// A configuration of random shape, and inputs for it.
struct Sample {
  nn::ModelConfig config;
  Ids source, target;
  Ids lengths;  // of the sources: the last one is shorter than the longest
  uint64_t seed;

  Sample(const Choice& choice, int number) : seed(static_cast<uint64_t>(number)) {
    std::mt19937_64 engine(seed);
    const auto pick = [&](int64_t low, int64_t high) {
      return low + static_cast<int64_t>(engine() % static_cast<uint64_t>(high - low + 1));
    };
    config = {.vocab = pick(3, 20),
              .context = 9,
              .layers = pick(1, 4),
              .decoder_layers = pick(1, 3),
              .heads = pick(1, 3),
              .hidden = pick(3, 20),
              .scheme = choice.scheme,
              .norm = choice.norm,
              .activation = static_cast<nn::Activation>(pick(0, 3)),
              .positions = static_cast<nn::Positions>(pick(0, 2)),
              .tied = pick(0, 1) == 0};
    config.width = config.heads * 2 * pick(2, 5);
    const int64_t batch = pick(2, 4);
    const auto vocab = static_cast<int32_t>(config.vocab);
    source = random_ids({batch, pick(3, 9)}, vocab, seed + 1);
    target = random_ids({batch, pick(3, 9)}, vocab, seed + 2);
    lengths = Ids({batch});
    for (int64_t b = 0; b < batch; ++b) {
      lengths.mutable_data()[b] = static_cast<int32_t>(b + 1 < batch ? pick(1, source.shape()[1]) : 2);
    }
  }

  Tensor operator()(const GPT& gpt) const { return gpt(target, nn::evaluation()); }
  Tensor operator()(const Bert& bert) const { return bert({source, lengths}, nn::evaluation()); }
  Tensor operator()(const EncoderDecoder& model) const { return model({source, lengths}, target, nn::evaluation()); }
};

// The sample's model, with weights large enough to tell one token from another.
template <class Model>
Model model_of(const Sample& sample) {
  Model model(sample.config, Seed{sample.seed});
  randomize(nn::parameters(model), sample.seed);
  return model;
}

// Calls check(sample) for every scheme and norm.
template <class Check>
void for_each_scheme(int seed, const Check& check) {
  for (const Choice& choice : every_choice()) {
    const Sample sample(choice, seed);
    INFO(choice.name() << ", seed " << seed << ", " << sample.config.layers << " and " << sample.config.decoder_layers
                       << " blocks of width " << sample.config.width);
    check(sample);
  }
}

Ids copy_of(const Ids& ids) {
  return Ids::from(ids.shape(), ids.values());
}

// The ids with another token at position t of every row.
Ids changed_at(const Ids& ids, int64_t t, int64_t vocab) {
  Ids changed = copy_of(ids);
  const int64_t length = ids.shape()[1];
  for (int64_t i = t; i < ids.size(); i += length) {
    changed.mutable_data()[i] = static_cast<int32_t>((ids.data()[i] + 1) % vocab);
  }
  return changed;
}

// True for each position whose logits (B, T, V) differ in any row.
std::vector<bool> positions_that_differ(const Tensor& a, const Tensor& b) {
  const int64_t length = a.shape()[1];
  const int64_t vocab = a.last();
  std::vector<bool> differs(static_cast<std::size_t>(length));
  for (int64_t i = 0; i < a.size(); ++i) {
    if (a.data()[i] != b.data()[i]) differs[static_cast<std::size_t>(i / vocab % length)] = true;
  }
  return differs;
}

// A change at position t changes nothing before t, and something at t.
void check_causal(const Tensor& before, const Tensor& after, int64_t t) {
  const std::vector<bool> differs = positions_that_differ(before, after);
  for (int64_t i = 0; i < t; ++i) CHECK_FALSE(differs[static_cast<std::size_t>(i)]);
  CHECK(differs[static_cast<std::size_t>(t)]);
}
void check_all_differ(const Tensor& before, const Tensor& after) {
  for (const bool differs : positions_that_differ(before, after)) CHECK(differs);
}

Ids row_of(const Ids& ids, int64_t b) {
  const int64_t length = ids.shape().rank() == 2 ? ids.shape()[1] : 1;
  Ids row(ids.shape().with(0, 1));
  std::copy_n(ids.data() + b * length, length, row.mutable_data());
  return row;
}
Tensor row_of(const Tensor& logits, int64_t b) {
  Tensor row = Tensor::uninitialized(logits.shape().with(0, 1));
  std::copy_n(logits.data() + b * row.size(), row.size(), row.mutable_data());
  return row;
}

template <class Model>
void check_copies(const Sample& sample) {
  const Model model = model_of<Model>(sample);
  const Tensor logits = sample(model);
  CHECK(same_bits(sample(model.clone()), logits));
  const TempFolder folder;
  const std::string path = folder / "model.safetensors";
  nn::save(path, model);
  const Model other(sample.config, Seed{sample.seed + 1});
  CHECK_FALSE(same_bits(sample(other), logits));
  nn::load(path, other);
  CHECK(same_bits(sample(other), logits));
}

template <class Model>
std::vector<Tensor> step_of(const Sample& sample, const Model& model, int threads) {
  const Threads set(threads);
  Tape tape;
  const Tensor logits = sample(model);
  tape.backward(logits, cotangent(logits.shape(), sample.seed));
  std::vector<Tensor> result = take_gradients(nn::parameters(model));
  result.push_back(logits.copy());
  return result;
}
template <class Model>
void check_threads(const Sample& sample) {
  const Model model = model_of<Model>(sample);
  const std::vector<Tensor> one = step_of(sample, model, 1);
  const std::vector<Tensor> two = step_of(sample, model, 2);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(same_bits(one[i], two[i]));
}

}  // namespace

TEST_CASE("A later token changes no earlier logit of a GPT, under every scheme", "[nn][scheme][property][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    const GPT gpt = model_of<GPT>(s);
    const Tensor before = gpt(s.target, nn::evaluation());
    for (int64_t t = 0; t < s.target.shape()[1]; ++t) {
      check_causal(before, gpt(changed_at(s.target, t, s.config.vocab), nn::evaluation()), t);
    }
  });
}

TEST_CASE("A later token of the target changes no earlier logit of a decoder, and the source changes them all",
          "[nn][scheme][property][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    const EncoderDecoder model = model_of<EncoderDecoder>(s);
    const Tensor before = model(s.source, s.target, nn::evaluation());
    for (int64_t t = 0; t < s.target.shape()[1]; ++t) {
      check_causal(before, model(s.source, changed_at(s.target, t, s.config.vocab), nn::evaluation()), t);
    }
    for (int64_t t = 0; t < s.source.shape()[1]; ++t) {
      check_all_differ(before, model(changed_at(s.source, t, s.config.vocab), s.target, nn::evaluation()));
    }
  });
}

TEST_CASE("Every position of a Bert sees both sides, under every scheme", "[nn][scheme][property][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    const Bert bert = model_of<Bert>(s);
    const Tensor before = bert(s.source, nn::evaluation());
    for (int64_t t = 0; t < s.source.shape()[1]; ++t) {
      check_all_differ(before, bert(changed_at(s.source, t, s.config.vocab), nn::evaluation()));
    }
  });
}

TEST_CASE("What stands in the padding changes nothing outside of it, under every scheme",
          "[nn][scheme][property][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    Ids other = copy_of(s.source);
    const int64_t length = s.source.shape()[1];
    for (int64_t i = 0; i < other.size(); ++i) {
      if (i % length < s.lengths.data()[i / length]) continue;
      other.mutable_data()[i] = static_cast<int32_t>((other.data()[i] + 1) % s.config.vocab);
    }
    const EncoderDecoder model = model_of<EncoderDecoder>(s);
    CHECK(same_bits(model({s.source, s.lengths}, s.target, nn::evaluation()),
                    model({other, s.lengths}, s.target, nn::evaluation())));
    const Bert bert = model_of<Bert>(s);
    const GPT gpt = model_of<GPT>(s);
    const auto check_valid = [&](const Tensor& a, const Tensor& b) {
      for (int64_t i = 0; i < a.size(); ++i) {
        const int64_t position = i / a.last() % length;
        if (position < s.lengths.data()[i / a.last() / length]) CHECK(a.data()[i] == b.data()[i]);
      }
    };
    check_valid(bert({s.source, s.lengths}, nn::evaluation()), bert({other, s.lengths}, nn::evaluation()));
    check_valid(gpt({s.source, s.lengths}, nn::evaluation()), gpt({other, s.lengths}, nn::evaluation()));
  });
}

TEST_CASE("The rows of a batch do not see each other, under every scheme", "[nn][scheme][property][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    const GPT gpt = model_of<GPT>(s);
    const Bert bert = model_of<Bert>(s);
    const EncoderDecoder both = model_of<EncoderDecoder>(s);
    for (int64_t b = 0; b < s.source.shape()[0]; ++b) {
      const Sequence source(row_of(s.source, b), row_of(s.lengths, b));
      const Ids target = row_of(s.target, b);
      CHECK(difference(gpt(target, nn::evaluation()), row_of(s(gpt), b)) < tolerance);
      CHECK(difference(bert(source, nn::evaluation()), row_of(s(bert), b)) < tolerance);
      CHECK(difference(both(source, target, nn::evaluation()), row_of(s(both), b)) < tolerance);
    }
  });
}

TEST_CASE("A clone, and a model loaded from a file, give the same bits, under every scheme",
          "[nn][scheme][property][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    check_copies<GPT>(s);
    check_copies<Bert>(s);
    check_copies<EncoderDecoder>(s);
  });
}

TEST_CASE("One thread and two give the same bits of logits and gradients, under every scheme",
          "[nn][scheme][property][threads][slow]") {
  for_each_scheme(GENERATE(1, 2, 3), [](const Sample& s) {
    check_threads<GPT>(s);
    check_threads<Bert>(s);
    check_threads<EncoderDecoder>(s);
  });
}

TEST_CASE("One thread and two give the same bits also where they share the work, under every scheme",
          "[nn][scheme][property][threads][slow]") {
  for (const Choice& choice : every_choice()) {
    INFO(choice.name());
    Sample s(choice, 4);
    s.config = {.vocab = 40,
                .context = 32,
                .layers = 2,
                .decoder_layers = 2,
                .heads = 2,
                .width = 64,
                .scheme = choice.scheme,
                .norm = choice.norm};
    s.source = random_ids({8, 32}, 40, 5);
    s.target = random_ids({8, 32}, 40, 6);
    s.lengths = Ids::from({8}, {32, 31, 20, 8, 32, 1, 16, 30});
    check_threads<GPT>(s);
    check_threads<Bert>(s);
    check_threads<EncoderDecoder>(s);
  }
}

}  // namespace tape::inline TAPE_ABI::test
