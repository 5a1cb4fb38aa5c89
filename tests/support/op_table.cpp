#include "support/op_table.h"

#include <limits>

#include <tape/core/checkpoint.h>
#include <tape/core/ops.h>
#include <tape/core/probe.h>

#include "support/attention_rows.h"

namespace tape::inline TAPE_ABI::test {

namespace {

using Rows = std::vector<OpRow>;
using In = const Inputs&;
using Unary = Tensor (*)(const Tensor&, Where);
using Binary = Tensor (*)(const Tensor&, const Tensor&, Where);

std::vector<int> zero_if(bool condition, std::vector<int> which) {
  return condition ? which : std::vector<int>{};
}

void elementwise(Rows& table) {
  const auto binary = [&](const char* op, Binary f, bool cancels) {
    table.push_back({op, "", [=](int64_t r, int64_t n) {
                       return OpCase{{random_tensor({r, n}, 1), random_away_from_zero({r, n}, 2, 0.5)},
                                     [=](In x) { return f(x[0], x[1], Where::here()); },
                                     {},
                                     cancels};
                     }});
  };
  binary("add", add, false);
  binary("subtract", subtract, true);
  binary("multiply", multiply, false);
  binary("divide", divide, true);
  const auto unary = [&](const char* op, Unary f, double low, double high) {
    table.push_back(
        {op, "", [=](int64_t r, int64_t n) {
           return OpCase{{random_tensor({r, n}, 3, low, high)}, [=](In x) { return f(x[0], Where::here()); }};
         }});
  };
  unary("exp", exp, -2, 2);
  unary("log", log, 0.5, 3);
  unary("sqrt", sqrt, 0.5, 3);
  unary("gelu", gelu, -3, 3);
  unary("gelu_tanh", gelu_tanh, -3, 3);
  unary("silu", silu, -4, 4);
  unary("sigmoid", sigmoid, -4, 4);
  unary("tanh", tanh, -2, 2);
  unary("sum", sum, -1, 1);
  unary("mean", mean, -1, 1);
  unary("sum_last", sum_last, -1, 1);
  unary("mean_last", mean_last, -1, 1);
  const auto with_corner = [&](const char* op, Unary f) {
    table.push_back(
        {op, "", [=](int64_t r, int64_t n) {
           return OpCase{{random_away_from_zero({r + 4, n}, 4)}, [=](In x) { return f(x[0], Where::here()); }};
         }});
  };
  with_corner("relu", relu);
  with_corner("squared_relu", squared_relu);
  const auto gated = [&](const char* op, Binary f) {
    table.push_back({op, "", [=](int64_t r, int64_t n) {
                       return OpCase{{random_away_from_zero({r + 4, n}, 4), random_away_from_zero({r + 4, n}, 5)},
                                     [=](In x) { return f(x[0], x[1], Where::here()); }};
                     }});
  };
  gated("swiglu", swiglu);
  gated("geglu", geglu);
  gated("reglu", reglu);
  table.push_back({"scale", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 5)}, [](In x) { return scale(x[0], -1.75); }};
                   }});
  table.push_back({"axpy", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 6), random_tensor({r, n}, 7)},
                                   [](In x) { return axpy(2.2, x[0], x[1]); }};
                   }});
  table.push_back(
      {"add_bias", "", [](int64_t r, int64_t n) {
         return OpCase{{random_tensor({2, r, n}, 8), random_tensor({n}, 9)}, [](In x) { return add_bias(x[0], x[1]); }};
       }});
  for (const bool single : {false, true}) {
    table.push_back({"multiply_rows", single ? "one factor" : "", [=](int64_t r, int64_t n) {
                       return OpCase{{random_tensor({2, r, n}, 8), random_tensor({single ? 1 : n}, 9)},
                                     [](In x) { return multiply_rows(x[0], x[1]); }};
                     }});
  }
}

