// bench gemm: the products of the linear layers of a training step, computed by OpenBLAS and by oneDNN in turns, and
// who computes them otherwise: what the rule in core/onednn_gemm.cpp was made from.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tape/core/onednn.h>
#include <tape/core/tensor.h>

#include "commands.h"
#include "measure.h"
#include "workloads.h"

namespace bench {

namespace {

using namespace tape;
using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> names{"W1", "W2", "W3", "W4"};
  double seconds = 0.5;
  bool json = false;
};

// One product: C (m, n) = op(A)·op(B).
struct Form {
  const char* what;
  Transpose ta, tb;
  int64_t m, n, k;

  int64_t lda() const { return ta == Transpose::yes ? m : k; }
  int64_t ldb() const { return tb == Transpose::yes ? k : n; }
  double gflop() const { return 2e-9 * static_cast<double>(m * n) * static_cast<double>(k); }
};

// The least times of both, in turns, so that whatever else the machine does meets both. Rather than medians: what is
// asked is which of two programs is faster.
struct Pair {
  double openblas_ms = 0;
  double onednn_ms = 0;
};
Pair compare(const Form& f, double seconds) {
  Random random(Seed{1});
  const Tensor a = randn({f.m, f.k}, random);
  const Tensor b = randn({f.k, f.n}, random);
  Tensor c = Tensor::zeros({f.m, f.n});
  const auto run = [&](GemmLibrary library) {
    const double before = now_ms();
    gemm(f.ta, f.tb, 1, {a.data(), f.ta == Transpose::yes ? f.k : f.m, f.lda()},
         {b.data(), f.tb == Transpose::yes ? f.n : f.k, f.ldb()}, 0, {c.mutable_data(), f.m, f.n}, {}, library);
    return now_ms() - before;
  };
  std::vector<double> openblas, onednn;
  const double start = now_ms();
  while (openblas.size() < 7 || now_ms() - start < 1000 * seconds) {
    openblas.push_back(run(GemmLibrary::openblas));
    onednn.push_back(run(GemmLibrary::onednn));
  }
  return {summary(std::move(openblas)).min, summary(std::move(onednn)).min};
}

void run(const Options& o) {
  if (onednn::description().empty())
    throw Error("this build has no oneDNN to compare with: see TAPE_ONEDNN in the README");
  Json all = Json::array();
  if (!o.json)
    fmt::print("{:<34}{:>18}{:>18}{:>8}  {}\n", "rows x summed x columns", "OpenBLAS GFLOP/s", "oneDNN GFLOP/s",
               "ratio", "chosen");
  for (const std::string& name : o.names) {
    const Workload& w = workload(name);
    const int64_t rows = w.tokens();
    Pair total;
    double chosen_ms = 0;
    for (const auto& [layer, in, out, count] : linear_layers(w)) {
      for (const Form& f : {Form{"y", Transpose::no, Transpose::yes, rows, out, in},
                            Form{"dx", Transpose::no, Transpose::no, rows, in, out},
                            Form{"dw", Transpose::yes, Transpose::no, out, in, rows}}) {
        const Pair ms = compare(f, o.seconds);
        const bool chosen = onednn::is_faster(f.ta, f.tb, f.m, f.n);
        total.openblas_ms += static_cast<double>(count) * ms.openblas_ms;
        total.onednn_ms += static_cast<double>(count) * ms.onednn_ms;
        chosen_ms += static_cast<double>(count) * (chosen ? ms.onednn_ms : ms.openblas_ms);
        const double openblas = f.gflop() / ms.openblas_ms * 1000;
        const double onednn = f.gflop() / ms.onednn_ms * 1000;
        const std::string what = fmt::format("{} {} {}: {} x {} x {}", name, layer, f.what, f.m, f.k, f.n);
        if (o.json) {
          all.push_back({{"product", what},
                         {"openblas_gflops", openblas},
                         {"onednn_gflops", onednn},
                         {"chosen", chosen ? "onednn" : "openblas"}});
        } else {
          fmt::print("{:<34}{:>18.1f}{:>18.1f}{:>8.2f}  {}\n", what, openblas, onednn, onednn / openblas,
                     chosen ? "oneDNN" : "OpenBLAS");
        }
      }
    }
    if (!o.json)
      fmt::print("{}: OpenBLAS {:.1f} ms, oneDNN {:.1f} ms, as chosen {:.1f} ms a step\n", name, total.openblas_ms,
                 total.onednn_ms, chosen_ms);
  }
  if (o.json) fmt::print("{}\n", all.dump(2));
}

}  // namespace

void add_gemm(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("gemm", "Compare the two libraries of matrix products");
  command->add_option("--workload", options->names, "W1 … W4, one or several")->capture_default_str();
  command->add_option("--seconds", options->seconds, "How long to measure each product")->capture_default_str();
  command->add_flag("--json", options->json, "For programs");
  command->callback([options] { run(*options); });
}

}  // namespace bench
