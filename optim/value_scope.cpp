#include <tape/optim/value_scope.h>

#include <utility>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::optim {

ValueScope::ValueScope(ParameterList parameters, std::vector<Storage> values, bool& open)
    : parameters_(std::move(parameters)), values_(std::move(values)), open_(open) {
  if (open_) throw Error("ValueScope: the parameters have other values already, from a scope that still lives");
  open_ = true;
  exchange();
}

ValueScope::~ValueScope() {
  exchange();
  open_ = false;
}

void ValueScope::exchange() noexcept {
  for (std::size_t i = 0; i < parameters_.size(); ++i) std::swap(parameters_[i]->value, values_[i]);
}

}  // namespace tape::inline TAPE_ABI::optim
