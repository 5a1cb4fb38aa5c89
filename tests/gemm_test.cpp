// Matrix products of both libraries and of panels against a naive product in double, and their bits with several
// numbers of threads.
#include <tape/core/gemm.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <tape/core/panel_gemm.h>
#include <tape/core/parallel.h>

#include "catch.h"
#include "support/product_error.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

struct Product {
  Transpose ta, tb;
  int64_t m, n, k;
  int64_t extra = 0;  // leading dimensions are this much larger than the rows
  real alpha = 1;
  real beta = 0;
  bool bias = false;
  GemmLibrary library = GemmLibrary::faster;
};

// In a build without oneDNN the second one is the first once more.
constexpr std::array<GemmLibrary, 3> libraries{GemmLibrary::openblas, GemmLibrary::onednn, GemmLibrary::panels};

int64_t rows_of(Transpose t, int64_t rows, int64_t columns) {
  return t == Transpose::yes ? columns : rows;
}

// The product's error in bounds, and 1e9 if numbers between the rows have changed, which belong to someone else.
double error_in_bounds(const Product& p, bool serial) {
  const int64_t a_rows = rows_of(p.ta, p.m, p.k);
  const int64_t a_columns = rows_of(p.ta, p.k, p.m);
  const int64_t b_rows = rows_of(p.tb, p.k, p.n);
  const int64_t b_columns = rows_of(p.tb, p.n, p.k);
  const int64_t lda = a_columns + p.extra;
  const int64_t ldb = b_columns + p.extra;
  const int64_t ldc = p.n + p.extra;
  const Tensor a = random_tensor({a_rows, lda}, 1);
  const Tensor b = random_tensor({b_rows, ldb}, 2);
  const Tensor bias = random_tensor({p.n}, 3);
  Tensor c = random_tensor({p.m, ldc}, 4);
  // With beta 0, C is not read: what stands there must not matter.
  if (p.beta == 0) c = Tensor::full({p.m, ldc}, std::numeric_limits<real>::quiet_NaN());
  const Tensor before = c.copy();
  const ConstMatrix am(a.data(), a_rows, a_columns, lda);
  const ConstMatrix bm(b.data(), b_rows, b_columns, ldb);
  const MutableMatrix cm(c.mutable_data(), p.m, p.n, ldc);
  if (serial) {
    gemm_serial(p.ta, p.tb, p.alpha, am, bm, p.beta, cm, p.library);
  } else {
    gemm(p.ta, p.tb, p.alpha, am, bm, p.beta, cm, {.bias = p.bias ? bias.data() : nullptr}, p.library);
  }
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t j = p.n; j < ldc; ++j) {
      const real was = before.data()[i * ldc + j];
      const real is = c.data()[i * ldc + j];
      if (std::isnan(was) ? !std::isnan(is) : is != was) return 1e9;
    }
  }
  return product_error({.ta = p.ta,
                        .tb = p.tb,
                        .alpha = static_cast<double>(p.alpha),
                        .a = am,
                        .b = bm,
                        .beta = static_cast<double>(p.beta),
                        .before = {before.data(), p.m, p.n, ldc},
                        .bias = p.bias ? bias.data() : nullptr},
                       {c.data(), p.m, p.n, ldc});
}

Tensor product(const Tensor& a, const Tensor& b, Transpose ta, Transpose tb,
               GemmLibrary library = GemmLibrary::faster) {
  const int64_t m = ta == Transpose::yes ? a.shape()[1] : a.shape()[0];
  const int64_t n = tb == Transpose::yes ? b.shape()[0] : b.shape()[1];
  Tensor c = Tensor::uninitialized({m, n});
  gemm(ta, tb, 1, {a.data(), a.shape()[0], a.shape()[1]}, {b.data(), b.shape()[0], b.shape()[1]}, 0,
       {c.mutable_data(), m, n}, {}, library);
  return c;
}

// The product's bits with 2, 3 and 4 threads against those with one.
void check_bits(GemmLibrary library, int64_t m, int64_t n, int64_t k) {
  for (const Transpose ta : {Transpose::no, Transpose::yes}) {
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      const Tensor a = random_tensor({rows_of(ta, m, k), rows_of(ta, k, m)}, 5);
      const Tensor b = random_tensor({rows_of(tb, k, n), rows_of(tb, n, k)}, 6);
      const Threads one(1);
      const Tensor alone = product(a, b, ta, tb, library);
      for (const int count : {2, 3, 4}) {
        const Threads use(count);
        INFO(m << " x " << k << " x " << n << " with " << count << " threads");
        CHECK(different_bits(product(a, b, ta, tb, library), alone) == 0);
      }
    }
  }
}

}  // namespace

