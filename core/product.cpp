#include <tape/core/product.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <utility>

#include <tape/core/error.h>
#include <tape/core/panel_gemm.h>
#include <tape/core/parallel.h>
#include <tape/core/shard_gradients.h>
#include <tape/core/tiles.h>

namespace tape::inline TAPE_ABI {

namespace {

// oneDNN packs B anew for each tile: with many rows that is a small share even where AMX multiplies.
constexpr int64_t rows_of_bf16_tile = 1024;

// The factor's numbers in f32: its own, or those of its copy, for which `memory` makes room.
ConstMatrix in_f32(const Factor& x, Storage& memory) {
  memory = x.storage();
  if (x.precision() != Precision::f32) {
    memory = Storage::of<real>(x.rows() * x.columns());
    from_bf16(x.storage().as<bf16>(), memory.as<real>(), x.rows() * x.columns());
  }
  return {memory.as<real>(), x.rows(), x.columns()};
}

}  // namespace

Factor::Factor(const Tensor& x, Precision precision)
    : precision_(precision), rows_(x.rows()), columns_(x.last()), storage_(x.storage()) {
  if (precision == Precision::f32) return;
  storage_ = Storage::of<bf16>(x.size());
  round_to_bf16(x.data(), storage_.as<bf16>(), x.size());
}

Factor::Factor(Precision precision, int64_t rows, int64_t columns, Storage rounded)
    : precision_(precision), rows_(rows), columns_(columns), storage_(std::move(rounded)) {}

Factor::Factor(PackedMatrix packed)
    : precision_(Precision::bf16), rows_(packed.rows()), columns_(packed.columns()), packed_(std::move(packed)) {}

// oneDNN packs B anew for each product, and knows AMX.
bool worth_packing(Precision precision, int64_t rows, int64_t columns) {
  return TAPE_HAS_BF16_PAIRS && precision == Precision::bf16 && rows % 2 == 0 && columns % 2 == 0 && !onednn::has_amx();
}

void multiply(Transpose ta, Transpose tb, const Factor& a, const Factor& b, real beta, MutableMatrix c,
              const Epilogue& epilogue) {
  if (b.packed()) {
    if (ta == Transpose::yes || a.precision() != Precision::bf16 || a.packed()) {
      throw Error("multiply: a packed factor multiplies rows of bf16 alone");
    }
    multiply_panels(1, left(a.storage().as<bf16>(), a.columns()), b.packed().panels(tb), beta, c, epilogue);
    return;
  }
  const int64_t k = ta == Transpose::yes ? a.rows() : a.columns();
  if (a.precision() == Precision::bf16 && k > 0) {
    multiply_prepared(onednn::Element::bf16, ta, a.storage().as<bf16>(), a.columns(), tb, b.storage().as<bf16>(),
                      b.columns(), k, beta, c, epilogue);
    return;
  }
  Storage a_memory;
  Storage b_memory;
  gemm(ta, tb, 1, in_f32(a, a_memory), in_f32(b, b_memory), beta, c, epilogue);
}

void multiply_prepared(onednn::Element element, Transpose ta, const void* a, int64_t lda, Transpose tb, const void* b,
                       int64_t ldb, int64_t k, real beta, MutableMatrix c, const Epilogue& epilogue) {
  if (c.rows == 0 || c.columns == 0) return;
  const auto size = static_cast<int64_t>(element == onednn::Element::bf16 ? sizeof(bf16) : sizeof(float));
  constexpr int64_t large = int64_t{1} << 27;  // a shard's product that is worth sharing with one that has ended
  const bool shared = !ShardScope::current() || c.rows * c.columns * k >= large;
  const TileGrid grid(c.rows, c.columns, rows_of_bf16_tile, shared);
  // Those on the lower and on the right border may be smaller.
  const Tile first = grid[0];
  const Tile last = grid[grid.count() - 1];
  std::array<std::array<std::shared_ptr<const onednn::PreparedProduct>, 2>, 2> products;
  int64_t scratch_bytes = 0;
  for (const bool low : {false, true}) {
    for (const bool right : {false, true}) {
      auto& product = products[low][right];
      product = onednn::prepare({element, ta, tb, low ? last.rows : first.rows, right ? last.columns : first.columns, k,
                                 lda, ldb, c.ld, beta != 0});
      scratch_bytes = std::max(scratch_bytes, product->scratch_bytes());
    }
  }
  std::atomic<bool> failed = false;
  parallel_tasks(grid.count(), scratch_bytes / static_cast<int64_t>(sizeof(real)) + 1, [&](int64_t i, real* scratch) {
    const Tile tile = grid[i];
    const int64_t a_begin = ta == Transpose::yes ? tile.row : tile.row * lda;
    const int64_t b_begin = tb == Transpose::yes ? tile.column * ldb : tile.column;
    real* c_tile = c.data + tile.row * c.ld + tile.column;
    const auto& product = products[tile.rows != first.rows][tile.columns != first.columns];
    if (!product->run(static_cast<const std::byte*>(a) + a_begin * size,
                      static_cast<const std::byte*>(b) + b_begin * size, c_tile, scratch)) {
      failed = true;
    }
    finish(epilogue, tile, c);
  });
  if (failed) throw Error("oneDNN could not compute a product: there is not enough memory");
}

}  // namespace tape::inline TAPE_ABI