void softmax_and_loss(Rows& table) {
  table.push_back(
      {"softmax", "", [](int64_t r, int64_t n) {
         return OpCase{{random_tensor({r, n}, 10, -2, 2)}, [](In x) { return softmax(x[0]); }, zero_if(n == 1, {0})};
       }});
  table.push_back({"log_softmax", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 11, -2, 2)},
                                   [](In x) { return log_softmax(x[0]); },
                                   zero_if(n == 1, {0})};
                   }});
  const auto loss = [&](const char* variant, bool ignore, double smoothing, double divisor) {
    table.push_back({"cross_entropy", variant, [=](int64_t r, int64_t n) {
                       Ids targets = random_ids({2, r}, static_cast<int32_t>(n), 12);
                       if (ignore) targets.mutable_data()[1] = -7;
                       const CrossEntropyOptions options{
                           .ignore_index = -7, .label_smoothing = smoothing, .divisor = divisor};
                       return OpCase{{random_tensor({2, r, n}, 13, -2, 2)},
                                     [=](In x) { return cross_entropy(x[0], targets, options); },
                                     zero_if(n == 1, {0})};
                     }});
  };
  loss("", false, 0, 0);
  loss("ignored targets", true, 0, 0);
  loss("label smoothing", true, 0.1, 0);
  loss("divisor", true, 0.1, 3);
}

void products(Rows& table) {
  for (const Transpose ta : {Transpose::no, Transpose::yes}) {
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      const std::string flags = str(ta == Transpose::yes ? "aᵀ" : "a", tb == Transpose::yes ? "bᵀ" : "b");
      const auto shape = [](bool transposed, int64_t rows, int64_t columns) {
        return transposed ? Shape{columns, rows} : Shape{rows, columns};
      };
      table.push_back({"matmul", flags, [=](int64_t r, int64_t n) {
                         // With one transposition both have the same shape, so that a·aᵀ is among the cases.
                         const int64_t m = ta == tb ? r + 1 : r;
                         return OpCase{{random_tensor(shape(ta == Transpose::yes, r, n), 14),
                                        random_tensor(shape(tb == Transpose::yes, n, m), 15)},
                                       [=](In x) { return matmul(x[0], x[1], ta, tb); }};
                       }});
      table.push_back({"matmul", flags + " batched", [=](int64_t r, int64_t n) {
                         const Shape a = shape(ta == Transpose::yes, r, n);
                         const Shape b = shape(tb == Transpose::yes, n, r);
                         return OpCase{{random_tensor({2, 3, a[0], a[1]}, 16), random_tensor({2, 3, b[0], b[1]}, 17)},
                                       [=](In x) { return matmul(x[0], x[1], ta, tb); }};
                       }});
    }
  }
  table.push_back({"linear", "", [](int64_t r, int64_t n) {
                     return OpCase{
                         {random_tensor({2, r, n}, 18), random_tensor({n + 2, n}, 19), random_tensor({n + 2}, 20)},
                         [](In x) { return linear(x[0], x[1], x[2]); }};
                   }});
  for (const Pointwise* f : {&pointwise::gelu, &pointwise::gelu_tanh, &pointwise::silu}) {
    table.push_back({"linear_activated", f->name, [f](int64_t r, int64_t n) {
                       return OpCase{
                           {random_tensor({2, r, n}, 18), random_tensor({n + 2, n}, 19), random_tensor({n + 2}, 20)},
                           [f](In x) { return linear_activated(*f, x[0], x[1], x[2]); }};
                     }});
  }
  table.push_back({"linear_added", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n + 2}, 47), random_tensor({r, n}, 18),
                                    random_tensor({n + 2, n}, 19), random_tensor({n + 2}, 20)},
                                   [](In x) { return linear_added(x[0], x[1], x[2], x[3]); }};
                   }});
  table.push_back({"linear_added", "to its input", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 48), random_tensor({n, n}, 49)},
                                   [](In x) { return linear_added(x[0], x[0], x[1]); }};
                   }});
  table.push_back(
      {"linear", "without bias", [](int64_t r, int64_t n) {
         return OpCase{{random_tensor({r, n}, 21), random_tensor({r, n}, 22)}, [](In x) { return linear(x[0], x[1]); }};
       }});
}

