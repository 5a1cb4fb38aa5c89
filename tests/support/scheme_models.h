// Every residual scheme in every architecture, for tests that hold for all of them.
#pragma once

#include <string>
#include <vector>

#include <tape/nn/bert.h>
#include <tape/nn/encoder_decoder.h>
#include <tape/nn/gpt.h>

#include "support/nn_models.h"

namespace tape::inline TAPE_ABI::test {

/// All schemes of the table with LayerNorm and RMSNorm.
std::vector<Choice> every_choice();

/// The depth of each stack that a scheme can have a place in: encoder-only and decoder-only of n blocks, and the
/// encoder of n and the decoder of m blocks of an encoder-decoder model.
struct Place {
  const char* name;
  nn::Depth depth;
};
std::vector<Place> every_place(int64_t n, int64_t m);

/// The norms that a function computes, counted on a tape.
int64_t norms_on_tape(const Tape& tape);

}  // namespace tape::inline TAPE_ABI::test