TEST_CASE("gemm agrees with a naive product in double", "[gemm]") {
  for (const Transpose ta : {Transpose::no, Transpose::yes}) {
    for (const Transpose tb : {Transpose::no, Transpose::yes}) {
      for (const int64_t extra : {0, 5}) {
        for (const auto& [m, n, k] : {std::array<int64_t, 3>{1, 1, 1},
                                      {3, 5, 7},
                                      {16, 16, 16},
                                      {1, 100, 33},
                                      {100, 1, 33},
                                      {65, 257, 129},
                                      {200, 90, 64},
                                      {7, 1030, 19},
                                      {530, 37, 70},   // enough rows to turn B
                                      {40, 96, 2500},  // more than panels sum at once
                                      {4, 4, 0}}) {
          for (const GemmLibrary library : libraries) {
            INFO(m << " x " << k << " x " << n << ", leading dimensions larger by " << extra);
            CHECK(error_in_bounds({ta, tb, m, n, k, extra, 1, 0, false, library}, false) <= 1);
            CHECK(error_in_bounds({ta, tb, m, n, k, extra, 1, 0, false, library}, true) <= 1);
            CHECK(error_in_bounds({ta, tb, m, n, k, extra, 1, 1, false, library}, false) <= 1);
            CHECK(error_in_bounds({ta, tb, m, n, k, extra, 0.125f, 1, false, library}, true) <= 1);
            CHECK(error_in_bounds({ta, tb, m, n, k, extra, -2.5f, 0, true, library}, false) <= 1);
            CHECK(error_in_bounds({ta, tb, m, n, k, extra, 1, 1, true, library}, false) <= 1);
          }
        }
      }
    }
  }
}

TEST_CASE("The fastest computes a product where nothing else is asked for", "[gemm]") {
  for (const auto& [m, n, k] : {std::array<int64_t, 3>{300, 130, 70}, {300, 512, 384}, {5, 64, 64}}) {
    for (const Transpose ta : {Transpose::no, Transpose::yes}) {
      for (const Transpose tb : {Transpose::no, Transpose::yes}) {
        const Tensor a = random_tensor({rows_of(ta, m, k), rows_of(ta, k, m)}, 11);
        const Tensor b = random_tensor({rows_of(tb, k, n), rows_of(tb, n, k)}, 12);
        CHECK(same_bits(product(a, b, ta, tb), product(a, b, ta, tb, fastest(ta, tb, m, n, k))));
      }
    }
  }
}

TEST_CASE("Panels compute the products of small layers, and not those of large ones", "[gemm]") {
  struct Layer {
    int64_t rows, in, out;
    bool small;
  };
  const auto by_panels = [](Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k) {
    return fastest(ta, tb, m, n, k) == GemmLibrary::panels;
  };
  for (const auto& [rows, in, out, small] : {Layer{384, 128, 512, true},
                                             {5000, 64, 192, true},
                                             {64, 128, 65, true},
                                             {1024, 384, 384, false},
                                             {384, 128, 50257, false},
                                             {8, 64, 64, false}}) {  // sampling
    INFO(rows << " rows, " << in << " to " << out);
    CHECK(by_panels(Transpose::no, Transpose::yes, rows, out, in) == (small && panels_are_fast));
    CHECK(by_panels(Transpose::no, Transpose::no, rows, in, out) == (small && panels_are_fast));
    CHECK(by_panels(Transpose::yes, Transpose::no, out, in, rows) == (small && panels_are_fast));
  }
  CHECK_FALSE(by_panels(Transpose::no, Transpose::yes, 64, 5, 64));  // panels would be mostly empty
  CHECK_FALSE(by_panels(Transpose::yes, Transpose::no, 1, 64, 64));  // a row
}

