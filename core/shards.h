// Shards: a batch of a small model in two halves, each on a tape of its own and on threads of its own. A small model's
// ops are too short to share out: their threads wait for each other after each one. Two halves meet once a step.
//
//   Shards shards;
//   shards.run([&](int shard) {
//     Tape tape;
//     tape.backward(cross_entropy(model(half[shard]), target[shard], {.divisor = targets_of_both}));
//   });
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI {

class Shards {
 public:
  static constexpr int count = 2;

  /// Is a step faster in shards? So it is for at least two sequences whose stream, tokens · width numbers, and whose
  /// copy of the gradients are small: two threads were 1.1 to 1.3 times as fast at 2^15 … 2^17. At 2^20, with 10
  /// million parameters, they were 1.05 times as fast with AVX-512, and 1.13 in bf16; no faster with AVX2. Follows from
  /// these sizes alone, so that the number of threads does not change what is computed.
  static bool pay(int64_t sequences, int64_t tokens, int64_t width, int64_t parameters) {
    return sequences >= count && tokens * width <= int64_t{1} << 20 && parameters <= int64_t{1} << 24;
  }

  /// Sequences begin … end - 1 of a batch: those of a shard. With an odd number the second has one more.
  struct Part {
    int64_t begin, end;
  };
  static Part part_of(int64_t sequences, int shard) {
    return {sequences * shard / count, sequences * (shard + 1) / count};
  }

  Shards();
  ~Shards();
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  /// Calls body(0) and body(1), at the same time where two threads or more are to be used: each then has half of them.
  /// The one that has ended takes parts of the other's loops, and keeps its processor busy until that has ended too.
  /// Each call unwinds at most one tape. The gradients of its parameters are kept apart until they are complete; then
  /// those of both calls are summed and set or added as usual: the result depends neither on the number of threads nor
  /// on who comes first. A parameter that one call alone reaches gets that gradient. What a call throws is thrown here
  /// after both have ended, that of the first call first; gradients that were complete may then have arrived. With
  /// `in_turn` one call follows the other on the calling thread, to the same bits: for a Probe, which sees its own
  /// thread alone. Must not be called inside a parallel loop.
  void run(const std::function<void(int shard)>& body, bool in_turn = false);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tape::inline TAPE_ABI
