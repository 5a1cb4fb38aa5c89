// The probabilities of attention in double precision: times the values they are fused attention to eleven digits.
#include <tape/nn/attention_weights.h>

#include "catch.h"
#include "support/tensors.h"
#include "support/weighed.h"

namespace tape::inline TAPE_ABI::test {

TEST_CASE("Probabilities times values are fused attention to eleven digits", "[nn][attention][weights]") {
  const Tensor q = random_tensor({2, 70, 12}, 1, -2, 2);
  const Tensor k = random_tensor({2, 70, 6}, 2, -2, 2);
  const Tensor v = random_tensor({2, 70, 6}, 3);
  for (const bool causal : {false, true}) {
    for (const int64_t window : {0, 9}) {
      for (const double softcap : {0.0, 1.5}) {
        const AttentionOptions o{.heads = 4,
                                 .kv_heads = 2,
                                 .causal = causal,
                                 .window = window,
                                 .alibi = window > 0,
                                 .softcap = softcap,
                                 .key_lengths = Ids::from({2}, {66, 70}),
                                 .segments = softcap > 0 ? random_ids({2, 70}, 2, 4) : Ids(),
                                 .relative_bias = window > 0 ? random_tensor({8, 4}, 5) : Tensor(),
                                 .max_distance = 20};
        CHECK(difference(weighed(nn::attention_weights(q, k, o), v, 2), attention(q, k, v, o)) < 1e-11);
      }
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
