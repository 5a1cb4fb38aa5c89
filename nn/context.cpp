#include <tape/nn/context.h>

#include <tape/core/ops/elementwise.h>

namespace tape::inline TAPE_ABI::nn {

void AuxiliaryLosses::add(const Tensor& loss, Where where) {
  sum_ = sum_ ? tape::add(sum_, loss, where) : loss;
  ++count_;
}

Context Context::fork() const {
  Context other = *this;
  other.random_ = random_.fork();
  return other;
}

Context Context::collecting(AuxiliaryLosses& losses) const {
  Context other = *this;
  other.losses_ = &losses;
  other.tape_ = Tape::current();
  return other;
}

Context Context::remembering(KeyValueCache& cache) const {
  if (training_) throw Error("remembering: a key-value cache is for evaluation: its keys have no gradients");
  Context other = *this;
  other.cache_ = &cache;
  return other;
}

void Context::collect(const Tensor& loss, Where where) const {
  if (Tape::current() != tape_) {
    throw Error(
        "auxiliary loss: it is not computed on the tape that was current when collecting() was called, so backward "
        "would not see it; recomputation can not go together with auxiliary losses",
        where);
  }
  losses_->add(loss, where);
}

}  // namespace tape::inline TAPE_ABI::nn
