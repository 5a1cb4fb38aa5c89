// The scalar type, and the letters that name sizes in every comment of this project.
//
//   B batch    T time (positions of a query)    S positions of keys    C channels (model width)
//   H heads    D head size (C = H·D)            F feed-forward width   V vocabulary    R rows (product of all but the
//   last size)
//
// `real` is float. Compiled with TAPE_F64=1 the same sources become the f64 twin, with which the tests check gradients
// to about 1e-7. Each build lives in an inline namespace of its own (tape::f32, tape::f64): user code never writes it,
// and linking objects of both by mistake fails instead of misreading memory.
#pragma once

#include <cstdint>

#if defined(TAPE_F64) && TAPE_F64
#define TAPE_ABI f64
#else
#define TAPE_ABI f32
#endif

namespace tape::inline TAPE_ABI {

#if defined(TAPE_F64) && TAPE_F64
using real = double;
#else
using real = float;
#endif

}  // namespace tape::inline TAPE_ABI
