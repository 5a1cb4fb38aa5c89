// Shape, Tensor and Ids: values, sharing, printing, messages.
#include <tape/core/tensor.h>

#include <sstream>
#include <type_traits>

#include <tape/core/tape.h>

#include "catch.h"
#include "support/tensors.h"

namespace tape::test {

static_assert(!std::is_assignable_v<Tensor&&, const Tensor&>, "f(x) = y must not compile");
static_assert(!std::is_assignable_v<Tensor&&, Tensor&&>, "f(x) = y must not compile");
static_assert(std::is_nothrow_move_constructible_v<Tensor>);
static_assert(!std::is_copy_constructible_v<Parameter> && std::is_nothrow_move_constructible_v<Parameter>);

TEST_CASE("Shape answers for sizes, rows and axes", "[tensor]") {
  const Shape shape{2, 3, 4};
  CHECK(shape.rank() == 3);
  CHECK(shape.size() == 24);
  CHECK(shape[0] == 2);
  CHECK(shape[-1] == 4);
  CHECK(shape[-3] == 2);
  CHECK(shape.last() == 4);
  CHECK(shape.rows() == 6);
  CHECK(shape.axis(-1) == 2);
  CHECK(shape.with(-2, 7) == Shape{2, 7, 4});
  CHECK(shape.without_last() == Shape{2, 3});
  CHECK(str(shape) == "(2, 3, 4)");

  const Shape number;
  CHECK(number.rank() == 0);
  CHECK(number.size() == 1);
  CHECK(number.last() == 1);
  CHECK(number.rows() == 1);
  CHECK(number.without_last() == number);
  CHECK(str(number) == "()");

  CHECK(Shape{3, 0}.size() == 0);
  CHECK(Shape{3, 0}.rows() == 3);
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2} == Shape{2, 1});
}

TEST_CASE("Impossible shapes are errors", "[tensor][errors]") {
  CHECK(has_parts(error_of([] { Shape{2, -1}; }), {"negative", "-1"}));
  CHECK(has_parts(error_of([] { Shape{1, 1, 1, 1, 1, 1, 1}; }), {"at most 6", "7"}));
  CHECK(has_parts(error_of([] { Shape{1 << 30, 1 << 30, 16}; }), {"2^63", "axis 2", "16"}));
  CHECK(has_parts(error_of([] { static_cast<void>(Shape{1 << 30, 1 << 30, 2}.with(-1, 8)); }), {"2^63"}));
  CHECK(has_parts(error_of([] { static_cast<void>(Shape{2, 3}[2]); }), {"(2, 3)", "no axis 2"}));
  CHECK(has_parts(error_of([] { static_cast<void>(Shape{2, 3}.axis(-3)); }), {"(2, 3)", "no axis -3"}));
}

