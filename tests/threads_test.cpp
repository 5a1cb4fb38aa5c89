// Several threads of a program use the library at once: one model serves all of them, and each may train its own.
// What they compute is what one thread computes, bit for bit; the thread sanitizer runs this too.
#include <thread>

#include <tape/core/ops/loss.h>
#include <tape/core/tape.h>
#include <tape/nn/gpt.h>
#include <tape/optim/adam.h>
#include <tape/optim/clip.h>

#include "catch.h"
#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int threads_at_once = 4;

nn::ModelConfig small_config(double dropout = 0) {
  return {.vocab = 17, .context = 12, .layers = 2, .heads = 2, .width = 16, .dropout = dropout};
}

// Logits of several batches that only this thread has.
std::vector<Tensor> infer(const nn::GPT& gpt, uint64_t who) {
  std::vector<Tensor> all;
  for (uint64_t i = 0; i < 10; ++i) all.push_back(gpt(random_ids({3, 12}, 17, 100 * who + i), nn::evaluation()));
  return all;
}

// Losses of a run of training, and the logits in the end.
std::vector<Tensor> train_own(uint64_t who) {
  const nn::GPT gpt(small_config(0.1), Seed{who});
  optim::AdamW adamw(nn::parameters(gpt));
  const Ids ids = random_ids({3, 12}, 17, who);
  std::vector<Tensor> all;
  for (int64_t step = 0; step < 8; ++step) {
    Tape tape;
    const Tensor loss = cross_entropy(gpt(ids, nn::training(step, Seed{who})), ids);
    tape.backward(loss);
    optim::clip_grad_norm(adamw, 1.0);
    adamw.step(1e-2);
    all.push_back(loss.copy());
  }
  all.push_back(gpt(ids, nn::evaluation()));
  return all;
}

using Results = std::vector<std::vector<Tensor>>;

// work(0), work(1), … one after the other, or each on a thread of its own.
template <class Work>
Results in_turn(const Work& work) {
  Results results;
  for (int who = 0; who < threads_at_once; ++who) results.push_back(work(who));
  return results;
}
template <class Work>
Results at_once(const Work& work) {
  Results results(threads_at_once);
  std::vector<std::thread> team;
  for (int who = 0; who < threads_at_once; ++who) {
    team.emplace_back([&results, &work, who] { results[static_cast<std::size_t>(who)] = work(who); });
  }
  for (std::thread& thread : team) thread.join();
  return results;
}

// Catch2's checks are for one thread: they come after all have ended.
void check_same(const Results& a, const Results& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t who = 0; who < a.size(); ++who) {
    INFO("thread " << who);
    REQUIRE(a[who].size() == b[who].size());
    for (std::size_t i = 0; i < a[who].size(); ++i) CHECK(same_bits(a[who][i], b[who][i]));
  }
}

}  // namespace

TEST_CASE("Several threads use one model at once", "[threads]") {
  const nn::GPT gpt(small_config(), Seed{1});
  randomize(nn::parameters(gpt), 2);
  const auto work = [&](int who) { return infer(gpt, static_cast<uint64_t>(who)); };
  check_same(at_once(work), in_turn(work));
}

TEST_CASE("Each thread trains a model of its own at the same time", "[threads]") {
  const auto work = [](int who) { return train_own(static_cast<uint64_t>(who)); };
  check_same(at_once(work), in_turn(work));
}

TEST_CASE("Some threads train while others use one model", "[threads]") {
  const nn::GPT gpt(small_config(), Seed{1});
  randomize(nn::parameters(gpt), 2);
  const auto work = [&](int who) {
    return who % 2 == 0 ? infer(gpt, static_cast<uint64_t>(who)) : train_own(static_cast<uint64_t>(who));
  };
  check_same(at_once(work), in_turn(work));
}

TEST_CASE("A tape on one thread does not record what another computes", "[threads]") {
  const nn::GPT gpt(small_config(), Seed{1});
  const Ids ids = random_ids({1, 4}, 17, 1);
  Tape tape;
  std::thread([&] { gpt(ids, nn::evaluation()); }).join();
  CHECK(tape.size() == 0);
  gpt(ids, nn::evaluation());
  CHECK(tape.size() > 0);
}

}  // namespace tape::inline TAPE_ABI::test
