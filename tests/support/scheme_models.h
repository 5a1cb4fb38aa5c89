// Every residual scheme in every architecture, for tests that hold for all of them.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

inline constexpr std::array two_norms = {nn::NormKind::Layer, nn::NormKind::RMS};
inline constexpr std::array all_norms = {nn::NormKind::Layer, nn::NormKind::RMS, nn::NormKind::Scale, nn::NormKind::DyT,
                                         nn::NormKind::Derf};
/// All schemes of the table with each of these norms.
std::vector<Choice> every_choice(std::span<const nn::NormKind> norms = two_norms);

/// The depth of each stack that a scheme can have a place in: encoder-only and decoder-only of n blocks, and the
/// encoder of n and the decoder of m blocks of an encoder-decoder model.
struct Place {
  const char* name;
  nn::Depth depth;
};
std::vector<Place> every_place(int64_t n, int64_t m);

/// Draws all values of a module anew (see randomize) and returns its parameters. Learned gains are in [0.5, 1.5), so
/// that no branch is silent, and the α of DyT and Derf in [0.1, 0.2), so that they stay unsaturated beside a large
/// skip.
template <class Module>
ParameterList redrawn(const Module& module, uint64_t seed) {
  const ParameterList list = nn::named_parameters(module);
  randomize(list, seed);
  for (const LeafPtr& leaf : list) {
    const auto draw = [&](double low, double high) {
      std::ranges::copy(random_tensor(leaf->shape, ++seed, low, high).values(), leaf->data());
    };
    if (leaf->name.ends_with("_gain")) draw(0.5, 1.5);
    if (leaf->name.ends_with(".alpha")) draw(0.1, 0.2);
  }
  return list;
}

/// How many norms of any kind stand on a tape.
int64_t norms_on_tape(const Tape& tape);

}  // namespace tape::inline TAPE_ABI::test