TEST_CASE("Tensors are made with the numbers asked for", "[tensor]") {
  CHECK_FALSE(Tensor());
  CHECK(same_bits(Tensor::zeros({2, 2}), Tensor::from({2, 2}, {0, 0, 0, 0})));
  CHECK(same_bits(Tensor::full({3}, 1.5f), Tensor::from({3}, {1.5f, 1.5f, 1.5f})));
  CHECK(Tensor::scalar(7).item() == 7);
  CHECK(Tensor::scalar(7).rank() == 0);
  const Tensor x = Tensor::from({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(x.values()[4] == 5);
  CHECK(x.rows() == 2);
  CHECK(x.last() == 3);
  CHECK(x.size() == 6);
  CHECK(Tensor::zeros({0, 3}).size() == 0);
  CHECK(Tensor::zeros({0, 3}));
}

TEST_CASE("Copying the handle shares the numbers, and copy() does not", "[tensor]") {
  Tensor x = Tensor::from({2}, {1, 2});
  const Tensor handle = x;
  const Tensor own = x.copy();
  x.mutable_data()[0] = 9;
  CHECK(handle.data()[0] == 9);
  CHECK(own.data()[0] == 1);
  CHECK(handle.storage().shares(x.storage()));
  CHECK_FALSE(own.storage().shares(x.storage()));
  CHECK_FALSE(Tensor().copy());
}

TEST_CASE("A wrong number of values and item() of several numbers are errors with shape and place",
          "[tensor][errors]") {
  CHECK(has_parts(error_of([] { Tensor::from({2, 2}, {1, 2, 3}); }), {"(2, 2)", "4", "3", "from tensor_test.cpp:"}));
  CHECK(has_parts(error_of([] { Ids::from({2}, {1, 2, 3}); }), {"(2)", "3", "from tensor_test.cpp:"}));
  CHECK(has_parts(error_of([] { static_cast<void>(Tensor::zeros({2}).item()); }), {"item", "(2)", "tensor_test.cpp:"}));
  CHECK(has_parts(error_of([] { static_cast<void>(Tensor().item()); }), {"item", "empty"}));
  CHECK(has_parts(error_of([] {
                    static_cast<void>(Ids({2, 3}).reshaped({5}));
                  }),
                  {"(2, 3)", "(5)", "tensor_test.cpp:"}));
}

TEST_CASE("Ids hold token numbers and change shape without copying", "[tensor]") {
  const Ids ids = Ids::from({2, 2}, {1, 2, 3, 4});
  const Ids flat = ids.reshaped({4});
  CHECK(flat.shape() == Shape{4});
  CHECK(flat.data() == ids.data());
  CHECK(Ids({3}).values()[2] == 0);
  CHECK_FALSE(Ids());
}

TEST_CASE("Printing shows the shape and the first numbers", "[tensor]") {
  CHECK(str(Tensor()) == "(no tensor)");
  CHECK(str(Tensor::scalar(2)) == "() [2]");
  CHECK(str(Tensor::from({2, 2}, {1, 2, 3, 4})) == "(2, 2)\n  [1, 2]\n  [3, 4]");
  CHECK(has_parts(str(Tensor::zeros({10, 9})), {"(10, 9)", "[0, 0, 0, 0, 0, 0, …]", "2 more rows"}));
  CHECK(str(Tensor::zeros({0, 3})) == "(0, 3)");
}

TEST_CASE("A parameter gives its value only once it has one", "[tensor][errors]") {
  Parameter p({2, 3}, Init{}, true);
  p->name = "blocks.0.weight";
  CHECK(has_parts(error_of([&] { static_cast<void>(p.value()); }), {"blocks.0.weight", "(2, 3)", "no values"}));
  CHECK(has_parts(error_of([&] { static_cast<void>(p->gradient_tensor()); }), {"blocks.0.weight", "no gradient"}));
  p->initialized = true;
  CHECK(p.value().name() == "blocks.0.weight");
  CHECK(p.value().leaf() == p.leaf());
  CHECK(p.value().copy().name().empty());
  CHECK_FALSE(Parameter().value());
}

TEST_CASE("A parameter's storage and leaf stay in place when it is moved", "[tensor]") {
  const int64_t before = Parameter::constructed();
  Parameter p = parameter_of(Tensor::from({2}, {1, 2}), "w");
  const real* data = p->data();
  const Leaf* leaf = p.leaf().get();
  const Parameter moved = std::move(p);
  CHECK(moved->data() == data);
  CHECK(moved.leaf().get() == leaf);
  CHECK_FALSE(p);  // NOLINT: a moved-from parameter is absent
  CHECK(Parameter::constructed() == before + 1);
}

TEST_CASE("Error messages end with the caller's file and line", "[errors]") {
  CHECK(std::string(Error("it failed", Where{"/a/b/train.cpp", 24}).what()) == "it failed; from train.cpp:24");
  CHECK(std::string(Error("it failed").what()) == "it failed");
  const Where here = Where::here();
  CHECK(here.line == __LINE__ - 1);
}

}  // namespace tape::test
