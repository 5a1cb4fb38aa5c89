// Gradients of attention's forms against finite differences: shared key heads, windows, ALiBi, soft cap, relative bias,
// segments, and both layouts of rotary positions.
#include <tape/core/ops/attention.h>
#include <tape/core/ops/rotary.h>

#include "catch.h"
#include "support/gradcheck.h"

namespace tape::inline TAPE_ABI::test {

namespace {

struct Form {
  const char* name;
  AttentionOptions options;
};

std::vector<Form> forms() {
  const Ids segments = Ids::from({2, 7}, {0, 0, 0, 1, 1, 1, -1, 3, 3, 4, 4, 4, 4, 4});
  return {
      {"causal", {.heads = 4, .causal = true}},
      {"two key heads", {.heads = 4, .kv_heads = 2, .causal = true}},
      {"one key head", {.heads = 4, .kv_heads = 1}},
      {"causal window", {.heads = 4, .causal = true, .window = 3}},
      {"window", {.heads = 4, .window = 2}},
      {"ALiBi", {.heads = 4, .causal = true, .alibi = true}},
      {"soft cap", {.heads = 4, .causal = true, .softcap = 0.7}},
      {"segments", {.heads = 4, .causal = true, .segments = segments}},
      {"all",
       {.heads = 4, .kv_heads = 2, .causal = true, .window = 4, .alibi = true, .softcap = 2, .segments = segments}}};
}

}  // namespace

TEST_CASE("The gradient of every form of attention agrees with finite differences", "[gradient][attention]") {
  for (const Form& form : forms()) {
    DYNAMIC_SECTION(form.name) {
      const int64_t shared = form.options.kv_heads > 0 ? form.options.kv_heads : 4;
      const Inputs inputs = {random_tensor({2, 7, 12}, 1), random_tensor({2, 7, 3 * shared}, 2),
                             random_tensor({2, 7, 3 * shared}, 3)};
      check_gradients([&](const Inputs& x) { return attention(x[0], x[1], x[2], form.options); }, inputs);
      const Inputs packed = {random_tensor({2, 7, 12 + 6 * shared}, 4)};
      check_gradients([&](const Inputs& x) { return attention_packed(x[0], form.options); }, packed);
    }
  }
}

TEST_CASE("The gradient of the relative bias agrees, and so do those beside it", "[gradient][attention]") {
  for (const bool causal : {false, true}) {
    DYNAMIC_SECTION("causal " << causal) {
      const Inputs inputs = {random_tensor({2, 7, 8}, 1), random_tensor({2, 7, 8}, 2), random_tensor({2, 7, 8}, 3),
                             random_tensor({4, 2}, 4)};
      const Function f = [&](const Inputs& x) {
        return attention(x[0], x[1], x[2],
                         {.heads = 2, .causal = causal, .softcap = 3, .relative_bias = x[3], .max_distance = 6});
      };
      check_gradients(f, inputs);
    }
  }
}

TEST_CASE("The gradient of rotary positions agrees in both layouts, whole and partial", "[gradient][attention]") {
  for (const RotaryLayout layout : {RotaryLayout::halves, RotaryLayout::interleaved}) {
    for (const int64_t rotated : {0, 4}) {
      const RotaryOptions options{.heads = 2, .head_size = 6, .base = 50, .rotated = rotated, .layout = layout};
      check_gradients([&](const Inputs& x) { return rotary(x[0], options); }, {random_tensor({2, 5, 13}, 1)});
    }
  }
}

}  // namespace tape::inline TAPE_ABI::test
