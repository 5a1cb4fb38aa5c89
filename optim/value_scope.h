// ValueScope: other values in the place of the parameters' own, for a while: averaged ones to evaluate and to save.
#pragma once

#include <vector>

#include <tape/core/parameter.h>

namespace tape::inline TAPE_ABI::optim {

/// While it lives, each parameter has the value of its place in the list; afterwards its own again, the same bits.
/// Blocks of memory change hands and nothing is copied. Do not train meanwhile: what made the scope refuses to.
class [[nodiscard]] ValueScope {
 public:
  /// `open` is true while the scope lives.
  ValueScope(ParameterList parameters, std::vector<Storage> values, bool& open);
  ~ValueScope();
  ValueScope(const ValueScope&) = delete;
  ValueScope& operator=(const ValueScope&) = delete;

 private:
  void exchange() noexcept;

  ParameterList parameters_;
  std::vector<Storage> values_;
  bool& open_;
};

}  // namespace tape::inline TAPE_ABI::optim
