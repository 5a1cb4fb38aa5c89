// Products of small matrices against a naive product in double, of whole packed matrices and of parts.
#include <tape/core/small_gemm.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "catch.h"
#include "support/product_error.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

Shape shape_of(Transpose t, int64_t rows, int64_t columns) {
  return t == Transpose::yes ? Shape{columns, rows} : Shape{rows, columns};
}

ConstMatrix matrix(const Tensor& x) {
  return {x.data(), x.rows(), x.last()};
}

// Products of E's, whose factors are `rounded` as E is.
template <class E, class Rounding>
void check_products(Rounding rounded) {
  for (const Transpose ta : {Transpose::no, Transpose::yes}) {
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      for (const int64_t m : {1, 2, 5, 6, 7, 8, 11, 12, 13, 14, 23}) {
        for (const int64_t n : {int64_t{1}, panel - 1, panel, panel + 1, 2 * panel + 3}) {
          for (const int64_t k : {0, 1, 3, 40, 75, 301}) {
            for (const real beta : {real{0}, real{1}}) {
              const Tensor a = random_tensor(shape_of(ta, m, k), 1);
              const Tensor b = random_tensor(shape_of(tb, k, n), 2);
              const Tensor before = beta == 0 ? Tensor::full({m, n}, NAN) : random_tensor({m, n}, 3);
              std::vector<E> room(static_cast<std::size_t>(packed_size<E>(k, n) + 1));  // none would be null
              std::vector<E> left_room(static_cast<std::size_t>(left_size<E>(m, k) + 1));
              Tensor c = before.copy();
              small_gemm(real{0.5}, left(ta, matrix(a), left_room.data()), pack(tb, matrix(b), room.data()), beta,
                         {c.mutable_data(), m, n});
              const Tensor a_used = rounded(a);
              const Tensor b_used = rounded(b);
              INFO(m << " x " << n << " x " << k);
              CHECK(product_error({.ta = ta,
                                   .tb = tb,
                                   .alpha = 0.5,
                                   .a = matrix(a_used),
                                   .b = matrix(b_used),
                                   .beta = static_cast<double>(beta),
                                   .before = matrix(before)},
                                  matrix(c)) <= 1);
            }
          }
        }
      }
    }
  }
}

// Rows 6 … 12 of the second factor, and rows 2 … 5 of the first.
template <class E>
void check_parts() {
  const int64_t k = 20;
  const int64_t n = 3 * panel;
  const Tensor b = rounded(random_tensor({k, n}, 1));
  const Tensor a = rounded(random_tensor({9, 7}, 2));
  std::vector<E> room(static_cast<std::size_t>(packed_size<E>(k, n)));
  std::vector<E> left_room(static_cast<std::size_t>(left_size<E>(9, 7)));
  const Panels<E> panels = pack(Transpose::no, matrix(b), room.data());
  // Seven rows end within a pair; what follows them meets the zero beside a's last number.
  const Tensor part = Tensor::from({7, n}, std::span(b.data() + 6 * n, static_cast<std::size_t>(7 * n)));
  Tensor c = Tensor::zeros({4, n});
  small_gemm(1, left(Transpose::no, matrix(a), left_room.data()).from_row(2), panels.row_range(6, 7), 0,
             {c.mutable_data(), 4, n});
  CHECK(product_error({.a = matrix(a).row_range(2, 4), .b = matrix(part)}, matrix(c)) <= 1);
}

}  // namespace

TEST_CASE("Small products are right for all sizes around those of registers and panels", "[core][gemm]") {
  check_products<real>([](const Tensor& x) { return x; });
}

TEST_CASE("Small products of bf16 pairs are right for all these sizes", "[core][gemm][precision]") {
  check_products<bf16_pair>(rounded);
}

TEST_CASE("Rows of prepared factors enter products as they are", "[core][gemm]") {
  check_parts<real>();
  check_parts<bf16_pair>();
}

TEST_CASE("Numbers at the borders of bf16 are rounded to pairs like single ones", "[core][gemm][precision]") {
  const real inf = std::numeric_limits<real>::infinity();
  const std::vector<real> special{0,    -0.0F, 1,        1.00390625F, 1.01171875F, -1.00390625F, 3.3961775e38F, inf,
                                  -inf, NAN,   65536.5F, 1e-30F,      -1e-30F,     0.1F,         -0.3F,         2};
  std::vector<real> x;
  for (int64_t i = 0; i < 2 * lanes; ++i) x.push_back(special[static_cast<std::size_t>(i) % special.size()]);
  const auto same = [](uint32_t half, real number) {
    const float value = to_f32({static_cast<uint16_t>(half)});
    const float expected = to_f32(round_to_bf16(static_cast<float>(number)));
    return std::isnan(expected) ? std::isnan(value)
                                : std::bit_cast<uint32_t>(value) == std::bit_cast<uint32_t>(expected);
  };
  const Pairs along = pairs_along(x.data());
  const Pairs across = pairs_across(x.data(), x.data() + lanes);
  for (int64_t i = 0; i < lanes; ++i) {
    const auto at = static_cast<std::size_t>(i);
    INFO(i);
    CHECK(same(along[i] & 0xFFFF, x[2 * at]));
    CHECK(same(along[i] >> 16, x[2 * at + 1]));
    CHECK(same(across[i] & 0xFFFF, x[at]));
    CHECK(same(across[i] >> 16, x[at + static_cast<std::size_t>(lanes)]));
  }
}

TEST_CASE("Transposing puts each number where it belongs, and writes nothing else", "[core][gemm]") {
  for (const int64_t rows : {int64_t{1}, lanes - 1, lanes, 2 * lanes + 3}) {
    for (const int64_t columns : {int64_t{1}, lanes, lanes + 1, 3 * lanes}) {
      const Tensor b = random_tensor({rows, columns + 2}, 1);
      Tensor to = Tensor::full({columns, rows + 3}, 7);
      transpose({b.data(), rows, columns, columns + 2}, {to.mutable_data(), columns, rows, rows + 3});
      bool right = true;
      for (int64_t j = 0; j < columns; ++j) {
        for (int64_t i = 0; i < rows + 3; ++i) {
          right = right && to.data()[j * (rows + 3) + i] == (i < rows ? b.data()[i * (columns + 2) + j] : 7);
        }
      }
      INFO(rows << " x " << columns);
      CHECK(right);
    }
  }
}

TEST_CASE("A product writes within the rows of a larger matrix only", "[core][gemm]") {
  const Tensor a = random_tensor({3, 4}, 1);
  const Tensor b = random_tensor({4, 5}, 2);
  std::vector<real> room(static_cast<std::size_t>(packed_size<real>(4, 5)));
  Tensor c = Tensor::full({3, 9}, 7);
  small_gemm(1, left<real>(Transpose::no, matrix(a), nullptr), pack(Transpose::no, matrix(b), room.data()), 0,
             {c.mutable_data(), 3, 5, 9});
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 5; j < 9; ++j) CHECK(c.data()[i * 9 + j] == 7);
  }
}

}  // namespace tape::test
