// bf16: rounding, and products of rounded numbers.
#include <tape/core/bf16.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include <tape/core/ops/row_walk.h>
#include <tape/core/product.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

float rounded(float x) {
  return to_f32(round_to_bf16(x));
}

// op(A)·op(B) of rounded numbers in double, and the bound of what sums in f32 may differ from it.
struct Expected {
  double sum = 0;
  double bound = 0;
};
Expected expected(Transpose ta, Transpose tb, const Tensor& a, const Tensor& b, int64_t i, int64_t j) {
  Expected e;
  const int64_t k = a.shape()[ta == Transpose::yes ? 0 : 1];
  for (int64_t l = 0; l < k; ++l) {
    const double x = rounded(a.data()[ta == Transpose::yes ? l * a.last() + i : i * a.last() + l]);
    const double y = rounded(b.data()[tb == Transpose::yes ? j * b.last() + l : l * b.last() + j]);
    e.sum += x * y;
    e.bound += std::abs(x * y);
  }
  e.bound *= static_cast<double>(k + 3) * std::numeric_limits<float>::epsilon();
  return e;
}

Tensor side(Transpose t, int64_t rows, int64_t columns, uint64_t seed) {
  return random_tensor(t == Transpose::yes ? Shape{columns, rows} : Shape{rows, columns}, seed);
}

// How many elements of C = op(A)·op(B) + beta·C + bias lie outside their bounds.
int64_t wrong(Precision precision, Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k, real beta) {
  const Tensor a = side(ta, m, k, 1);
  const Tensor b = side(tb, k, n, 2);
  const Tensor bias = random_tensor({n}, 3);
  const Tensor before = random_tensor({m, n}, 4);
  Tensor c = beta == 0 ? Tensor::full({m, n}, std::numeric_limits<real>::quiet_NaN()) : before.copy();
  multiply(ta, tb, Factor(a, precision), Factor(b, precision), beta, {c.mutable_data(), m, n}, {.bias = bias.data()});
  int64_t count = 0;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      Expected e = expected(ta, tb, a, b, i, j);
      e.sum += bias.data()[j] + (beta != 0 ? before.data()[i * n + j] : 0);
      const bool right = std::abs(c.data()[i * n + j] - e.sum) <= e.bound + 4e-7 * (1 + std::abs(e.sum));
      count += !right;
    }
  }
  return count;
}

constexpr std::array<Transpose, 2> both{Transpose::no, Transpose::yes};

// Those that this machine can compute.
std::vector<Precision> rounding_precisions() {
  std::vector<Precision> all{Precision::bf16_emulated};
  if (onednn::has_bf16()) all.push_back(Precision::bf16);
  return all;
}

}  // namespace

TEST_CASE("Rounding to bf16 goes to the nearest, and to the even one of two", "[bf16]") {
  CHECK(rounded(1.0f) == 1.0f);
  CHECK(rounded(-0.15625f) == -0.15625f);
  // Between 1 and 1 + 2^-7 lies 1 + 2^-8: a tie.
  CHECK(rounded(1.0f + 0x1p-8f) == 1.0f);
  CHECK(rounded(1.0f + 0x3p-8f) == 1.0f + 0x4p-8f);
  CHECK(rounded(std::nextafter(1.0f + 0x1p-8f, 2.0f)) == 1.0f + 0x1p-7f);
  CHECK(rounded(std::nextafter(1.0f + 0x3p-8f, 1.0f)) == 1.0f + 0x1p-7f);
  CHECK(rounded(-1.0f - 0x1p-8f) == -1.0f);
  CHECK(std::signbit(rounded(-0.0f)));
  CHECK(rounded(0x1p-126f) == 0x1p-126f);
  CHECK(rounded(0x1p-133f) == 0x1p-133f);  // the smallest above zero
  CHECK(rounded(0x1p-134f) == 0.0f);
  CHECK(rounded(0x1.8p-134f) == 0x1p-133f);
}

