#include "step.h"

#include <array>

#include <tape/core/ops/loss.h>

#include "measure.h"

namespace bench {

using namespace tape;

namespace {

Ids random_tokens(const Workload& w, uint64_t stream) {
  const Draw draw = Random(Seed{1}, stream).next();
  Ids ids({w.batch, w.model.context});
  for (int64_t i = 0; i < ids.size(); ++i)
    ids.mutable_data()[i] = static_cast<int32_t>(draw.below(static_cast<uint64_t>(i), w.model.vocab));
  return ids;
}

// The mean of two profiles of the same ops.
std::vector<OpProfile> mean(std::vector<OpProfile> a, const std::vector<OpProfile>& b) {
  for (OpProfile& p : a) {
    for (const OpProfile& q : b) {
      if (p.op != q.op) continue;
      p.forward_ms = (p.forward_ms + q.forward_ms) / 2;
      p.backward_ms = (p.backward_ms + q.backward_ms) / 2;
    }
  }
  return a;
}

}  // namespace

Step::Step(const Workload& w, Precision precision)
    : gpt_(w.model, Seed{1}),
      adamw_(nn::parameters(gpt_), {.weight_decay = 0.1}),
      input_(random_tokens(w, 1)),
      target_(random_tokens(w, 2)),
      in_shards_(Shards::pay(w.batch, w.tokens(), w.model.width, nn::count_parameters(gpt_))) {
  nn::set_precision(gpt_, precision);
  adamw_.reserve();
}

double Step::compute(int64_t begin, int64_t end, int64_t dropout_step, std::vector<OpProfile>* profile) {
  Tape tape;
  const Tensor loss = cross_entropy(gpt_(input_.rows(begin, end), nn::training(dropout_step)), target_.rows(begin, end),
                                    {.divisor = static_cast<double>(target_.size())});
  tape.backward(loss);
  if (profile) *profile = tape.profile();
  return static_cast<double>(loss.item());
}

double Step::operator()(bool keep_profile) {
  const int64_t sequences = input_.shape()[0];
  double loss = 0;
  if (in_shards_) {
    std::array<double, Shards::count> losses;
    std::array<std::vector<OpProfile>, Shards::count> profiles;
    shards_.run([&](int shard) {
      const auto s = static_cast<std::size_t>(shard);
      const auto [begin, end] = Shards::part_of(sequences, shard);
      losses[s] = compute(begin, end, step_ * Shards::count + shard, keep_profile ? &profiles[s] : nullptr);
    });
    loss = losses[0] + losses[1];
    if (keep_profile) profile_ = mean(std::move(profiles[0]), profiles[1]);
  } else {
    loss = compute(0, sequences, step_, keep_profile ? &profile_ : nullptr);
  }
  ++step_;
  const double before = now_ms();
  adamw_.step(1e-4);
  update_ms_ = now_ms() - before;
  return loss;
}

double Step::parameter_bytes() const {
  return sizeof(real) * static_cast<double>(nn::count_parameters(gpt_));
}

}  // namespace bench
