#include <tape/core/ops/embedding.h>

#include <algorithm>
#include <array>
#include <cstring>

#include <tape/core/parallel.h>
#include <tape/core/tape.h>

namespace tape::inline TAPE_ABI {

namespace {

// y_i = table_ids(i)      table (V, C)   ids (N)   y (N, C)      dtable_v = Σ over i with ids(i) = v of dy_i
// In backward each thread owns a range of columns and walks all ids in order, so that the sum for a row that was chosen
// several times has one order.
Tensor choose_rows(const Op& op, const Tensor& table, int64_t table_rows, const Ids& ids, const Shape& shape) {
  const int64_t columns = table.last();
  const int64_t count = ids.size();
  const auto outside = std::ranges::find_if(ids.values(), [=](int32_t id) { return id < 0 || id >= table_rows; });
  if (outside != ids.values().end()) {
    op.fail(str("id ", *outside, " at position ", outside - ids.values().begin(), " of ids ", ids.shape(),
                " must be at least 0 and below ", table_rows, ", the number of rows of ",
                table.leaf() ? table.name() + " " : "", table.shape()));
  }
  Tensor y = Tensor::uninitialized(shape);
  parallel_for(
      count, 64, [=, from = table.data(), id = ids.data(), out = y.mutable_data()](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          std::memcpy(out + i * columns, from + id[i] * columns, static_cast<std::size_t>(columns) * sizeof(real));
        }
      });
  return op.record(y, {&table}, [ids, count, columns, table_rows](Backward& b) {
    const GradView dtable = b.grad(0);
    parallel_for(columns, 64, [=, dy = b.dy(), id = ids.data()](int64_t begin, int64_t end) {
      if (!dtable.accumulate) {
        for (int64_t row = 0; row < table_rows; ++row) {
          std::fill(dtable.data + row * columns + begin, dtable.data + row * columns + end, real{0});
        }
      }
      for (int64_t i = 0; i < count; ++i) {
        real* row = dtable.data + id[i] * columns;
        for (int64_t c = begin; c < end; ++c) row[c] += dy[i * columns + c];
      }
    });
  });
}

}  // namespace

Tensor embedding(const Tensor& table, const Ids& ids, Where where) {
  const Op op("embedding", where);
  op.need({&table});
  if (table.rank() != 2) op.fail(str("table ", table.shape(), " must have rank 2: (rows, width)"));
  if (ids.shape().rank() + 1 > Shape::max_rank) op.fail(str("ids ", ids.shape(), " have too many axes"));
  std::array<int64_t, Shape::max_rank> sizes{};
  const auto rank = static_cast<std::size_t>(ids.shape().rank());
  std::ranges::copy(ids.shape().sizes(), sizes.begin());
  sizes[rank] = table.last();
  return choose_rows(op, table, table.shape()[0], ids, Shape(std::span<const int64_t>(sizes.data(), rank + 1)));
}

Tensor gather_rows(const Tensor& x, const Ids& rows, Where where) {
  const Op op("gather_rows", where);
  op.need({&x});
  if (x.rank() < 2) op.fail(str("x ", x.shape(), " must have rank 2 or more"));
  return choose_rows(op, x, x.rows(), rows, {rows.size(), x.last()});
}

}  // namespace tape::inline TAPE_ABI
