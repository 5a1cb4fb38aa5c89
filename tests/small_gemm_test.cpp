// Products of small matrices against a naive product in double, of whole packed matrices and of parts.
#include <tape/core/small_gemm.h>

#include <algorithm>
#include <cmath>
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

}  // namespace

TEST_CASE("Small products are right for all sizes around those of registers and panels", "[core][gemm]") {
  for (const Transpose ta : {Transpose::no, Transpose::yes}) {
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      for (const int64_t m : {1, 2, 5, 6, 7, 8, 11, 12, 13, 14, 23}) {
        for (const int64_t n : {int64_t{1}, panel - 1, panel, panel + 1, 2 * panel + 3}) {
          for (const int64_t k : {0, 1, 3, 40}) {
            for (const real beta : {real{0}, real{1}}) {
              const Tensor a = random_tensor(shape_of(ta, m, k), 1);
              const Tensor b = random_tensor(shape_of(tb, k, n), 2);
              const Tensor before = beta == 0 ? Tensor::full({m, n}, NAN) : random_tensor({m, n}, 3);
              std::vector<real> room(static_cast<std::size_t>(packed_size(k, n)));
              Tensor c = before.copy();
              const ConstMatrix left(a.data(), a.shape()[0], a.shape()[1]);
              const ConstMatrix right(b.data(), b.shape()[0], b.shape()[1]);
              small_gemm(ta, real{0.5}, left, pack(tb, right, room.data()), beta, {c.mutable_data(), m, n});
              INFO(m << " x " << n << " x " << k);
              CHECK(product_error({.ta = ta,
                                   .tb = tb,
                                   .alpha = 0.5,
                                   .a = left,
                                   .b = right,
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

TEST_CASE("Rows of a packed matrix enter products as they are", "[core][gemm]") {
  const int64_t k = 20;
  const int64_t n = 3 * panel;
  const Tensor b = random_tensor({k, n}, 1);
  const Tensor a = random_tensor({4, 7}, 2);
  std::vector<real> room(static_cast<std::size_t>(packed_size(k, n)));
  const Panels panels = pack(Transpose::no, matrix(b), room.data());
  const Tensor part = Tensor::from({7, n}, std::span(b.data() + 5 * n, static_cast<std::size_t>(7 * n)));
  Tensor c = Tensor::zeros({4, n});
  small_gemm(Transpose::no, 1, matrix(a), panels.row_range(5, 7), 0, {c.mutable_data(), 4, n});
  CHECK(product_error({.a = matrix(a), .b = matrix(part)}, matrix(c)) <= 1);
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
  std::vector<real> room(static_cast<std::size_t>(packed_size(4, 5)));
  Tensor c = Tensor::full({3, 9}, 7);
  small_gemm(Transpose::no, 1, matrix(a), pack(Transpose::no, matrix(b), room.data()), 0, {c.mutable_data(), 3, 5, 9});
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 5; j < 9; ++j) CHECK(c.data()[i * 9 + j] == 7);
  }
}

}  // namespace tape::test
