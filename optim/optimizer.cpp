#include <tape/optim/optimizer.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>

#include <tape/core/parallel.h>
#include <tape/optim/sweep.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// Zero times a square is zero, or NaN when the square is infinite or NaN, and a sum keeps a NaN.
bool squares_are_finite(const real* g, int64_t n) {
  real sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += g[i] * g[i] * real{0};
  return sum == 0;
}

}  // namespace

Optimizer::Optimizer(std::string name, ParameterList parameters, Memory memory, Common common)
    : name_(std::move(name)),
      parameters_(std::move(parameters)),
      memory_(std::move(memory)),
      common_(std::move(common)) {
  if (parameters_.empty()) throw Error(name_ + ": there are no parameters to train");
  std::unordered_set<const Leaf*> seen;
  for (const LeafPtr& leaf : parameters_) {
    if (!leaf) throw Error(name_ + ": one of the parameters is null, as that of an absent bias is: leave it out");
    if (!seen.insert(leaf.get()).second) {
      throw Error(
          str(name_, ": parameter ", leaf->name, " ", leaf->shape, " is given twice: it would be updated twice"));
    }
  }
  require_option(common_.weight_decay >= 0 && std::isfinite(common_.weight_decay), "weight_decay",
                 "a finite number of at least 0", common_.weight_decay);
  groups_ = assign_groups(name_, parameters_, common_.groups);
  slots_.resize(parameters_.size());
  for (Slot& slot : slots_) {
    slot.averages.resize(memory_.averages.size());
    slot.numbers.resize(memory_.numbers.size());
  }
}

void Optimizer::step(double rate) {
  if (!(rate >= 0 && rate <= static_cast<double>(std::numeric_limits<real>::max()))) {
    throw Error(
        str(name_, ": the learning rate of step ", steps_, " must be a finite number of at least 0, not ", rate));
  }
  if (evaluating_) throw Error(name_ + ": step while the values for evaluation are in place: end their scope first");
  require_gradients();
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!takes_part(leaf(i))) continue;
    own_averages(i);
    slots_[i].weight_decay = decay_of(i);
  }  // what can fail has been done
  rate_ = rate;

  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!takes_part(leaf(i))) continue;
    ++slots_[i].updates;
    prepare(i, rate_of(i));
  }
  const Sweep sweep(parameters_);
  const Storage flags = Storage::of<bool>(sweep.chunks());
  bool* finite = flags.as<bool>();
  sweep.run([&](int64_t c, const Chunk& chunk) {
    const auto i = static_cast<std::size_t>(chunk.parameter);
    finite[c] = squares_are_finite(leaf(i).gradient_data() + chunk.begin, chunk.size());
    if (finite[c] && !is_whole(i)) update(i, chunk.begin, chunk.end);
  });
  for (int64_t c = 0; c < sweep.chunks();) {
    const int64_t parameter = sweep.chunk(c).parameter;
    bool all = true;
    for (; c < sweep.chunks() && sweep.chunk(c).parameter == parameter; ++c) all = all && finite[c];
    const auto i = static_cast<std::size_t>(parameter);
    if (all && is_whole(i)) update_whole(i);
  }
  ++steps_;
  zero_grad();

  if (std::find(finite, finite + sweep.chunks(), false) == finite + sweep.chunks()) return;
  std::string names;
  int64_t last = -1;
  for (int64_t c = 0; c < sweep.chunks(); ++c) {
    if (finite[c] || sweep.chunk(c).parameter == last) continue;
    last = sweep.chunk(c).parameter;
    names += (names.empty() ? "" : ", ") + leaf(static_cast<std::size_t>(last)).name;
  }
  throw Error(
      str(name_, ": in step ", steps_ - 1, " the gradient of ", names,
          " is not finite; it was not applied. Use a lower learning rate, a longer warm-up or clipping, and go on "
          "from the last checkpoint"));
}

void Optimizer::reserve() {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    if (!leaf(i).frozen) own_averages(i);
  }
}

void Optimizer::zero_grad() {
  for (const LeafPtr& leaf : parameters_) {
    leaf->has_gradient = false;
    leaf->gradient = {};  // its memory serves the next step's activations
  }
}

ValueScope Optimizer::evaluation() {
  std::vector<Storage> values;
  for (std::size_t i = 0; i < parameters_.size(); ++i) values.push_back(evaluation_value(i));
  return ValueScope(parameters_, std::move(values), evaluating_);
}

std::optional<Shape> Optimizer::average_shape(std::size_t parameter, std::size_t) const {
  return leaf(parameter).shape;
}

double Optimizer::decay_of(std::size_t parameter) const {
  const bool decays = common_.decay ? common_.decay(leaf(parameter)) : leaf(parameter).decay;
  if (!decays) return 0;
  const std::size_t group = groups_[parameter];
  return group < common_.groups.size() ? common_.groups[group].weight_decay.value_or(common_.weight_decay)
                                       : common_.weight_decay;
}

double Optimizer::rate_of(std::size_t parameter) const {
  const std::size_t group = groups_[parameter];
  return group < common_.groups.size() ? rate_ * common_.groups[group].rate : rate_;
}

void Optimizer::require_option(bool holds, const char* option, const char* rule, double value) const {
  if (!holds) throw Error(str(name_, ": ", option, " must be ", rule, ", not ", value));
}

void Optimizer::require_gradients() const {
  std::string missing;
  for (const LeafPtr& leaf : parameters_) {
    if (leaf->has_gradient || leaf->frozen || leaf->routed) continue;
    missing += (missing.empty() ? "" : ", ") + leaf->name;
  }
  if (missing.empty()) return;
  throw Error(str(name_, ": step ", steps_, " has no gradient for ", missing,
                  ": no backward pass reached it since the last step; freeze what takes no part in the loss"));
}

// Gives a parameter averages that nobody else holds: zeros at first, a copy after state() or load_state().
void Optimizer::own_averages(std::size_t parameter) {
  for (std::size_t a = 0; a < memory_.averages.size(); ++a) {
    Storage& average = slots_[parameter].averages[a];
    const std::optional<Shape> shape = average_shape(parameter, a);
    if (!shape || average.unique()) continue;
    const int64_t n = shape->size();
    const Storage shared = std::exchange(average, Storage::of<real>(n));
    const real* from = shared.as<real>();
    real* to = average.as<real>();
    parallel_for(n, elementwise_grain, [=](int64_t begin, int64_t end) {
      if (from) {
        std::copy(from + begin, from + end, to + begin);
      } else {
        std::fill(to + begin, to + end, real{0});
      }
    });
  }
}

}  // namespace tape::inline TAPE_ABI::optim
