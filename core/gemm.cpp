#include <tape/core/gemm.h>

#include <cblas.h>

#include <algorithm>
#include <mutex>
#include <optional>

#include <tape/core/error.h>
#include <tape/core/onednn.h>
#include <tape/core/panel_gemm.h>
#include <tape/core/parallel.h>
#include <tape/core/storage.h>
#include <tape/core/tiles.h>

namespace tape::inline TAPE_ABI {

namespace {

CBLAS_TRANSPOSE flag(Transpose t) {
  return t == Transpose::yes ? CblasTrans : CblasNoTrans;
}
blasint size(int64_t n) {
  return static_cast<blasint>(n);
}
blasint leading(int64_t ld) {
  return size(std::max<int64_t>(ld, 1));  // BLAS refuses 0, also for an empty matrix
}

enum class Build { serial = 0, pthread = 1, openmp = 2 };

// The build that was loaded. The pthread build is told once not to use threads of its own. (The OpenMP build must not
// be told so: it would set the number of all our loops.)
Build build() {
  static const Build loaded = [] {
    const auto found = static_cast<Build>(openblas_get_parallel());
    if (found == Build::pthread) openblas_set_num_threads(1);
    return found;
  }();
  return loaded;
}

// While it lives, a BLAS call computes on the calling thread alone, as the same bits with any number of threads demand.
// The serial build has work buffers without a lock: its calls wait for each other.
class OneCall {
 public:
  OneCall() {
    static std::mutex one_call;
    if (build() == Build::serial) waiting_ = std::unique_lock(one_call);
    if (build() == Build::openmp) alone_.emplace();
  }

 private:
  std::optional<OneThread> alone_;
  std::unique_lock<std::mutex> waiting_;
};

// Of a BLAS function's two forms that of our precision.
template <class Single, class Double>
auto of_precision(Single single, Double twice) {
  if constexpr (sizeof(real) == sizeof(float)) {
    return single;
  } else {
    return twice;
  }
}

// Does oneDNN compute the product (m, n) with k summed numbers? A row is left to BLAS, see below.
bool by_onednn(GemmLibrary library, Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k) {
  if (m == 1 || k == 0) return false;
  return library == GemmLibrary::onednn || (library == GemmLibrary::faster && onednn::is_faster(ta, tb, m, n));
}

void call(bool with_onednn, Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k, real alpha, const real* a,
          int64_t lda, const real* b, int64_t ldb, real beta, real* c, int64_t ldc) {
  if (with_onednn && onednn::sgemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)) return;
  const OneCall one_call;
  if (m == 1 && k > 0) {  // a row, as when a text grows token by token: OpenBLAS would repack the whole of B for it
    const bool by_rows = tb == Transpose::yes;  // B is (n, k)
    of_precision(cblas_sgemv, cblas_dgemv)(CblasRowMajor, by_rows ? CblasNoTrans : CblasTrans, size(by_rows ? n : k),
                                           size(by_rows ? k : n), alpha, b, leading(ldb), a,
                                           ta == Transpose::yes ? leading(lda) : 1, beta, c, 1);
    return;
  }
  of_precision(cblas_sgemm, cblas_dgemm)(CblasRowMajor, flag(ta), flag(tb), size(m), size(n), size(k), alpha, a,
                                         leading(lda), b, leading(ldb), beta, c, leading(ldc));
}

// oneDNN packs transposed matrices slowly, and anew for each tile: with many rows, turning B once costs less (W2: 2048
// rows, forward products of linear layers 1.1 times as fast). A B that would take much room is left as it is.
bool pays_to_turn(ConstMatrix b, int64_t rows) {
  return rows >= 512 && b.rows * b.columns <= int64_t{1} << 22;
}

// bᵀ in `room`.
ConstMatrix transposed(ConstMatrix b, Storage& room) {
  room = Storage::of<real>(b.rows * b.columns);
  const MutableMatrix to(room.as<real>(), b.columns, b.rows);
  parallel_for(b.rows, 32, [=](int64_t begin, int64_t end) {
    transpose(b.row_range(begin, end - begin), {to.data + begin, to.rows, end - begin, to.ld});
  });
  return {to.data, to.rows, to.columns};
}

}  // namespace

GemmLibrary fastest(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k) {
  if (panels_are_faster(ta, tb, m, n, k)) return GemmLibrary::panels;
  return by_onednn(GemmLibrary::faster, ta, tb, m, n, k) ? GemmLibrary::onednn : GemmLibrary::openblas;
}

void gemm_serial(Transpose ta, Transpose tb, real alpha, ConstMatrix a, ConstMatrix b, real beta, MutableMatrix c,
                 GemmLibrary library) {
  if (c.rows == 0 || c.columns == 0) return;
  const int64_t k = ta == Transpose::yes ? a.rows : a.columns;
  const bool with_onednn = by_onednn(library, ta, tb, c.rows, c.columns, k);
  call(with_onednn, ta, tb, c.rows, c.columns, k, alpha, a.data, a.ld, b.data, b.ld, beta, c.data, c.ld);
}

void gemm(Transpose ta, Transpose tb, real alpha, ConstMatrix a, ConstMatrix b, real beta, MutableMatrix c,
          const Epilogue& epilogue, GemmLibrary library) {
  if (c.rows == 0 || c.columns == 0) return;
  const int64_t k = ta == Transpose::yes ? a.rows : a.columns;
  if (library == GemmLibrary::faster) library = fastest(ta, tb, c.rows, c.columns, k);
  if (library == GemmLibrary::panels) {
    panel_gemm(ta, tb, alpha, a, b, beta, c, epilogue);
    return;
  }
  const bool with_onednn = by_onednn(library, ta, tb, c.rows, c.columns, k);
  Storage room;
  if (with_onednn && tb == Transpose::yes && pays_to_turn(b, c.rows)) {
    b = transposed(b, room);
    tb = Transpose::no;
  }
  const TileGrid grid(c.rows, c.columns, 256);
  parallel_tasks(grid.count(), 0, [&](int64_t i, real*) {
    const Tile tile = grid[i];
    const real* a_tile = a.data + (ta == Transpose::yes ? tile.row : tile.row * a.ld);
    const real* b_tile = b.data + (tb == Transpose::yes ? tile.column * b.ld : tile.column);
    real* c_tile = c.data + tile.row * c.ld + tile.column;
    call(with_onednn, ta, tb, tile.rows, tile.columns, k, alpha, a_tile, a.ld, b_tile, b.ld, beta, c_tile, c.ld);
    finish(epilogue, tile, c);
  });
}

BlasInfo blas_info() {
  const std::string config = openblas_get_config();
  const std::string version = config.substr(0, config.find(' ', config.find(' ') + 1));
  const char* kind = build() == Build::serial ? "serial" : build() == Build::pthread ? "pthread" : "OpenMP";
  return {str(version, " ", openblas_get_corename(), ", ", kind), build() == Build::pthread};
}

}  // namespace tape::inline TAPE_ABI
