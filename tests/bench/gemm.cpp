// bench gemm: the products of the linear layers of a training step, computed by OpenBLAS, by oneDNN and by our kernel
// of panels in turns, and who computes them otherwise: what the rules in core/onednn_gemm.cpp and core/panel_gemm.cpp
// were made from.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include <tape/core/gemm.h>
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

struct Candidate {
  GemmLibrary library;
  const char* name;
  const char* key;  // in JSON
};
std::vector<Candidate> candidates() {
  std::vector<Candidate> all{{GemmLibrary::openblas, "OpenBLAS", "openblas"}};
  if (!onednn::description().empty()) all.push_back({GemmLibrary::onednn, "oneDNN", "onednn"});
  all.push_back({GemmLibrary::panels, "panels", "panels"});
  return all;
}

// The least time of each, in turns, so that whatever else the machine does meets all. Rather than medians: what is
// asked is which of several programs is faster.
std::vector<double> compare(const Form& f, const std::vector<Candidate>& all, double seconds) {
  Random random(Seed{1});
  const Tensor a = randn({f.m, f.k}, random);
  const Tensor b = randn({f.k, f.n}, random);
  Tensor c = Tensor::zeros({f.m, f.n});
  std::vector<std::vector<double>> times(all.size());
  const double start = now_ms();
  while (times[0].size() < 7 || now_ms() - start < 1000 * seconds) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const double before = now_ms();
      gemm(f.ta, f.tb, 1, {a.data(), f.ta == Transpose::yes ? f.k : f.m, f.lda()},
           {b.data(), f.tb == Transpose::yes ? f.n : f.k, f.ldb()}, 0, {c.mutable_data(), f.m, f.n}, {},
           all[i].library);
      times[i].push_back(now_ms() - before);
    }
  }
  std::vector<double> least;
  for (auto& each : times) least.push_back(summary(std::move(each)).min);
  return least;
}

void run(const Options& o) {
  const std::vector<Candidate> all = candidates();
  Json products = Json::array();
  if (!o.json) {
    fmt::print("{:<34}", "GFLOP/s, rows x summed x columns");
    for (const Candidate& each : all) fmt::print("{:>10}", each.name);
    fmt::print("  chosen\n");
  }
  for (const std::string& name : o.names) {
    const Workload& w = workload(name);
    const int64_t rows = w.tokens();
    std::vector<double> totals(all.size());
    double total_chosen = 0;
    for (const auto& [layer, in, out, count] : linear_layers(w)) {
      for (const Form& f : {Form{"y", Transpose::no, Transpose::yes, rows, out, in},
                            Form{"dx", Transpose::no, Transpose::no, rows, in, out},
                            Form{"dw", Transpose::yes, Transpose::no, out, in, rows}}) {
        const std::vector<double> ms = compare(f, all, o.seconds);
        const GemmLibrary fastest = tape::fastest(f.ta, f.tb, f.m, f.n, f.k);
        const auto is_chosen = [&](const Candidate& each) { return each.library == fastest; };
        const auto chosen = static_cast<std::size_t>(std::find_if(all.begin(), all.end(), is_chosen) - all.begin());
        const std::string what = fmt::format("{} {} {}: {} x {} x {}", name, layer, f.what, f.m, f.k, f.n);
        Json line{{"product", what}};
        std::string row = fmt::format("{:<34}", what);
        for (std::size_t i = 0; i < all.size(); ++i) {
          const double gflops = f.gflop() / ms[i] * 1000;
          totals[i] += static_cast<double>(count) * ms[i];
          line[fmt::format("{}_gflops", all[i].key)] = gflops;
          row += fmt::format("{:>10.1f}", gflops);
        }
        total_chosen += static_cast<double>(count) * ms[chosen];
        line["chosen"] = all[chosen].key;
        products.push_back(line);
        if (!o.json) fmt::print("{}  {}\n", row, all[chosen].name);
      }
    }
    if (o.json) continue;
    fmt::print("{}, ms a step:", name);
    for (std::size_t i = 0; i < all.size(); ++i) fmt::print(" {} {:.1f},", all[i].name, totals[i]);
    fmt::print(" as chosen {:.1f}\n", total_chosen);
  }
  if (o.json) fmt::print("{}\n", products.dump(2));
}

}  // namespace

void add_gemm(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("gemm", "Compare those who can compute matrix products");
  add_workloads(*command, options->names, "W1 … W4, one or several");
  add_seconds(*command, options->seconds, "How long to measure each product");
  add_common(*command, options->json);
  command->footer(
      "\"panels\" is this library's own kernel, for small weights; \"chosen\" who computes that product in training.\n"
      "\n"
      "Examples:\n"
      "  bench gemm --workload W4");
  command->callback([options] { run(*options); });
}

}  // namespace bench
