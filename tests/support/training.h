// Runs of training in tests of the tool.
#pragma once

#include <cstddef>
#include <string>

#include <tape/examples/support/trainer.h>

namespace tape::inline TAPE_ABI::test {

/// Steps until so many are done.
inline void train(tool::Trainer& trainer, int64_t until) {
  while (trainer.steps() < until) trainer.step();
}

/// The bits of all values of the model.
inline std::string bits(const tool::Trainer& trainer) {
  std::string bytes;
  for (const LeafPtr& leaf : nn::parameters(trainer.model())) {
    bytes.append(reinterpret_cast<const char*>(leaf->data()), static_cast<std::size_t>(leaf->size()) * sizeof(real));
  }
  return bytes;
}

}  // namespace tape::inline TAPE_ABI::test
