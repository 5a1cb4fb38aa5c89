#include <tape/optim/ema.h>

#include <algorithm>

#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// to = keep·from + add·value, or add·value alone when from is null.
void blend(int64_t n, real keep, const real* from, real add, const real* value, real* to) {
  parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
    if (!from) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) to[i] = add * value[i];
      return;
    }
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) to[i] = keep * from[i] + add * value[i];
  });
}

}  // namespace

Ema::Ema(ParameterList parameters, const EmaOptions& options) : parameters_(std::move(parameters)), options_(options) {
  if (!(options.decay >= 0 && options.decay < 1)) {
    throw Error(str("ema: decay must be at least 0 and below 1, not ", options.decay));
  }
  for (const LeafPtr& leaf : parameters_) {
    if (!leaf) throw Error("ema: one of the parameters is null, as that of an absent bias is: leave it out");
    if (!leaf->initialized) throw Error(str("ema: parameter ", leaf->name, " has no values yet"));
    averages_.push_back(Storage::of<real>(leaf->size()));
    blend(leaf->size(), 0, nullptr, options.bias_correction ? real{0} : real{1}, leaf->data(),
          averages_.back().as<real>());
  }
}

double Ema::decay_now() const {
  const auto t = static_cast<double>(updates_ + 1);
  return options_.warmup ? std::min(options_.decay, (1 + t) / (10 + t)) : options_.decay;
}

void Ema::update() {
  if (open_) throw Error("ema: update while the averages are in the place of the values: end their scope first");
  const double decay = decay_now();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Leaf& leaf = *parameters_[i];
    const Storage from = averages_[i];
    averages_[i] = Storage();
    Storage to = from.unique() ? from : Storage::of<real>(leaf.size());
    blend(leaf.size(), static_cast<real>(decay), from.as<real>(), static_cast<real>(1 - decay), leaf.data(),
          to.as<real>());
    averages_[i] = std::move(to);
  }
  ++updates_;
  product_ *= decay;
}

ValueScope Ema::values() {
  std::vector<Storage> values = averages_;
  for (std::size_t i = 0; options_.bias_correction && i < values.size(); ++i) {
    const int64_t n = parameters_[i]->size();
    if (updates_ == 0) {
      values[i] = parameters_[i]->value;
      continue;
    }
    values[i] = Storage::of<real>(n);
    blend(n, 0, nullptr, static_cast<real>(1 / (1 - product_)), averages_[i].as<real>(), values[i].as<real>());
  }
  return ValueScope(parameters_, std::move(values), open_);
}

State Ema::state() const {
  State state;
  state.emplace_back("ema.updates", count_tensor(updates_));
  state.emplace_back("ema.product", number_tensor(product_));
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    state.emplace_back("ema.value." + parameters_[i]->name, Tensor::on(parameters_[i]->shape, averages_[i]));
  }
  return state;
}

void Ema::load_state(const State& state) {
  StateReader reader(state);
  const int64_t updates = reader.take_count("ema.updates");
  const double product = reader.take_number("ema.product");
  std::vector<Storage> averages;
  for (const LeafPtr& leaf : parameters_) {
    averages.push_back(reader.take("ema.value." + leaf->name, leaf->shape).storage());
  }
  reader.finish("ema");
  averages_ = std::move(averages);
  updates_ = updates;
  product_ = product;
}

}  // namespace tape::inline TAPE_ABI::optim