void norms(Rows& table) {
  const auto row = [&](const char* op, const char* variant, bool weight, bool bias) {
    const bool layer = std::string(op) == "layer_norm";
    table.push_back({op, variant, [=](int64_t r, int64_t n) {
                       OpCase result;
                       result.inputs.push_back(random_tensor({2, r, n}, 23));
                       if (weight) result.inputs.push_back(random_tensor({n}, 24, 0.5, 2));
                       if (bias) result.inputs.push_back(random_tensor({n}, 25));
                       result.f = [=](In x) {
                         const Tensor w = weight ? x[1] : Tensor();
                         const Tensor b = bias ? x.back() : Tensor();
                         return layer ? layer_norm(x[0], w, b, 0.05) : rms_norm(x[0], w, b, 0.05);
                       };
                       if (layer && n == 1) result.zero = weight ? std::vector<int>{0, 1} : std::vector<int>{0};
                       return result;
                     }});
  };
  table.push_back({"layer_norm", "of one row", [](int64_t, int64_t n) {
                     return OpCase{{random_tensor({n + 1}, 37), random_tensor({n + 1}, 38), random_tensor({n + 1}, 39)},
                                   [](In x) { return layer_norm(x[0], x[1], x[2], 0.05); }};
                   }});
  for (const char* op : {"layer_norm", "rms_norm"}) {
    row(op, "", true, true);
    row(op, "without bias", true, false);
    row(op, "without weight", false, true);
    row(op, "without either", false, false);
  }
  const auto with_options = [&](const char* op, const char* variant, const NormOptions& options) {
    const bool layer = std::string(op) == "layer_norm";
    table.push_back({op, variant, [=](int64_t r, int64_t n) {
                       const int64_t columns = n + 1;  // LayerNorm of a single column has no gradient
                       return OpCase{{random_tensor({2, r, columns}, 23), random_tensor({columns}, 24, 0.5, 2),
                                      random_tensor({columns}, 25)},
                                     [=](In x) {
                                       return layer ? layer_norm(x[0], x[1], x[2], options)
                                                    : rms_norm(x[0], x[1], x[2], options);
                                     }};
                     }});
  };
  const NormOptions outside{.eps = 0.2, .eps_place = EpsPlace::outside};
  with_options("layer_norm", "eps outside", outside);
  with_options("rms_norm", "eps outside", outside);
  with_options("layer_norm", "unit offset", {.eps = 0.05, .unit_offset = true});
  with_options("rms_norm", "unit offset", {.eps = 0.05, .unit_offset = true});
  with_options("rms_norm", "partial", {.eps = 0.05, .partial = 0.4});
  with_options("rms_norm", "partial, eps outside", {.eps = 0.2, .eps_place = EpsPlace::outside, .partial = 0.4});
}

void norms_with_factors(Rows& table) {
  const auto single = [](uint64_t seed) { return random_tensor({1}, seed, 0.5, 1.5); };
  for (const double eps : {1e-5, 50.0}) {  // the second is above the length of every row: the linear part
    table.push_back({"scale_norm", eps > 1 ? "below eps" : "", [=](int64_t r, int64_t n) {
                       return OpCase{{random_tensor({2, r, n + 1}, 23), single(24)},
                                     [=](In x) { return scale_norm(x[0], x[1], eps); }};
                     }});
  }
  table.push_back({"dyt", "", [=](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({2, r, n}, 23, -2, 2), single(24), random_tensor({n}, 25, 0.5, 2),
                                    random_tensor({n}, 26)},
                                   [](In x) { return dyt(x[0], x[1], x[2], x[3]); }};
                   }});
  table.push_back(
      {"dyt", "without either", [=](int64_t r, int64_t n) {
         return OpCase{{random_tensor({2, r, n}, 23, -2, 2), single(24)}, [](In x) { return dyt(x[0], x[1], {}, {}); }};
       }});
  table.push_back({"derf", "", [=](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({2, r, n}, 23, -2, 2), single(24), single(27),
                                    random_tensor({n}, 25, 0.5, 2), random_tensor({n}, 26)},
                                   [](In x) { return derf(x[0], x[1], x[2], x[3], x[4]); }};
                   }});
}

