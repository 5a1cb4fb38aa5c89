// reshape, concatenate, slice, embedding, gather_rows: values by hand, sharing, messages.
#include <tape/core/ops.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

namespace {

// 0, 1, 2 …
Tensor counting(const Shape& shape) {
  Tensor x = Tensor::uninitialized(shape);
  for (int64_t i = 0; i < x.size(); ++i) x.mutable_data()[i] = static_cast<real>(i);
  return x;
}

}  // namespace

TEST_CASE("reshape shares storage and works out one size", "[shape_ops]") {
  const Tensor x = counting({2, 6});
  CHECK(reshape(x, Shape{3, 4}).storage().shares(x.storage()));
  CHECK(reshape(x, {3, -1}).shape() == Shape{3, 4});
  CHECK(reshape(x, {-1}).shape() == Shape{12});
  CHECK(reshape(x, {2, 2, 3}).data()[11] == 11);
  CHECK(reshape(Tensor::zeros({0, 4}), {-1, 2}).shape() == Shape{0, 2});
  CHECK(reshape(Tensor::scalar(5), {1, 1}).item() == 5);
}

TEST_CASE("concatenate along each axis by hand", "[shape_ops]") {
  const Tensor a = Tensor::from({2, 2}, {1, 2, 3, 4});
  const Tensor b = Tensor::from({1, 2}, {5, 6});
  const Tensor c = Tensor::from({2, 1}, {7, 8});
  CHECK(same_bits(concatenate({a, b}, 0), Tensor::from({3, 2}, {1, 2, 3, 4, 5, 6})));
  CHECK(same_bits(concatenate({a, c}, 1), Tensor::from({2, 3}, {1, 2, 7, 3, 4, 8})));
  CHECK(same_bits(concatenate({a, c}, -1), concatenate({a, c}, 1)));
  CHECK(same_bits(concatenate({a}, 0), a));
  CHECK(same_bits(concatenate({a, Tensor::zeros({2, 0})}, 1), a));
  const Tensor d = counting({2, 1, 2});
  CHECK(same_bits(concatenate({d, d, d}, 1), Tensor::from({2, 3, 2}, {0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3})));
}

TEST_CASE("slice along each axis by hand, and concatenate undoes it", "[shape_ops]") {
  const Tensor x = counting({2, 3, 2});
  CHECK(same_bits(slice(x, 0, 1, 2), Tensor::from({1, 3, 2}, {6, 7, 8, 9, 10, 11})));
  CHECK(same_bits(slice(x, 1, 1, 3), Tensor::from({2, 2, 2}, {2, 3, 4, 5, 8, 9, 10, 11})));
  CHECK(same_bits(slice(x, -1, 0, 1), Tensor::from({2, 3, 1}, {0, 2, 4, 6, 8, 10})));
  CHECK(slice(x, 1, 2, 2).shape() == Shape{2, 0, 2});
  const Tensor large = random_tensor({9, 70, 300}, 1);
  for (int axis = 0; axis < 3; ++axis) {
    const int64_t size = large.shape()[axis];
    CHECK(same_bits(concatenate({slice(large, axis, 0, 4), slice(large, axis, 4, size)}, axis), large));
  }
}

