// What this program is, what it was built with and what it runs on: the first thing to know when something is slow or
// differs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <vector>

#include <tape/core/gemm.h>
#include <tape/core/onednn.h>
#include <tape/core/parallel.h>

#include "commands.h"

namespace tapeformer {

namespace {

std::string compiler() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string built_for() {
#if defined(__AVX512F__)
  return "x86-64 with AVX-512";
#elif defined(__AVX2__)
  return "x86-64 with AVX2";
#elif defined(__x86_64__)
  return "any x86-64";
#elif defined(__aarch64__)
  return "64-bit ARM";
#else
  return "this kind of processor";
#endif
}

std::string processor() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  std::vector<std::string> features;
  if (__builtin_cpu_supports("avx2")) features.emplace_back("AVX2");
  if (__builtin_cpu_supports("fma")) features.emplace_back("FMA");
  if (__builtin_cpu_supports("avx512f")) features.emplace_back("AVX-512");
  if (__builtin_cpu_supports("avx512vnni")) features.emplace_back("AVX512-VNNI");
  if (__builtin_cpu_supports("avx512bf16")) features.emplace_back("AVX512-BF16");
  return features.empty() ? "x86-64" : fmt::format("x86-64 with {}", fmt::join(features, ", "));
#else
  return built_for();
#endif
}

std::string products() {
  using tape::Transpose;
  const std::string onednn = tape::onednn::description();
  const bool by_panels = tape::fastest(Transpose::no, Transpose::yes, 64, 64, 64) == tape::GemmLibrary::panels;
  const std::string library =
      onednn.empty() ? "BLAS: this build has no oneDNN" : fmt::format("{} for {}", onednn, tape::onednn::share());
  if (by_panels) return "small weights by a kernel of our own; otherwise " + library;
  return onednn.empty() ? "all by " + library : library;
}

}  // namespace

std::string version_text() {
  const tape::BlasInfo blas = tape::blas_info();
  std::string text = fmt::format(
      "tapeformer {}\n"
      "compiler   {}, for {}\n"
      "processor  {}; {} threads\n"
      "BLAS       {}\n"
      "products   {}",
      TAPE_VERSION, compiler(), built_for(), processor(), tape::threads(), blas.description, products());
  if (blas.own_threads) {
    text +=
        "\n\nWARNING: this OpenBLAS has threads of its own, which get in the way of ours and cost much speed. On "
        "Debian\n"
        "or Ubuntu: apt-get install libopenblas-openmp-dev, then configure and build in a new build folder.";
  }
  return text;
}

}  // namespace tapeformer
