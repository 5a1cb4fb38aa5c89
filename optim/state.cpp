#include <tape/optim/state.h>

#include <cmath>

#include <tape/core/name_list.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

constexpr int64_t digit_base = int64_t{1} << 20;
constexpr int64_t digits = 3;

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

}  // namespace

Tensor count_tensor(int64_t count) {
  return Tensor::from({digits},
                      {static_cast<real>(count % digit_base), static_cast<real>(count / digit_base % digit_base),
                       static_cast<real>(count / digit_base / digit_base)});
}

Tensor number_tensor(double number) {
  real parts[digits];
  for (real& part : parts) {
    part = static_cast<real>(number);
    number -= static_cast<double>(part);
  }
  return Tensor::from({digits}, parts);
}

StateReader::StateReader(const State& state) {
  for (const auto& [name, tensor] : state) {
    if (!tensors_.emplace(name, tensor).second) unexpected_.push_back(name + " (a second time)");
  }
}

Tensor StateReader::take(const std::string& name, const Shape& shape) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    missing_.push_back(name);
    return {};
  }
  const Tensor tensor = found->second;
  tensors_.erase(found);
  if (tensor && tensor.shape() == shape) return tensor;
  mismatched_.push_back(str(name, " is ", tensor ? str(tensor.shape()) : "no tensor", " instead of ", shape));
  return {};
}

int64_t StateReader::take_count(const std::string& name) {
  const Tensor tensor = take(name, {digits});
  if (!tensor) return 0;
  const int64_t count = decode(tensor);
  if (count < 0) mismatched_.push_back(name + " does not hold the digits of a count");
  return count;
}

double StateReader::take_number(const std::string& name) {
  const Tensor tensor = take(name, {digits});
  double number = 0;
  for (int64_t i = 0; tensor && i < digits; ++i) number += static_cast<double>(tensor.data()[i]);
  if (!std::isfinite(number)) mismatched_.push_back(name + " does not hold a finite number");
  return number;
}

void StateReader::finish(const std::string& who) const {
  std::vector<std::string> unexpected = unexpected_;
  for (const auto& [name, tensor] : tensors_) unexpected.push_back(name);
  std::string why;
  const auto list = [&why](const char* title, const std::vector<std::string>& names) {
    if (!names.empty()) why += str(why.empty() ? "" : "; ", title, ": ", first_names(names));
  };
  list("missing", missing_);
  list("unexpected", unexpected);
  list("mismatched", mismatched_);
  if (!why.empty()) throw Error(str(who, ": this state does not fit the parameters: ", why));
}

}  // namespace tape::inline TAPE_ABI::optim
