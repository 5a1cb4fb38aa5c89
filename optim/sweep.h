// Sweep: one parallel loop over the elements of many parameters. A model has hundreds of parameters, most of them
// small; cut into one flat list of chunks they cost a single parallel region, however many they are.
#pragma once

#include <algorithm>
#include <cstdint>

#include <tape/core/parallel.h>
#include <tape/core/parameter.h>

namespace tape::inline TAPE_ABI::optim {

/// Elements begin…end of one parameter of a list.
struct Chunk {
  int64_t parameter;  ///< its place in the list
  int64_t begin;
  int64_t end;

  int64_t size() const { return end - begin; }
};

/// True for a parameter that a step may change: it has a gradient and is not frozen.
inline bool takes_part(const Leaf& leaf) {
  return leaf.has_gradient && !leaf.frozen;
}

class Sweep {
 public:
  /// Cuts those of `parameters` that take part into chunks of elementwise_grain elements, the last one of each shorter.
  /// The list lies in pooled memory: making a sweep in every step allocates nothing.
  explicit Sweep(const ParameterList& parameters);

  int64_t chunks() const { return chunks_; }
  const Chunk& chunk(int64_t c) const { return list_.as<Chunk>()[c]; }

  /// Calls body(c, chunk(c)) for every chunk, each once, on whatever thread. The body must not throw.
  template <class Body>
  void run(Body&& body) const {
    parallel_for(chunks_, grain_, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) body(c, chunk(c));
    });
  }

 private:
  Storage list_;
  int64_t chunks_ = 0;
  int64_t grain_ = 1;  // chunks that belong to one thread at least: small ones are not worth a thread of their own
};

}  // namespace tape::inline TAPE_ABI::optim
