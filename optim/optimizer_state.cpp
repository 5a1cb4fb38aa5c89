// Saving and restoring an optimizer's memory.
#include <algorithm>
#include <set>

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

std::string Optimizer::state_name(const std::string& what, std::size_t parameter) const {
  return name_ + "." + what + "." + leaf(parameter).name;
}

void Optimizer::require_distinct_names() const {
  std::set<std::string> names;
  for (const LeafPtr& leaf : parameters_) {
    if (names.insert(leaf->name).second) continue;
    throw Error(str(name_, ": two parameters are called ", leaf->name,
                    ", so that their states can not be told apart; name the parameters first"));
  }
}

State Optimizer::state() const {
  require_distinct_names();
  State state;
  state.emplace_back(name_ + ".steps", count_tensor(steps_));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    state.emplace_back(state_name("updates", i), count_tensor(slot.updates));
    if (slot.updates == 0) continue;
    for (std::size_t a = 0; a < memory_.averages.size(); ++a) {
      const std::optional<Shape> shape = average_shape(i, a);
      if (shape) state.emplace_back(state_name(memory_.averages[a], i), Tensor::on(*shape, slot.averages[a]));
    }
    for (std::size_t n = 0; n < memory_.numbers.size(); ++n) {
      state.emplace_back(state_name(memory_.numbers[n], i), number_tensor(slot.numbers[n]));
    }
  }
  return state;
}

void Optimizer::load_state(const State& state) {
  require_distinct_names();
  const auto ours = [this](const auto& entry) { return entry.first.rfind(name_ + ".", 0) == 0; };
  if (!state.empty() && std::none_of(state.begin(), state.end(), ours)) {
    const std::string& first = state.front().first;
    throw Error(str(name_, ": this state was saved by another kind of optimizer, ", first.substr(0, first.find('.'))));
  }
  StateReader reader(state);
  const int64_t steps = reader.take_count(name_ + ".steps");
  std::vector<Slot> loaded(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = loaded[i];
    slot.averages.resize(memory_.averages.size());
    slot.numbers.resize(memory_.numbers.size());
    slot.updates = reader.take_count(state_name("updates", i));
    if (slot.updates == 0) continue;
    for (std::size_t a = 0; a < memory_.averages.size(); ++a) {
      const std::optional<Shape> shape = average_shape(i, a);
      if (shape) slot.averages[a] = reader.take(state_name(memory_.averages[a], i), *shape).storage();
    }
    for (std::size_t n = 0; n < memory_.numbers.size(); ++n) {
      slot.numbers[n] = reader.take_number(state_name(memory_.numbers[n], i));
    }
  }
  reader.finish(name_);
  slots_ = std::move(loaded);
  steps_ = steps;
}

}  // namespace tape::inline TAPE_ABI::optim
