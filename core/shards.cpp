#include <tape/core/shards.h>

#include <omp.h>

#include <array>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include <tape/core/error.h>
#include <tape/core/helper.h>
#include <tape/core/parallel.h>
#include <tape/core/shard_gradients.h>

namespace tape::inline TAPE_ABI {

namespace {

thread_local ShardScope* current_scope = nullptr;

void set_or_add(Leaf& leaf, Storage gradient) {
  if (!std::exchange(leaf.has_gradient, true)) {
    leaf.gradient = std::move(gradient);
    return;
  }
  add(leaf.gradient.as<real>(), gradient.as<real>(), leaf.size());
}

}  // namespace

void ShardGradients::give(const LeafPtr& leaf, Storage gradient) {
  {
    const std::lock_guard lock(mutex_);
    if (leaf->shard_gradient) {
      pairs_.push_back({leaf, std::exchange(leaf->shard_gradient, {}), std::move(gradient)});
      constexpr std::size_t many = 16;  // they take memory, and the other shard may have ended
      if (pairs_.size() < many) return;
    } else {
      leaf->shard_gradient = std::move(gradient);
      waiting_.push_back(leaf);
    }
  }
  sum_pairs();
}

void ShardGradients::sum_pairs() {
  for (;;) {
    Pair pair;
    {
      const std::lock_guard lock(mutex_);
      if (pairs_.empty()) return;
      pair = std::move(pairs_.back());
      pairs_.pop_back();
    }
    add(pair.first.as<real>(), pair.second.as<real>(), pair.leaf->size());
    pair.second = {};
    set_or_add(*pair.leaf, std::move(pair.first));
  }
}

void ShardGradients::finish() {
  sum_pairs();
  for (const LeafPtr& leaf : waiting_) {
    if (leaf->shard_gradient) set_or_add(*leaf, std::exchange(leaf->shard_gradient, {}));
  }
  drop();
}

void ShardGradients::drop() {
  for (const LeafPtr& leaf : waiting_) leaf->shard_gradient = {};
  waiting_.clear();
  pairs_.clear();
}

ShardScope::ShardScope(ShardGradients& gradients, RoundedWeights& weights) : gradients_(gradients), weights_(weights) {
  current_scope = this;
}
ShardScope::~ShardScope() {
  current_scope = nullptr;
}
ShardScope* ShardScope::current() {
  return current_scope;
}

bool ShardScope::begin(Tape& tape, Where where) {
  if (tape_) return false;
  if (ended_) throw Error("backward: a shard unwinds one tape, and this is its second", where);
  tape_ = &tape;
  return true;
}
void ShardScope::end() {
  tape_ = nullptr;
  ended_ = true;
}

// A thread that waits for work between the steps of a training.
struct Shards::State {
  ShardGradients gradients;
  RoundedWeights weights;
  std::array<std::exception_ptr, count> errors;
  std::array<Helper, count> helpers;    // of each shard: the other, when that has ended
  std::array<int, count> threads = {};  // of each shard
  std::mutex mutex;
  std::condition_variable changed;
  const std::function<void(int)>* work = nullptr;  // for the thread; null when it has none
  bool ending = false;
  std::thread thread;

  void compute(const std::function<void(int)>& body, int shard) {
    const auto own = static_cast<std::size_t>(shard);
    set_threads(threads[own]);
    try {
      const ShardScope scope(gradients, weights);
      const Helper::Scope helped(helpers[own]);
      body(shard);
    } catch (...) {
      errors[own] = std::current_exception();
    }
  }

  // A shard that has ended helps the other: processors are not always equally fast.
  void compute_and_help(const std::function<void(int)>& body, int shard) {
    compute(body, shard);
    const auto own = static_cast<std::size_t>(shard);
    helpers[own].close();
    helpers[1 - own].help();
  }

  void serve() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return work || ending; });
      if (ending) return;
      const std::function<void(int)>& body = *work;
      lock.unlock();
      compute_and_help(body, 1);
      lock.lock();
      work = nullptr;
      changed.notify_all();
    }
  }

  void compute_both(const std::function<void(int)>& body) {
    const int all = tape::threads();
    {
      const std::lock_guard lock(mutex);
      if (!thread.joinable()) thread = std::thread([this] { serve(); });
      threads = {all - all / 2, all / 2};
      work = &body;
    }
    changed.notify_all();
    compute_and_help(body, 0);
    set_threads(all);
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return !work; });
  }
};

Shards::Shards() : state_(std::make_unique<State>()) {}

Shards::~Shards() {
  if (!state_->thread.joinable()) return;
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->changed.notify_all();
  state_->thread.join();
}

void Shards::run(const std::function<void(int)>& body, bool in_turn) {
  if (omp_in_parallel()) throw Error("Shards::run: inside a parallel loop");
  // Before the state is touched: the other shard may be calling too.
  if (ShardScope::current()) throw Error("Shards::run: inside a shard, which can not be cut again");
  state_->errors = {};
  for (Helper& helper : state_->helpers) helper.open();
  state_->weights.begin_step();
  if (in_turn || threads() == 1) {
    const int all = threads();
    for (int shard = 0; shard < count; ++shard) {
      state_->threads = {all, all};
      state_->compute(body, shard);
    }
  } else {
    state_->compute_both(body);
  }
  state_->weights.end_step();
  for (const std::exception_ptr& error : state_->errors) {
    if (!error) continue;
    state_->gradients.drop();
    std::rethrow_exception(error);
  }
  state_->gradients.finish();
}

}  // namespace tape::inline TAPE_ABI
