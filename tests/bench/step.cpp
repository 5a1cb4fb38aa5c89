#include "step.h"

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

}  // namespace

Step::Step(const Workload& w, Precision precision)
    : gpt_(w.model, Seed{1}),
      adamw_(nn::parameters(gpt_), {.weight_decay = 0.1}),
      input_(random_tokens(w, 1)),
      target_(random_tokens(w, 2)) {
  nn::set_precision(gpt_, precision);
}

double Step::operator()(bool keep_profile) {
  double loss = 0;
  {
    Tape tape;
    const Tensor mean = cross_entropy(gpt_(input_, nn::training(step_++)), target_);
    tape.backward(mean);
    loss = static_cast<double>(mean.item());
    if (keep_profile) profile_ = tape.profile();
  }
  const double before = now_ms();
  adamw_.step(1e-4);
  update_ms_ = now_ms() - before;
  return loss;
}

double Step::parameter_bytes() const {
  return sizeof(real) * static_cast<double>(nn::count_parameters(gpt_));
}

}  // namespace bench