TEST_CASE("Ops on shapes say what does not fit", "[shape_ops][errors]") {
  const Tensor x = Tensor::zeros({2, 6});
  const std::string file = "ops_shape_test.cpp:";
  CHECK(has_parts(error_of([&] { reshape(x, Shape{5, 2}); }), {"reshape: ", "(2, 6)", "(5, 2)", file}));
  CHECK(has_parts(error_of([&] { reshape(x, {5, -1}); }), {"reshape: ", "(2, 6)", file}));
  CHECK(has_parts(error_of([&] { reshape(x, {-1, -1}); }), {"reshape: ", "only one size may be -1", file}));
  CHECK(has_parts(error_of([&] { reshape(x, {-2, -6}); }), {"reshape: ", "-2", file}));
  CHECK(has_parts(error_of([&] { reshape(x, {1, 1, 1, 1, 1, 2, 6}); }), {"reshape: ", "at most 6", "7", file}));
  CHECK(has_parts(error_of([&] { reshape(Tensor(), {1}); }), {"reshape: ", "empty", file}));
  CHECK(has_parts(error_of([&] {
                    concatenate({x, Tensor::zeros({3, 5})}, 0);
                  }),
                  {"concatenate: ", "(2, 6)", "(3, 5)", "axis 0", file}));
  CHECK(has_parts(error_of([&] {
                    concatenate({x, Tensor::zeros({2})}, 0);
                  }),
                  {"concatenate: ", "(2, 6)", "(2)", file}));
  CHECK(has_parts(error_of([&] { concatenate({x, x}, 2); }), {"concatenate: ", "(2, 6)", "no axis 2", file}));
  CHECK(has_parts(error_of([&] { concatenate({x, Tensor()}, 0); }), {"concatenate: ", "empty", file}));
  CHECK(has_parts(error_of([&] {
                    concatenate({x, x, x, x, x, x, x, x, x}, 0);
                  }),
                  {"concatenate: ", "1 to 8", "9", file}));
  CHECK(has_parts(error_of([&] { concatenate(std::span<const Tensor>(), 0); }), {"concatenate: ", "not 0", file}));
  CHECK(has_parts(error_of([&] { slice(x, 1, 2, 7); }), {"slice: ", "2 to 7", "axis 1", "(2, 6)", file}));
  CHECK(has_parts(error_of([&] { slice(x, 1, -1, 2); }), {"slice: ", "-1 to 2", file}));
  CHECK(has_parts(error_of([&] { slice(x, 1, 3, 2); }), {"slice: ", "3 to 2", file}));
  CHECK(has_parts(error_of([&] { slice(x, -3, 0, 1); }), {"slice: ", "(2, 6)", "no axis -3", file}));
}

TEST_CASE("embedding and gather_rows choose rows", "[embedding]") {
  const Tensor table = Tensor::from({3, 2}, {0, 1, 10, 11, 20, 21});
  CHECK(same_bits(embedding(table, Ids::from({2, 2}, {2, 0, 1, 2})),
                  Tensor::from({2, 2, 2}, {20, 21, 0, 1, 10, 11, 20, 21})));
  CHECK(embedding(table, Ids::from({}, {1})).shape() == Shape{2});
  CHECK(embedding(table, Ids(Shape{0, 3})).shape() == Shape{0, 3, 2});
  CHECK(
      same_bits(gather_rows(counting({2, 2, 2}), Ids::from({3}, {3, 0, 3})), Tensor::from({3, 2}, {6, 7, 0, 1, 6, 7})));
}

TEST_CASE("A row chosen several times gets the sum of the gradients, the others zero", "[embedding]") {
  poison_pool();
  const ValueAndGradients r = differentiate(
      [](const Inputs& x) {
        return embedding(x[0], Ids::from({3}, {1, 1, 3}));
      },
      {Tensor::zeros({4, 2})}, Tensor::from({3, 2}, {1, 2, 10, 20, 5, 6}));
  CHECK(same_bits(r.gradients[0], Tensor::from({4, 2}, {0, 0, 11, 22, 0, 0, 5, 6})));
}

TEST_CASE("embedding names the first number outside the table", "[embedding][errors]") {
  const Parameter table = parameter_of(Tensor::zeros({4, 2}), "wte.weight");
  CHECK(has_parts(
      error_of([&] {
        embedding(table, Ids::from({2, 2}, {0, 3, 4, 9}));
      }),
      {"embedding: ", "id 4", "position 2", "(2, 2)", "below 4", "wte.weight (4, 2)", "ops_shape_test.cpp:"}));
  CHECK(has_parts(error_of([&] { embedding(table, Ids::from({1}, {-1})); }), {"id -1", "position 0"}));
  CHECK(has_parts(error_of([&] { embedding(Tensor::zeros({4}), Ids({1})); }), {"embedding: ", "(4)", "rank 2"}));
  CHECK(has_parts(error_of([&] { embedding(table, Ids({1, 1, 1, 1, 1, 1})); }), {"embedding: ", "too many axes"}));
  CHECK(has_parts(error_of([&] {
                    gather_rows(Tensor::zeros({2, 3, 4}), Ids::from({1}, {6}));
                  }),
                  {"gather_rows: ", "id 6", "below 6", "ops_shape_test.cpp:"}));
  CHECK(has_parts(error_of([&] { gather_rows(Tensor::zeros({2}), Ids({1})); }), {"gather_rows: ", "(2)", "rank 2"}));
}

}  // namespace tape::test
