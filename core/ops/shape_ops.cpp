#include <tape/core/ops/shape_ops.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// A tensor seen from one axis: `outer` runs of `run` neighbouring numbers each.
struct AxisView {
  int64_t outer = 1;
  int64_t run = 1;
};

AxisView seen_from(const Shape& shape, int axis) {
  AxisView view;
  for (int i = 0; i < shape.rank(); ++i) (i < axis ? view.outer : view.run) *= shape[i];
  return view;
}

int axis_of(const Op& op, const Tensor& x, int axis) {
  if (axis < -x.rank() || axis >= x.rank()) op.fail(str("x ", x.shape(), " has no axis ", axis));
  return x.shape().axis(axis);
}

// Copies or adds `outer` runs of `run` numbers between places that are `to_step` and `from_step` apart.
void move_runs(int64_t outer, int64_t run, real* to, int64_t to_step, const real* from, int64_t from_step,
               bool accumulate) {
  parallel_for(outer, std::max<int64_t>(1, elementwise_grain / std::max<int64_t>(run, 1)),
               [=](int64_t begin, int64_t end) {
                 for (int64_t o = begin; o < end; ++o) {
                   real* t = to + o * to_step;
                   const real* f = from + o * from_step;
                   if (accumulate) {
                     for (int64_t i = 0; i < run; ++i) t[i] += f[i];
                   } else {
                     std::memcpy(t, f, static_cast<std::size_t>(run) * sizeof(real));
                   }
                 }
               });
}

}  // namespace

// dx = dy under the shape of x
Tensor reshape(const Tensor& x, const Shape& shape, Where where) {
  const Op op("reshape", where);
  op.need({&x});
  if (shape.size() != x.size())
    op.fail(str("x ", x.shape(), " can not become ", shape, ": the numbers of elements differ"));
  return op.record(Tensor::on(shape, x.storage()), {&x}, [](Backward& b) { b.pass(0); });
}

Tensor reshape(const Tensor& x, std::initializer_list<int64_t> sizes, Where where) {
  const Op op("reshape", where);
  op.need({&x});
  std::array<int64_t, Shape::max_rank> all{};
  if (sizes.size() > all.size()) op.fail(str("a shape has at most ", all.size(), " axes, not ", sizes.size()));
  std::ranges::copy(sizes, all.begin());
  const std::span<int64_t> known(all.data(), sizes.size());
  int64_t product = 1;
  for (const int64_t size : known) {
    if (size < -1) op.fail(str("a size can not be ", size));
    if (size >= 0) product *= size;
  }
  if (std::ranges::count(known, -1) > 1) op.fail("only one size may be -1");
  std::ranges::replace(known, -1, product > 0 ? x.size() / product : 0);
  return reshape(x, Shape(known), where);
}

// y = parts side by side along an axis     dpart_i = its piece of dy
Tensor concatenate(std::span<const Tensor> parts, int axis, Where where) {
  const Op op("concatenate", where);
  constexpr std::size_t max_parts = 8;
  if (parts.empty() || parts.size() > max_parts) op.fail(str("needs 1 to ", max_parts, " tensors, not ", parts.size()));
  for (const Tensor& part : parts) op.need({&part});
  const Shape first = parts[0].shape();
  axis = axis_of(op, parts[0], axis);
  int64_t total = 0;
  for (const Tensor& part : parts) {
    if (part.rank() != first.rank() || part.shape().with(axis, 0) != first.with(axis, 0)) {
      op.fail(str("shapes ", first, " and ", part.shape(), " may differ along axis ", axis, " only"));
    }
    total += part.shape()[axis];
  }
  Tensor y = Tensor::uninitialized(first.with(axis, total));
  const AxisView whole = seen_from(y.shape(), axis);
  std::array<int64_t, max_parts> runs{};
  int64_t at = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    runs[i] = seen_from(parts[i].shape(), axis).run;
    move_runs(whole.outer, runs[i], y.mutable_data() + at, whole.run, parts[i].data(), runs[i], false);
    at += runs[i];
  }
  static const Tensor none;
  const auto part = [&](std::size_t i) { return i < parts.size() ? &parts[i] : &none; };
  return op.record(y, {part(0), part(1), part(2), part(3), part(4), part(5), part(6), part(7)},
                   [runs, whole, count = static_cast<int>(parts.size())](Backward& b) {
                     int64_t offset = 0;
                     for (int i = 0; i < count; ++i) {
                       const int64_t run = runs[static_cast<std::size_t>(i)];
                       if (b.wants(i)) {
                         const GradView dx = b.grad(i);
                         move_runs(whole.outer, run, dx.data, run, b.dy() + offset, whole.run, dx.accumulate);
                       }
                       offset += run;
                     }
                   });
}

// y = x[…, begin:end, …]     dx = dy in its place, zero elsewhere
Tensor slice(const Tensor& x, int axis, int64_t begin, int64_t end, Where where) {
  const Op op("slice", where);
  op.need({&x});
  axis = axis_of(op, x, axis);
  const int64_t size = x.shape()[axis];
  if (begin < 0 || begin > end || end > size) {
    op.fail(str("positions ", begin, " to ", end, " do not fit axis ", axis, " of x ", x.shape()));
  }
  Tensor y = Tensor::uninitialized(x.shape().with(axis, end - begin));
  const AxisView whole = seen_from(x.shape(), axis);
  const int64_t inner = size == 0 ? 0 : whole.run / size;
  const int64_t run = inner * (end - begin);
  const int64_t offset = inner * begin;
  move_runs(whole.outer, run, y.mutable_data(), run, x.data() + offset, whole.run, false);
  return op.record(y, {&x}, [whole, run, offset](Backward& b) {
    const GradView dx = b.grad(0);
    if (!dx.accumulate) std::fill_n(dx.data, whole.outer * whole.run, real{0});
    move_runs(whole.outer, run, dx.data + offset, whole.run, b.dy(), run, true);
  });
}

}  // namespace tape::inline TAPE_ABI
