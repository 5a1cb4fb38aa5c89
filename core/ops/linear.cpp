#include <tape/core/ops/linear.h>

#include <algorithm>
#include <optional>
#include <utility>

#include <tape/core/ops/row_walk.h>
#include <tape/core/ops/rows.h>
#include <tape/core/parallel.h>
#include <tape/core/product.h>
#include <tape/core/shard_gradients.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// The weight as a factor. Both shards of a step share the rounded copy of a parameter.
Factor weight_factor(const Tensor& weight, Precision precision) {
  ShardScope* const shard = ShardScope::current();
  if (precision == Precision::f32 || !shard) return Factor(weight, precision);
  return shard->weights().of(weight.leaf());
}

// What backward knows of an activation.
struct Activated {
  const Pointwise* f = nullptr;
  Tensor saved = {};  // z of z = x·Wᵀ + b with f, φ'(z) without it; null where there is no activation

  explicit operator bool() const { return static_cast<bool>(saved); }
};

// A row of dz = dy·φ'(z) with the z of `f`; its numbers are added to `sums`, unless null.
void gradient_row(const real* dy, const Pointwise& f, const real* z, int64_t n, real* dz, real* sums) {
  constexpr int64_t piece = 1024;  // stays in the first-level cache
  for (int64_t c = 0; c < n; c += piece) {
    const int64_t count = std::min(piece, n - c);
    f.gradient(dy + c, z + c, dz + c, count);
    if (sums) add_row(sums + c, dz + c, count);
  }
}
// The same with slopes φ'(z), of which null means 1, and rounded where T is bf16.
template <class T>
void gradient_row(const real* dy, const real* slopes, int64_t n, T* dz, real* sums) {
  walk_row(0, n, [=, ahead = fetch_distance(0)](auto at) {
    at.fetch(dy, ahead);
    auto gradient = at(dy);
    if (slopes) {
      at.fetch(slopes, ahead);
      gradient *= at(slopes);
    }
    if (sums) at.add(sums, gradient);
    at.set(dz, gradient);
  });
}

// dz (R, O), the gradient of z, as a factor, in one walk over dy by rows: dz = dy, or dy·φ'(z) with an activation;
// db = Σ_rows dz; and dz is rounded.
Factor gradient_of_product(Backward& b, int64_t rows, int64_t columns, const Activated& f, Precision precision) {
  const bool rounds = precision == Precision::bf16;
  const Storage dz = rounds ? Storage::of<bf16>(rows * columns) : f ? b.room_of_dy() : b.dy_tensor().storage();
  const auto walk = [=, &f, all_dy = b.dy()](int64_t begin, int64_t end, real* sums) {
    for (int64_t at = begin * columns; at < end * columns; at += columns) {
      const real* const dy = all_dy + at;
      const real* const saved = f ? f.saved.data() + at : nullptr;
      if (rounds) {
        gradient_row(dy, saved, columns, dz.as<bf16>() + at, sums);
      } else if (f.f) {
        gradient_row(dy, *f.f, saved, columns, dz.as<real>() + at, sums);
      } else if (f) {
        gradient_row(dy, saved, columns, dz.as<real>() + at, sums);
      } else {
        add_row(sums, dy, columns);
      }
    }
  };
  if (b.wants(2)) {
    const GradView db = b.grad(2);
    sum_rows(rows, columns, db.accumulate, db.data, walk);
  } else if (rounds || f) {
    parallel_for(rows, 32, [&](int64_t begin, int64_t end) { walk(begin, end, nullptr); });
  }
  if (rounds) return {precision, rows, columns, dz};
  return Factor(Tensor::on({rows, columns}, dz), precision);
}