void choosing(Rows& table) {
  table.push_back({"rotary", "", [](int64_t r, int64_t n) {
                     const RotaryOptions options{.heads = 2, .head_size = 2 * n, .base = 100, .first_position = 3};
                     return OpCase{{random_tensor({2, r, 4 * n + 1}, 46)}, [=](In x) { return rotary(x[0], options); }};
                   }});
  table.push_back({"embedding", "repeated ids", [](int64_t r, int64_t n) {
                     const Ids ids = random_ids({3, r}, static_cast<int32_t>(r + 1), 26);
                     return OpCase{{random_tensor({r + 1, n}, 27)}, [=](In x) { return embedding(x[0], ids); }};
                   }});
  table.push_back({"gather_rows", "repeated rows", [](int64_t r, int64_t n) {
                     const Ids rows = random_ids({3 * r}, static_cast<int32_t>(2 * r), 28);
                     return OpCase{{random_tensor({2, r, n}, 29)}, [=](In x) { return gather_rows(x[0], rows); }};
                   }});
  table.push_back({"gather_last", "repeated ids", [](int64_t r, int64_t n) {
                     const Ids ids = random_ids({2, r, 5}, static_cast<int32_t>(n), 60);
                     return OpCase{{random_tensor({2, r, n}, 61)}, [=](In x) { return gather_last(x[0], ids); }};
                   }});
  table.push_back({"combine_rows", "repeated rows", [](int64_t r, int64_t n) {
                     const Ids rows = random_ids({2, r, 3}, static_cast<int32_t>(r + 2), 62);
                     return OpCase{{random_tensor({r + 2, n}, 63), random_tensor({2, r, 3}, 64)},
                                   [=](In x) { return combine_rows(x[0], rows, x[1]); }};
                   }});
  table.push_back({"dropout", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r + 4, n}, 30)}, [](In x) {
                                     Random random(Seed{5}, 1);
                                     return dropout(x[0], 0.4, random);
                                   }};
                   }});
}

void moving(Rows& table) {
  table.push_back({"reshape", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 31)}, [=](In x) { return reshape(x[0], Shape{n, r, 1}); }};
                   }});
  table.push_back({"reshape", "one size worked out", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, 2, n}, 32)}, [=](In x) { return reshape(x[0], {2 * r, -1}); }};
                   }});
  for (int axis = 0; axis < 3; ++axis) {
    table.push_back({"concatenate", str("axis ", axis), [=](int64_t r, int64_t n) {
                       const Shape shape{r, 2, n};
                       return OpCase{{random_tensor(shape, 33), random_tensor(shape.with(axis, shape[axis] + 1), 34),
                                      random_tensor(shape, 35)},
                                     [=](In x) {
                                       return concatenate({x[0], x[1], x[2]}, axis);
                                     }};
                     }});
    table.push_back(
        {"slice", str("axis ", axis), [=](int64_t r, int64_t n) {
           const Shape shape{r + 2, 3, n + 2};
           return OpCase{{random_tensor(shape, 36)}, [=](In x) { return slice(x[0], axis, 1, shape[axis] - 1); }};
         }});
  }
}

// B = 2, three heads of size `columns`, T = rows.
struct AttentionRow {
  std::string variant;
  bool packed = false;
  int64_t more_keys = 0;  // S - T
  std::function<void(AttentionOptions&, int64_t queries, int64_t keys)> set = {};
};

