// A batch in two shards: the gradients of the whole batch, the same bits with any number of threads and in turn, with
// recomputation, shared and unreached parameters, and errors.
#include <tape/core/shards.h>

#include <chrono>
#include <vector>

#include <tape/core/checkpoint.h>
#include <tape/core/helper.h>
#include <tape/core/onednn.h>
#include <tape/core/ops.h>
#include <tape/core/parallel.h>
#include <tape/core/tape.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t sequences = 6;
constexpr int64_t time = 8;

nn::ModelConfig config(bool recompute) {
  return {.vocab = 11, .context = time, .layers = 3, .heads = 2, .width = 16, .tied = true, .recompute = recompute};
}

// Backward of sequences begin … end - 1, as a part of all.
void backward(const nn::GPT& gpt, const Ids& ids, const Ids& target, int64_t begin, int64_t end) {
  Tape tape;
  tape.backward(cross_entropy(gpt(ids.rows(begin, end), nn::training(0)), target.rows(begin, end),
                              {.divisor = static_cast<double>(sequences * time)}));
}

struct Case {
  nn::GPT gpt;
  Ids ids = random_ids({sequences, time}, 11, 1);
  Ids target = random_ids({sequences, time}, 11, 2);
  Shards shards = {};

  explicit Case(bool recompute) : gpt(config(recompute), Seed{1}) {}

  std::vector<Tensor> in_shards(bool in_turn = false) {
    shards.run([&](int s) { backward(gpt, ids, target, sequences * s / 2, sequences * (s + 1) / 2); }, in_turn);
    return take_gradients(nn::parameters(gpt));
  }
};

void check_same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(different_bits(a[i], b[i]) == 0);
}

}  // namespace