// z = x·Wᵀ + b (+ residual)   y = z, or φ(z)      x (R, I)   W (O, I)   b (O)   y (R, O)
// dz = dy, or dy·φ'(z)      dx = dz·W   dW = dzᵀ·x   db = Σ_rows dz   dresidual = dz
// Of an activation f32 keeps z, from which y can be made again for the next layer's dW. Where that layer keeps a
// rounded copy, φ'(z) takes the place of z, from the exponentials that φ(z) needs anyway.
Tensor linear_with(const char* name, const Pointwise* f, const Tensor& x, const Tensor& weight, const Tensor& bias,
                   const Tensor& residual, Where where) {
  const Op op(name, where);
  op.need({&x, &weight});
  if (weight.rank() != 2 || x.rank() < 1 || x.last() != weight.shape()[1]) {
    op.fail(str("x ", x.shape(), " does not fit weight ", weight.leaf() ? weight.name() + " " : "", weight.shape(),
                ": weight must be (out, in) and the last size of x must equal in",
                weight.rank() == 2 ? str(" = ", weight.shape()[1]) : ""));
  }
  const int64_t rows = x.rows();
  const int64_t in = weight.shape()[1];
  const int64_t out = weight.shape()[0];
  if (bias && (bias.rank() != 1 || bias.size() != out)) {
    op.fail(str("bias ", bias.leaf() ? bias.name() + " " : "", bias.shape(), " must be (", out, ") beside weight ",
                weight.shape()));
  }
  const Shape shape = x.shape().with(-1, out);
  if (residual && residual.shape() != shape) {
    op.fail(str("residual ", residual.shape(), " must have the shape of the product, ", shape));
  }
  Tensor z = Tensor::uninitialized(shape);
  Tensor y = f && Tape::current() ? Tensor::uninitialized(shape) : z;  // only backward needs z beside it
  const Precision precision = weight.leaf() ? weight.leaf()->precision : Precision::f32;
  const Factor left(x, precision);
  const Factor right = weight_factor(weight, precision);
  const bool keeps_slope = f && Tape::current() && precision != Precision::f32;
  multiply(Transpose::no, Transpose::yes, left, right, 0, {z.mutable_data(), rows, out},
           {.bias = bias.data(),
            .residual = residual.data(),
            .activation = f && !keeps_slope ? f->value : nullptr,
            .with_slope = keeps_slope ? f->with_slope : nullptr,
            .activated = y.mutable_data()});
  const Cost cost{.flops = 2.0 * static_cast<double>(rows) * static_cast<double>(in) * static_cast<double>(out)};
  // What is not needed any more goes before there is more: this is where a step takes the most memory.
  auto backward = [activated = Activated{.f = keeps_slope ? nullptr : f, .saved = f ? z : Tensor()},
                   x = precision == Precision::f32 ? Saved(x) : Saved(),
                   rounded = precision == Precision::f32 ? std::optional<Factor>() : left, right, rows,
                   out](Backward& b) mutable {
    const Factor dz = gradient_of_product(b, rows, out, activated, right.precision());
    activated = {};
    if (b.wants(1)) {
      const Factor input = rounded ? *rounded : Factor(b.value(x), Precision::f32);
      const GradView dw = b.grad(1);
      multiply(Transpose::yes, Transpose::no, dz, input, dw.beta(), {dw.data, out, input.columns()});
    }
    x = Saved();
    rounded.reset();
    if (b.wants(0)) {
      const GradView dx = b.grad(0);
      multiply(Transpose::no, Transpose::no, dz, right, dx.beta(), {dx.data, rows, right.columns()});
    }
    if (b.wants(3)) b.pass(3);
  };
  if (!f || keeps_slope) return op.record(y, {&x, &weight, &bias, &residual}, std::move(backward), cost);
  const auto remake = [f, z](Backward&) { return f->map(z); };
  return op.record_cheap(y, {&x, &weight, &bias, &residual}, std::move(backward), remake, cost);
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, Where where) {
  return linear_with("linear", nullptr, x, weight, bias, {}, where);
}

Tensor linear_activated(const Pointwise& f, const Tensor& x, const Tensor& weight, const Tensor& bias, Where where) {
  return linear_with("linear_activated", &f, x, weight, bias, {}, where);
}

Tensor linear_added(const Tensor& residual, const Tensor& x, const Tensor& weight, const Tensor& bias, Where where) {
  const Op op("linear_added", where);
  op.need({&residual});
  return linear_with("linear_added", nullptr, x, weight, bias, residual, where);
}

}  // namespace tape::inline TAPE_ABI