void attention_rows(Rows& table) {
  table.push_back({"scale_heads", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({2, r, 3 * n}, 47), random_tensor({3}, 48)},
                                   [](In x) { return scale_heads(x[0], x[1]); }};
                   }});
  static constexpr real hidden = -std::numeric_limits<real>::infinity();
  const auto causal = [](AttentionOptions& o, int64_t, int64_t) { o.causal = true; };
  const auto lengths = [](AttentionOptions& o, int64_t, int64_t keys) {
    o.key_lengths = Ids::from({2}, {static_cast<int32_t>(keys - 1), static_cast<int32_t>(keys)});
  };
  const auto mask_2d = [](AttentionOptions& o, int64_t queries, int64_t keys) {
    o.mask = random_tensor({queries, keys}, 40);
    if (keys > 2) o.mask.mutable_data()[2] = hidden;
  };
  const auto mask_3d = [](AttentionOptions& o, int64_t queries, int64_t keys) {
    o.mask = random_tensor({2, queries, keys}, 41);
    if (queries > 1) std::fill_n(o.mask.mutable_data(), keys, hidden);  // the first query sees nothing
  };
  const auto dropped = [](AttentionOptions& o, int64_t, int64_t) {
    o.causal = true;
    o.dropout = 0.3;
  };
  const std::vector<AttentionRow> rows = {
      {"full", false, 0, nullptr},
      {"causal", false, 0, causal},
      {"cross", false, 2, nullptr},
      {"causal with a cache", false, 3, causal},
      {"room for more keys", false, 3,
       [](AttentionOptions& o, int64_t, int64_t s) {
         o.causal = true;
         o.keys = s - 2;
       }},
      {"key lengths", false, 2, lengths},
      {"mask (T, S)", false, 1, mask_2d},
      {"mask (B, T, S)", false, 1, mask_3d},
      {"causal with mask", false, 0,
       [=](AttentionOptions& o, int64_t t, int64_t s) {
         mask_2d(o, t, s);
         o.causal = true;
       }},
      {"dropout", false, 0, dropped},
      {"scale", false, 1, [](AttentionOptions& o, int64_t, int64_t) { o.scale = 0.8; }},
      {"full", true, 0, nullptr},
      {"causal", true, 0, causal},
      {"dropout", true, 0, dropped},
      {"mask (B, T, S)", true, 0, mask_3d},
  };
  for (const AttentionRow& row : rows) {
    table.push_back({row.packed ? "attention_packed" : "attention", row.variant, [row](int64_t r, int64_t n) {
                       const int64_t keys = r + row.more_keys;
                       const int64_t width = 3 * n;
                       AttentionOptions options{.heads = 3};
                       if (row.set) row.set(options, r, keys);
                       OpCase result;
                       if (row.packed) {
                         result.inputs = {random_tensor({2, r, 3 * width}, 42)};
                       } else {
                         result.inputs = {random_tensor({2, r, width}, 43), random_tensor({2, keys, width}, 44),
                                          random_tensor({2, keys, width}, 45)};
                         result.zero = zero_if(keys == 1, {0, 1});  // a softmax of one number is constant
                       }
                       result.f = [options, packed = row.packed](In x) {
                         Random random(Seed{6}, 2);
                         return packed ? attention_packed(x[0], options, &random)
                                       : attention(x[0], x[1], x[2], options, &random);
                       };
                       return result;
                     }});
  }
}

void around_ops(Rows& table) {
  table.push_back({"checkpoint", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 50)},
                                   [](In x) { return checkpoint([](const Tensor& t) { return tanh(t) * t; }, x[0]); }};
                   }});
  table.push_back({"tap", "", [](int64_t r, int64_t n) {
                     return OpCase{{random_tensor({r, n}, 51)}, [](In x) {
                                     const Recorder recorder;
                                     return tap("place", "hook", x[0]);
                                   }};
                   }});
}

Rows make_table() {
  Rows table;
  elementwise(table);
  softmax_and_loss(table);
  products(table);
  norms(table);
  norms_with_factors(table);
  choosing(table);
  moving(table);
  attention_rows(table);
  for (const OpRow& row : attention_form_rows()) table.push_back(row);
  around_ops(table);
  return table;
}

}  // namespace

const std::vector<OpRow>& op_table() {
  static const Rows table = make_table();
  return table;
}

}  // namespace tape::inline TAPE_ABI::test