TEST_CASE("gemm of empty matrices does nothing", "[gemm]") {
  const Tensor a = Tensor::zeros({4});
  Tensor c = Tensor::full({4}, 7);
  gemm(Transpose::no, Transpose::no, 1, {a.data(), 0, 2}, {a.data(), 2, 2}, 0, {c.mutable_data(), 0, 2});
  gemm(Transpose::no, Transpose::no, 1, {a.data(), 2, 2}, {a.data(), 2, 0}, 0, {c.mutable_data(), 2, 0});
  panel_gemm(Transpose::no, Transpose::no, 1, {a.data(), 2, 2}, {a.data(), 2, 0}, 0, {c.mutable_data(), 2, 0}, {});
  panel_gemm(Transpose::no, Transpose::yes, 1, {a.data(), 0, 2}, {a.data(), 2, 2}, 0, {c.mutable_data(), 0, 2}, {});
  CHECK(same_bits(c, Tensor::full({4}, 7)));
}

TEST_CASE("gemm passes on NaN and infinity", "[gemm]") {
  Tensor a = Tensor::full({2, 3}, 1);
  a.mutable_data()[4] = std::numeric_limits<real>::quiet_NaN();
  const Tensor zeros = Tensor::zeros({3, 2});
  for (const GemmLibrary library : libraries) {
    const Tensor c = product(a, zeros, Transpose::no, Transpose::no, library);
    CHECK(c.data()[0] == 0);
    CHECK(std::isnan(c.data()[2]));
    CHECK(std::isnan(c.data()[3]));
  }
}

TEST_CASE("gemm gives the same bits with any number of threads", "[gemm][bits]") {
  for (const GemmLibrary library : libraries) {
    check_bits(library, 64, 2048, 128);
    check_bits(library, 96, 333, 500);
    check_bits(library, 130, 777, 1000);
    check_bits(library, 513, 65, 257);
    check_bits(library, 600, 130, 95);
    check_bits(library, 1, 4096, 300);
    check_bits(library, 300, 1, 2000);
    check_bits(library, 35, 33, 8198);  // a single tile
  }
}

TEST_CASE("gemm gives the same bits with any number of threads on the output layer of GPT-2", "[gemm][bits][slow]") {
  for (const GemmLibrary library : libraries) check_bits(library, 256, 50257, 768);
}

// The serial build of OpenBLAS, left to itself, fails this: it shares work buffers between threads.
TEST_CASE("Products computed at the same time on several threads are right", "[gemm]") {
  const Threads four(4);
  const GemmLibrary library = GENERATE(GemmLibrary::openblas, GemmLibrary::onednn);
  for (const int64_t size : {5, 8, 16, 64, 100}) {
    const Tensor a = random_tensor({size, size}, 7);
    const Tensor b = random_tensor({size, size}, 8);
    const auto multiply_into = [&](real* c) {
      gemm_serial(Transpose::no, Transpose::yes, 1, {a.data(), size, size}, {b.data(), size, size}, 0, {c, size, size},
                  library);
    };
    Tensor alone = Tensor::uninitialized({size, size});
    multiply_into(alone.mutable_data());
    const int64_t calls = size < 64 ? 50000 : 5000;
    std::vector<int> wrong(static_cast<std::size_t>(calls), 0);
    parallel_tasks(calls, size * size, [&](int64_t call, real* scratch) {
      multiply_into(scratch);
      wrong[static_cast<std::size_t>(call)] = !std::equal(scratch, scratch + size * size, alone.data());
    });
    INFO("products of " << size << " x " << size);
    CHECK(std::accumulate(wrong.begin(), wrong.end(), 0) == 0);
  }
}

TEST_CASE("Products leave the number of threads as it is", "[gemm]") {
  for (const int count : {1, 3}) {
    const Threads use(count);
    for (const GemmLibrary library : libraries) {
      product(random_tensor({3, 3}, 9), random_tensor({3, 3}, 10), Transpose::no, Transpose::no, library);
      product(random_tensor({300, 3}, 9), random_tensor({3, 300}, 10), Transpose::no, Transpose::no, library);
      blas_info();
      CHECK(threads() == count);
    }
  }
}

TEST_CASE("The BLAS that was loaded is known", "[gemm]") {
  const BlasInfo info = blas_info();
  CHECK(has_parts(info.description, {"OpenBLAS"}));
  CHECK(info.own_threads == (info.description.find("pthread") != std::string::npos));
}

}  // namespace tape::test
