// Precision: in which numbers the matrix products of linear layers and attention are computed.
#pragma once

#include <string_view>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

/// Sums, and everything that is no such product, are f32 always.
enum class Precision {
  f32,           ///< as the numbers are; in the f64 twin double
  bf16,          ///< both sides of a product rounded to bf16, multiplied by the processor's own instructions
  bf16_emulated  ///< the same numbers in linear layers multiplied in f32: equal up to the order of sums, on any
                 ///< processor, and slower. Attention computes the same in both
};

/// "f32", "bf16" or "bf16-emulated". The second function throws Error for another name, listing these.
std::string_view name_of(Precision precision);
Precision precision(std::string_view name);

/// Throws Error that says what is missing, and what to do, when this processor or this build can not compute so.
void check(Precision precision);

}  // namespace tape::inline TAPE_ABI
