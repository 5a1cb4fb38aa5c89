// Saving and restoring an optimizer's memory.
//
// Counts become tensors so that a file needs nothing but named tensors. A float is exact for whole numbers up to 2^24
// only, so a count is stored as three digits to the base 2^20, the lowest first: exact up to 2^60.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <tape/optim/optimizer.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

constexpr int64_t digit_base = int64_t{1} << 20;
constexpr int64_t digits = 3;

Tensor encode(int64_t count) {
  return Tensor::from({digits},
                      {static_cast<real>(count % digit_base), static_cast<real>(count / digit_base % digit_base),
                       static_cast<real>(count / digit_base / digit_base)});
}

// The count, or -1 when these are not the digits of one.
int64_t decode(const Tensor& tensor) {
  int64_t count = 0;
  for (int64_t i = digits - 1; i >= 0; --i) {
    const auto digit = static_cast<double>(tensor.data()[i]);
    if (!(digit >= 0 && digit < static_cast<double>(digit_base)) || digit != std::floor(digit)) return -1;
    count = count * digit_base + static_cast<int64_t>(digit);
  }
  return count;
}

// Takes named tensors out of a state and remembers everything that does not fit.
class Reader {
 public:
  explicit Reader(const State& state) {
    for (const auto& [name, tensor] : state) {
      if (!tensors_.emplace(name, tensor).second) add(unexpected_, name + " (a second time)");
    }
  }

  Tensor take(const std::string& name, const Shape& shape) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      add(missing_, name);
      return {};
    }
    const Tensor tensor = found->second;
    tensors_.erase(found);
    if (tensor && tensor.shape() == shape) return tensor;
    add(mismatched_, str(name, " is ", tensor ? str(tensor.shape()) : "no tensor", " instead of ", shape));
    return {};
  }

  int64_t take_count(const std::string& name) {
    const Tensor tensor = take(name, {digits});
    if (!tensor) return 0;
    const int64_t count = decode(tensor);
    if (count < 0) add(mismatched_, name + " does not hold the digits of a count");
    return count;
  }

  // Throws one Error for everything that did not fit or is left over.
  void finish(const std::string& optimizer) {
    for (const auto& [name, tensor] : tensors_) add(unexpected_, name);
    std::string why;
    for (const auto& [title, names] : {std::pair("missing", &missing_), std::pair("unexpected", &unexpected_),
                                       std::pair("mismatched", &mismatched_)}) {
      if (!names->empty()) why += str(why.empty() ? "" : "; ", title, ": ", *names);
    }
    if (!why.empty()) throw Error(str(optimizer, ": this state does not fit the parameters: ", why));
  }

 private:
  static void add(std::string& list, const std::string& item) { list += (list.empty() ? "" : ", ") + item; }

  std::map<std::string, Tensor> tensors_;
  std::string missing_, unexpected_, mismatched_;
};

}  // namespace

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
  state.emplace_back(name_ + ".steps", encode(steps_));
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    state.emplace_back(state_name("updates", i), encode(slots_[i].updates));
    if (slots_[i].updates == 0) continue;
    for (std::size_t a = 0; a < average_names_.size(); ++a) {
      state.emplace_back(state_name(average_names_[a], i), Tensor::on(leaf(i).shape, slots_[i].averages[a]));
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
  Reader reader(state);
  const int64_t steps = reader.take_count(name_ + ".steps");
  std::vector<Slot> loaded(slots_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = loaded[i];
    slot.averages.resize(average_names_.size());
    slot.updates = reader.take_count(state_name("updates", i));
    if (slot.updates == 0) continue;
    for (std::size_t a = 0; a < average_names_.size(); ++a) {
      const Tensor tensor = reader.take(state_name(average_names_[a], i), leaf(i).shape);
      slot.averages[a] = tensor.storage();
    }
  }
  reader.finish(name_);
  slots_ = std::move(loaded);
  steps_ = steps;
}

}  // namespace tape::inline TAPE_ABI::optim
