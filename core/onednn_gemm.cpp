#include <oneapi/dnnl/dnnl.hpp>

#include <exception>
#include <map>
#include <mutex>
#include <string_view>
#include <utility>

#include <tape/core/error.h>
#include <tape/core/onednn.h>
#include <tape/core/parallel.h>

namespace tape::inline TAPE_ABI::onednn {

namespace {

// The bits of oneDNN's instruction sets contain those of the sets they extend.
bool has(dnnl::cpu_isa set) {
  static const auto present = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto bits = static_cast<unsigned>(set);
  return (present & bits) == bits;
}

const char* instructions() {
  if (has(dnnl::cpu_isa::avx512_core_amx)) return "AMX";
  if (has(dnnl::cpu_isa::avx512_core_bf16)) return "AVX-512 with bf16";
  if (has(dnnl::cpu_isa::avx512_core)) return "AVX-512";
  if (has(dnnl::cpu_isa::avx2)) return "AVX2";
  return "SSE";
}

char letter(Transpose t) {
  return t == Transpose::yes ? 'T' : 'N';
}

dnnl::memory::data_type type_of(Element element) {
  return element == Element::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

// op(matrix) of rows x columns, where the matrix itself lies in rows of `ld` numbers.
dnnl::memory::desc layout(int64_t rows, int64_t columns, dnnl::memory::data_type type, Transpose t, int64_t ld) {
  const bool flipped = t == Transpose::yes;
  return {{rows, columns}, type, {flipped ? 1 : ld, flipped ? ld : 1}};
}

const dnnl::engine& processor() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::matmul::primitive_desc describe(const ProductForm& f) {
  const auto a = layout(f.m, f.k, type_of(f.element), f.ta, f.lda);
  const auto b = layout(f.k, f.n, type_of(f.element), f.tb, f.ldb);
  const auto c = layout(f.m, f.n, dnnl::memory::data_type::f32, Transpose::no, f.ldc);
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);  // the library's own is not for several threads
  if (f.add) {
    dnnl::post_ops after;
    after.append_sum(1);
    attributes.set_post_ops(after);
  }
#if DNNL_VERSION_MAJOR >= 3
  return {processor(), a, b, c, attributes};
#else
  return {dnnl::matmul::desc(a, b, c), attributes, processor()};
#endif
}

class Matmul final : public PreparedProduct {
 public:
  explicit Matmul(const dnnl::matmul::primitive_desc& d)
      : a_(d.src_desc()), b_(d.weights_desc()), c_(d.dst_desc()), scratch_(d.scratchpad_desc()), matmul_(d) {}

  int64_t scratch_bytes() const override { return static_cast<int64_t>(scratch_.get_size()); }

  bool run(const void* a, const void* b, real* c, void* scratch) const noexcept override {
    try {
      thread_local dnnl::stream stream(processor());
      const OneThread one_thread;
      const auto on = [](const dnnl::memory::desc& d, const void* data) {
        return dnnl::memory(d, processor(), const_cast<void*>(data));  // inputs are only read
      };
      const dnnl::memory ma = on(a_, a);
      const dnnl::memory mb = on(b_, b);
      const dnnl::memory mc = on(c_, c);
      const dnnl::memory ms = on(scratch_, scratch);
      const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, ma.get()},
                                           {DNNL_ARG_WEIGHTS, mb.get()},
                                           {DNNL_ARG_DST, mc.get()},
                                           {DNNL_ARG_SCRATCHPAD, ms.get()}};
      return dnnl_primitive_execute(matmul_.get(), stream.get(), 4, arguments) == dnnl_success &&
             dnnl_stream_wait(stream.get()) == dnnl_success;
    } catch (const std::exception&) {
      return false;
    }
  }

 private:
  dnnl::memory::desc a_, b_, c_, scratch_;
  dnnl::matmul matmul_;
};

}  // namespace

std::string description() {
  const dnnl_version_t& v = *dnnl_version();
  return str("oneDNN ", v.major, ".", v.minor, ".", v.patch, " with ", instructions());
}

std::string share() {
  const char* f32 = has(dnnl::cpu_isa::avx512_core) ? "all"
                    : has(dnnl::cpu_isa::avx2)      ? "all but those down the columns of wide matrices"
                                                    : "none";
  return str(f32, has_bf16() ? ", and those of bf16" : "");
}

// Of both libraries. With AVX-512 oneDNN was faster on all four workloads of `bench train`. With AVX2 (`bench gemm`,
// AMD Zen) it wins by 5 to 60 %, most on small products such as attention's, as long as the summed index runs along the
// rows of both factors, as in y = x·Wᵀ, or down the columns of narrow ones; down those of wide ones it loses up to
// half. Below AVX2 nothing was measured.
bool is_faster(Transpose ta, Transpose tb, int64_t m, int64_t n) {
  if (has(dnnl::cpu_isa::avx512_core)) return true;
  if (!has(dnnl::cpu_isa::avx2)) return false;
  return (ta == Transpose::no || m <= 256) && (tb == Transpose::yes || n <= 384);
}

bool sgemm(Transpose ta, Transpose tb, int64_t m, int64_t n, int64_t k, real alpha, const real* a, int64_t lda,
           const real* b, int64_t ldb, real beta, real* c, int64_t ldc) {
  const OneThread one_thread;
  return dnnl_sgemm(letter(ta), letter(tb), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) == dnnl_success;
}

// Asked of the library rather than of the processor. Its reference code, which is for tests, does not count.
bool has_bf16() {
  static const bool present = [] {
    try {
      const ProductForm form{Element::bf16, Transpose::no, Transpose::yes, 64, 64, 64, 64, 64, 64, false};
      return std::string_view(describe(form).impl_info_str()).find("ref") == std::string_view::npos;
    } catch (const dnnl::error&) {
      return false;
    }
  }();
  return present;
}

bool has_amx() {
  return has(dnnl::cpu_isa::avx512_core_amx);
}

std::shared_ptr<const PreparedProduct> prepare(const ProductForm& form) {
  constexpr std::size_t most = 1024;  // batches whose sizes vary would make ever more
  static std::mutex one_at_a_time;
  static std::map<ProductForm, std::shared_ptr<const PreparedProduct>> kept;
  const std::lock_guard lock(one_at_a_time);
  const auto found = kept.find(form);
  if (found != kept.end()) return found->second;
  try {
    const OneThread one_thread;  // prepared for one thread, as it will run
    auto made = std::make_shared<const Matmul>(describe(form));
    if (kept.size() >= most) kept.clear();
    return kept.emplace(form, std::move(made)).first->second;
  } catch (const dnnl::error& error) {
    throw Error(str("oneDNN can not multiply ", form.m, " x ", form.k, " by ", form.k, " x ", form.n,
                    form.element == Element::bf16 ? " in bf16" : "", " here: ", error.what()));
  }
}

}  // namespace tape::inline TAPE_ABI::onednn
