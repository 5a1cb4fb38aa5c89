#include "support/attention_rows.h"

#include <tape/core/ops/attention.h>
#include <tape/core/ops/rotary.h>

namespace tape::inline TAPE_ABI::test {

namespace {

constexpr int64_t heads = 4;

// B = 2, four heads of size `columns`, T = rows.
struct Form {
  const char* variant;
  int64_t kv_heads = heads;
  int64_t more_keys = 0;  // S - T; not for packed attention
  int64_t buckets = 0;    // rows of the table of relative biases, the last input
  std::function<void(AttentionOptions&, int64_t queries, int64_t keys)> set = {};
};

// Texts of three tokens; the last token of a longer row is padding.
Ids texts(int64_t length) {
  Ids ids(Shape{2, length});
  for (int64_t i = 0; i < ids.size(); ++i) {
    const int64_t at = i % length;
    ids.mutable_data()[i] = at >= 4 && at == length - 1 ? -1 : static_cast<int32_t>(at / 3);
  }
  return ids;
}

void causal(AttentionOptions& o, int64_t, int64_t) {
  o.causal = true;
}
void window(AttentionOptions& o, int64_t, int64_t) {
  o.window = 2;
}
void causal_window(AttentionOptions& o, int64_t, int64_t) {
  o.causal = true;
  o.window = 3;
}
void alibi(AttentionOptions& o, int64_t, int64_t) {
  o.alibi = true;
}
void causal_alibi(AttentionOptions& o, int64_t, int64_t) {
  o.causal = true;
  o.alibi = true;
}
void softcap(AttentionOptions& o, int64_t, int64_t) {
  o.softcap = 0.4;
}
void relative(AttentionOptions& o, int64_t, int64_t) {
  o.max_distance = 6;
}
void causal_relative(AttentionOptions& o, int64_t, int64_t) {
  o.causal = true;
  o.max_distance = 6;
}
void segments(AttentionOptions& o, int64_t queries, int64_t) {
  o.segments = texts(queries);
}
void causal_segments(AttentionOptions& o, int64_t queries, int64_t) {
  o.causal = true;
  o.segments = texts(queries);
}
void key_segments(AttentionOptions& o, int64_t queries, int64_t keys) {
  o.segments = texts(queries);
  o.key_segments = texts(keys);
}
void everything(AttentionOptions& o, int64_t queries, int64_t keys) {
  o.causal = true;
  o.window = 4;
  o.alibi = true;
  o.softcap = 0.8;
  o.mask = random_tensor({2, queries, keys}, 60);
  o.key_lengths = Ids::from({2}, {static_cast<int32_t>(keys), static_cast<int32_t>(keys)});
  o.segments = texts(queries);
  o.key_segments = texts(keys);
  o.max_distance = 6;
  o.dropout = 0.2;
  o.scale = 0.9;
}

const Form forms[] = {
    {"two key heads", 2, 1, 0, causal},
    {"one key head", 1, 0, 0, nullptr},
    {"window", 4, 0, 0, window},
    {"causal window", 4, 0, 0, causal_window},
    {"causal window with a cache", 2, 3, 0, causal_window},
    {"alibi", 4, 0, 0, alibi},
    {"causal alibi with a cache", 4, 2, 0, causal_alibi},
    {"softcap", 4, 1, 0, softcap},
    {"relative bias", 4, 0, 8, relative},
    {"causal relative bias with a cache", 2, 2, 4, causal_relative},
    {"segments", 4, 0, 0, segments},
    {"causal segments", 1, 0, 0, causal_segments},
    {"segments of keys", 4, 2, 0, key_segments},
    {"everything", 2, 0, 4, everything},
};

OpCase make_case(const Form& form, bool packed, int64_t r, int64_t n) {
  const int64_t keys = packed ? r : r + form.more_keys;
  const int64_t width = heads * n;
  const int64_t kv_width = form.kv_heads * n;
  AttentionOptions options{.heads = heads, .kv_heads = form.kv_heads};
  if (form.set) form.set(options, r, keys);
  OpCase result;
  if (packed) {
    result.inputs = {random_tensor({2, r, width + 2 * kv_width}, 61)};
  } else {
    result.inputs = {random_tensor({2, r, width}, 62), random_tensor({2, keys, kv_width}, 63),
                     random_tensor({2, keys, kv_width}, 64)};
    if (keys == 1) result.zero = {0, 1};  // a softmax of one number is constant
  }
  if (form.buckets > 0) {
    if (keys == 1) result.zero.push_back(static_cast<int>(result.inputs.size()));
    result.inputs.push_back(random_tensor({form.buckets, heads}, 65));
  }
  result.f = [options, packed, learned = form.buckets > 0](const Inputs& x) {
    AttentionOptions o = options;
    if (learned) o.relative_bias = x.back();
    Random random(Seed{6}, 2);
    return packed ? attention_packed(x[0], o, &random) : attention(x[0], x[1], x[2], o, &random);
  };
  return result;
}

OpRow rotary_row(const char* variant, RotaryLayout layout, bool whole) {
  return {"rotary", variant, [=](int64_t r, int64_t n) {
            const int64_t size = whole ? 2 * n : 2 * n + 3;
            const RotaryOptions options{.heads = 2,
                                        .head_size = size,
                                        .base = 100,
                                        .first_position = 3,
                                        .rotated = whole ? 0 : 2 * n,
                                        .layout = layout};
            return OpCase{{random_tensor({2, r, 2 * size + 1}, 66)},
                          [=](const Inputs& x) { return rotary(x[0], options); }};
          }};
}

}  // namespace

std::vector<OpRow> attention_form_rows() {
  std::vector<OpRow> rows = {rotary_row("interleaved", RotaryLayout::interleaved, true),
                             rotary_row("partial", RotaryLayout::halves, false),
                             rotary_row("partial interleaved", RotaryLayout::interleaved, false)};
  for (const Form& form : forms) {
    for (const bool packed : {false, true}) {
      if (packed && form.more_keys > 0) continue;
      rows.push_back({packed ? "attention_packed" : "attention", form.variant,
                      [&form, packed](int64_t r, int64_t n) { return make_case(form, packed, r, n); }});
    }
  }
  return rows;
}

}  // namespace tape::inline TAPE_ABI::test