TEST_CASE("Two shards make the gradient of the whole batch, also when blocks are recomputed") {
  const bool recompute = GENERATE(false, true);
  Case c(recompute);
  backward(c.gpt, c.ids, c.target, 0, sequences);
  const std::vector<Tensor> whole = take_gradients(nn::parameters(c.gpt));
  const std::vector<Tensor> halves = c.in_shards();
  REQUIRE(halves.size() == whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(difference(halves[i], whole[i], 1e-3) < 2e-5);
}

TEST_CASE("Shards have the same bits with one to five threads, in turn, and each time") {
  const bool recompute = GENERATE(false, true);
  Case c(recompute);
  std::vector<Tensor> alone;
  {
    const Threads one(1);
    alone = c.in_shards();
  }
  for (const int count : {2, 3, 4, 5}) {
    const Threads use(count);
    for (int repeat = 0; repeat < 3; ++repeat) check_same_bits(c.in_shards(), alone);
    check_same_bits(c.in_shards(true), alone);
    CHECK(threads() == count);
  }
}

TEST_CASE("Gradients of several batches in shards are summed, batch by batch") {
  Case c(false);
  const Threads two(2);
  const std::vector<Tensor> once = c.in_shards();
  for (int repeat = 0; repeat < 2; ++repeat)
    c.shards.run([&](int s) { backward(c.gpt, c.ids, c.target, sequences * s / 2, sequences * (s + 1) / 2); });
  const std::vector<Tensor> twice = take_gradients(nn::parameters(c.gpt));
  for (std::size_t i = 0; i < once.size(); ++i) check_same_bits({scale(once[i], 2)}, {twice[i]});
}

TEST_CASE("Both shards round the weights as they are now, and as one batch would") {
  Case c(false);
  nn::set_precision(c.gpt, Precision::bf16_emulated);
  const Threads two(GENERATE(1, 2));
  for (int step = 0; step < 3; ++step) {
    const std::vector<Tensor> halves = c.in_shards();
    std::vector<Tensor> sums;
    for (int s = 0; s < 2; ++s) {
      backward(c.gpt, c.ids, c.target, sequences * s / 2, sequences * (s + 1) / 2);
      const std::vector<Tensor> half = take_gradients(nn::parameters(c.gpt));
      for (std::size_t i = 0; i < half.size(); ++i) {
        if (s == 0) {
          sums.push_back(half[i].copy());
        } else {
          sums[i] = sums[i] + half[i];
        }
      }
    }
    check_same_bits(halves, sums);
    randomize(nn::parameters(c.gpt), static_cast<uint64_t>(step) + 10);  // an optimizer's step
  }
}

TEST_CASE("In bf16 shards have the same bits in any order, and are close to emulated ones") {
  if (!onednn::has_bf16()) return;
  Case c(GENERATE(false, true));
  nn::set_precision(c.gpt, Precision::bf16_emulated);
  const std::vector<Tensor> emulated = c.in_shards();
  nn::set_precision(c.gpt, Precision::bf16);
  for (int step = 0; step < 2; ++step) {  // the second foresees which weights are asked for
    const std::vector<Tensor> in_turn = c.in_shards(true);
    for (const int count : {1, 2, 3}) {
      const Threads use(count);
      check_same_bits(c.in_shards(), in_turn);
    }
    // Sums in another order round some numbers the other way.
    for (std::size_t i = 0; i < in_turn.size(); ++i) CHECK(difference(in_turn[i], emulated[i], 1e-3) < 0.02);
  }
}

TEST_CASE("A parameter that one shard alone reaches gets the gradient of that shard, one that none reaches none") {
  Parameter shared({2}, {.kind = Init::Kind::ones}, false), own({2}, {.kind = Init::Kind::ones}, false);
  for (Parameter* p : {&shared, &own}) {
    std::fill_n(p->leaf()->data(), 2, real{1});
    p->leaf()->initialized = true;
  }
  Shards shards;
  const int reached = GENERATE(-1, 0, 1);
  shards.run([&](int shard) {
    Tape tape;
    Tensor y = scale(shared, shard + 1.0);
    if (shard == reached) y = y + scale(own, 5);
    tape.backward(sum(y));
  });
  CHECK(shared->gradient_tensor().data()[0] == 3);
  if (reached >= 0) CHECK(own->gradient_tensor().data()[1] == 5);
  if (reached < 0) CHECK_FALSE(own->has_gradient);
}

TEST_CASE("What a shard throws arrives, and the next run begins anew") {
  Case c(false);
  const Threads two(GENERATE(1, 2));
  const bool late = GENERATE(false, true);  // when both have gradients
  const std::vector<Tensor> right = c.in_shards();
  for (const int failing : {0, 1}) {
    const std::string message = error_of([&] {
      c.shards.run([&](int s) {
        if (s == failing && !late) throw Error("no more paper");
        backward(c.gpt, c.ids, c.target, 0, 3);
        if (s == failing) throw Error("no more paper");
      });
    });
    CHECK(message == "no more paper");
    for (const LeafPtr& p : nn::parameters(c.gpt)) p->has_gradient = false;
    check_same_bits(c.in_shards(), right);
  }
}

TEST_CASE("A shard refuses a second backward pass, and shards inside a shard") {
  Case c(false);
  const std::string twice = error_of([&] {
    c.shards.run([&](int) {
      backward(c.gpt, c.ids, c.target, 0, 1);
      backward(c.gpt, c.ids, c.target, 1, 2);
    });
  });
  CHECK(twice.find("a shard unwinds one tape") != std::string::npos);
  for (const LeafPtr& p : nn::parameters(c.gpt)) p->has_gradient = false;
  Shards inner;
  const std::string nested = error_of([&] { c.shards.run([&](int) { inner.run([](int) {}); }); });
  CHECK(nested.find("inside a shard") != std::string::npos);
}

TEST_CASE("A shard that has ended helps the other with its loops, to the same bits") {
  const Parameter w = parameter_of(random_tensor({256, 512}, 1), "w");
  const Tensor x = random_tensor({1024, 512}, 2);
  const Threads three(3);
  Shards shards;
  // The gradient of w by both shards, or by one alone; `helped` becomes whether the other had time to help it.
  const auto gradient = [&](int early, bool in_turn, bool& helped) {
    shards.run(
        [&](int s) {
          if (s == early) return;
          if (early >= 0) {
            const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
            helped = false;
            while (!helped && std::chrono::steady_clock::now() < end) helped = Helper::share([](bool) {});
          }
          Tape tape;
          const Tensor y = linear(x, w);
          tape.backward(y, Tensor::full(y.shape(), 1));
        },
        in_turn);
    CHECK(threads() == 3);
    return take_gradients({w.leaf()})[0];
  };
  bool helped = false;
  const Tensor both = gradient(-1, true, helped);
  for (const int early : {0, 1}) {
    CHECK(same_bits(scale(gradient(early, false, helped), 2), both));
    CHECK(helped);
  }
  shards.run([&](int) { helped = Helper::share([](bool) {}); }, true);
  CHECK_FALSE(helped);
}

TEST_CASE("Shards pay for small models alone") {
  CHECK(Shards::pay(12, 12 * 64, 128, 800'000));
  CHECK_FALSE(Shards::pay(1, 64, 128, 800'000));
  CHECK(Shards::pay(8, 8 * 256, 384, 10'000'000));
  CHECK_FALSE(Shards::pay(8, 8 * 512, 384, 10'000'000));
  CHECK_FALSE(Shards::pay(4, 4 * 64, 256, 50'000'000));
}

}  // namespace tape::inline TAPE_ABI::test