TEST_CASE("bf16 has infinities, and NaN stays NaN", "[bf16]") {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(rounded(infinity) == infinity);
  CHECK(rounded(-infinity) == -infinity);
  CHECK(rounded(std::numeric_limits<float>::max()) == infinity);
  CHECK(rounded(0x1.FEp127f) == 0x1.FEp127f);  // the largest
  for (const uint32_t bits : {0x7FC0'0000u, 0x7F80'0001u, 0x7FFF'FFFFu, 0xFF80'0001u, 0xFFFF'FFFFu}) {
    INFO(bits);
    const float nan = rounded(std::bit_cast<float>(bits));
    CHECK(std::isnan(nan));
    CHECK(std::signbit(nan) == (bits >> 31 == 1));
  }
}

TEST_CASE("Every bf16 is itself after rounding, and arrays are rounded as single numbers are", "[bf16]") {
  std::vector<real> all;
  for (uint32_t bits = 0; bits < 0x1'0000; ++bits) all.push_back(to_f32({static_cast<uint16_t>(bits)}));
  int64_t changed = 0;
  for (const real x : all)
    changed += !std::isnan(x) && std::bit_cast<uint32_t>(rounded(x)) != std::bit_cast<uint32_t>(x);
  CHECK(changed == 0);

  const Tensor x = random_tensor({100'003}, 1, -1e3, 1e3);
  const Threads two(2);
  std::vector<bf16> halves(100'003);
  round_to_bf16(x.data(), halves.data(), x.size());
  Tensor back = Tensor::zeros(x.shape());
  from_bf16(halves.data(), back.mutable_data(), x.size());
  for (int64_t i = 0; i < x.size(); ++i) changed += back.data()[i] != rounded(x.data()[i]);
  CHECK(changed == 0);
}

TEST_CASE("Vectors are rounded as single numbers are", "[bf16]") {
  std::vector<real> numbers;
  for (const uint32_t bits :
       {0u, 0x8000'0000u, 1u, 0x8000u, 0x8001u, 0x1'8000u, 0x3F80'8000u, 0x3F81'8000u, 0x7F7F'FFFFu, 0x7F80'0000u,
        0xFF80'0000u, 0x7F80'0001u, 0x7FFF'FFFFu, 0xFF80'0001u, 0xFFFF'FFFFu})
    numbers.push_back(std::bit_cast<float>(bits));
  for (uint32_t bits = 1; numbers.size() < 100'003; bits = bits * 1664525 + 1013904223)
    numbers.push_back(std::bit_cast<float>(bits));
  std::vector<bf16> halves(numbers.size());
  walk_row(0, std::ssize(numbers), [x = numbers.data(), y = halves.data()](auto at) { at.set(y, at(x)); });
  int64_t different = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) different += halves[i].bits != round_to_bf16(numbers[i]).bits;
  CHECK(different == 0);
}

TEST_CASE("Products of rounded numbers agree with a product in double", "[bf16][gemm][no-asan]") {
  for (const Precision precision : rounding_precisions()) {
    for (const Transpose ta : both) {
      for (const Transpose tb : both) {
        for (const auto& [m, n, k] :
             {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {1, 100, 33}, {100, 1, 33}, {65, 257, 129}, {1100, 70, 31}}) {
          for (const real beta : {real{0}, real{1}}) {
            INFO(name_of(precision) << " " << m << " x " << k << " x " << n << ", beta " << beta);
            CHECK(wrong(precision, ta, tb, m, n, k, beta) == 0);
          }
        }
      }
    }
  }
}

TEST_CASE("A packed second factor makes the product of its rounded numbers, for both ways to multiply by it",
          "[bf16][gemm][bits]") {
  for (const auto& [out, in] : {std::array<int64_t, 2>{2, 2}, {34, 6}, {130, 64}, {1100, 34}, {34, 2500}}) {
    const Tensor w = random_tensor({out, in}, 1);
    const PackedMatrix packed(out, in);
    for (int64_t i = packed.panel_count(); i-- > 0;) packed.pack(w.data(), i);
    const Factor right(packed);
    CHECK(right.rows() == out);
    CHECK(right.columns() == in);
    for (const Transpose t : both) {
      for (const int64_t rows : {1, 13, 129, 300}) {
        const int64_t k = t == Transpose::yes ? in : out;
        const int64_t n = t == Transpose::yes ? out : in;
        const Tensor x = random_tensor({rows, k}, 2);
        const Tensor bias = random_tensor({n}, 3);
        const Tensor before = random_tensor({rows, n}, 4);
        for (const real beta : {real{0}, real{1}}) {
          const auto product = [&](const Factor& b, int threads) {
            const Threads use(threads);
            Tensor c = before.copy();
            multiply(Transpose::no, t, Factor(x, b.precision()), b, beta, {c.mutable_data(), rows, n},
                     {.bias = bias.data()});
            return c;
          };
          INFO(rows << " rows, weight " << out << " x " << in << ", beta " << beta);
          const Tensor c = product(right, 1);
          CHECK(difference(c, product(Factor(w, Precision::bf16_emulated), 1)) < 1e-5);
          CHECK(same_bits(product(right, 3), c));
        }
      }
    }
  }
}

TEST_CASE("A factor in f32 shares its numbers; a product with nothing to sum is its bias", "[bf16][gemm]") {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  const Factor plain(x, Precision::f32);
  CHECK(plain.storage().shares(x.storage()));
  CHECK(plain.rows() == 6);
  CHECK(plain.columns() == 4);
  CHECK_FALSE(Factor(x, Precision::bf16_emulated).storage().shares(x.storage()));
  for (const Precision precision : rounding_precisions()) {
    const Factor a(Tensor::zeros({2, 0}), precision);
    const Factor b(Tensor::zeros({3, 0}), precision);
    Tensor c = Tensor::full({2, 3}, 9);
    const Tensor bias = Tensor::from({3}, {1, 2, 3});
    multiply(Transpose::no, Transpose::yes, a, b, 0, {c.mutable_data(), 2, 3}, {.bias = bias.data()});
    CHECK(same_bits(c, Tensor::from({2, 3}, {1, 2, 3, 1, 2, 3})));
  }
}

TEST_CASE("Products of rounded numbers have the same bits with any number of threads", "[bf16][gemm][bits][no-asan]") {
  for (const Precision precision : rounding_precisions()) {
    for (const Transpose ta : both) {
      const Factor a(side(ta, 1500, 130, 1), precision);
      const Factor b(side(Transpose::yes, 130, 777, 2), precision);
      const auto product = [&](int threads) {
        const Threads use(threads);
        Tensor c = Tensor::uninitialized({1500, 777});
        multiply(ta, Transpose::yes, a, b, 0, {c.mutable_data(), 1500, 777});
        return c;
      };
      const Tensor alone = product(1);
      for (const int threads : {2, 3, 4}) CHECK(different_bits(product(threads), alone) == 0);
    }
  }
}

// What runs in bf16 where the processor has it, here on f32: tiles, layouts, sums onto C and scratch memory are the
// same.
TEST_CASE("Prepared products agree with gemm", "[bf16][gemm]") {
  if (onednn::description().empty()) return;  // a build without oneDNN has none
  for (const Transpose ta : both) {
    for (const Transpose tb : both) {
      for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1}, {3, 5, 7}, {130, 300, 64}, {2100, 1100, 33}}) {
        for (const real beta : {real{0}, real{1}}) {
          INFO(m << " x " << k << " x " << n << ", beta " << beta);
          const Tensor a = side(ta, m, k, 1);
          const Tensor b = side(tb, k, n, 2);
          const Tensor bias = random_tensor({n}, 3);
          Tensor plain = random_tensor({m, n}, 4);
          Tensor prepared = plain.copy();
          gemm(ta, tb, 1, {a.data(), a.rows(), a.last()}, {b.data(), b.rows(), b.last()}, beta,
               {plain.mutable_data(), m, n}, {.bias = bias.data()}, GemmLibrary::openblas);
          for (const int threads : {1, 3}) {
            const Threads use(threads);
            Tensor c = prepared.copy();
            multiply_prepared(onednn::Element::f32, ta, a.data(), a.last(), tb, b.data(), b.last(), k, beta,
                              {c.mutable_data(), m, n}, {.bias = bias.data()});
            CHECK(difference(c, plain) < 1e-5);
          }
        }
      }
    }
  }
}

TEST_CASE("A prepared product is made once, and one that can not be is refused", "[bf16][gemm]") {
  const onednn::ProductForm form{onednn::Element::f32, Transpose::no, Transpose::yes, 8, 8, 8, 8, 8, 8, false};
  if (onednn::description().empty()) {
    CHECK(has_parts(error_of([&] { onednn::prepare(form); }), {"no oneDNN"}));
    return;
  }
  CHECK(onednn::prepare(form) == onednn::prepare(form));
  if (onednn::has_bf16()) return;
  onednn::ProductForm other = form;
  other.element = onednn::Element::bf16;
  CHECK(has_parts(error_of([&] { onednn::prepare(other); }), {"8 x 8", "bf16"}));
}

}  // namespace tape::test
