// bench scale: how the time of a step grows with context, width, depth, batch and threads, and its memory with context.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include <tape/core/parallel.h>
#include <tape/core/storage.h>

#include "commands.h"
#include "floors.h"
#include "measure.h"
#include "step.h"

namespace bench {

namespace {

using Json = nlohmann::ordered_json;

struct Sweep {
  const char* what;
  std::vector<int64_t> sizes;
  std::function<void(Workload& w, int64_t size)> set;
};

std::vector<Sweep> sweeps() {
  return {{"context",
           {64, 128, 256, 512, 1024, 2048, 4096},
           [](Workload& w, int64_t n) {
             w.model.context = n;
             w.batch = 1;
           }},
          {"width", {64, 128, 256, 512}, [](Workload& w, int64_t n) { w.model.width = n; }},
          {"layers", {2, 4, 8, 16, 32}, [](Workload& w, int64_t n) { w.model.layers = n; }},
          {"batch", {2, 4, 8, 16, 32}, [](Workload& w, int64_t n) { w.batch = n; }}};
}

// The slope of log y over log x, by least squares: y ~ x^slope.
double exponent(const std::vector<double>& x, const std::vector<double>& y) {
  double sx = 0, sy = 0, sxx = 0, sxy = 0;
  const auto n = static_cast<double>(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double a = std::log(x[i]);
    const double b = std::log(y[i]);
    sx += a;
    sy += b;
    sxx += a * a;
    sxy += a * b;
  }
  return (n * sxy - sx * sy) / (n * sxx - sx * sx);
}

struct Point {
  double ms = 0;
  double activations_mib = 0;
};

// The memory is right when no step before took more.
Point point(const Workload& w, double seconds) {
  Step step(w);
  const double ms = measure(seconds, [&] { step(); }).median;
  return {ms, (static_cast<double>(tape::pool_stats().peak_bytes_in_use) - 4 * step.parameter_bytes()) / (1 << 20)};
}

Json sweep_json(const Sweep& sweep, double seconds, bool quiet) {
  const bool memory = std::string_view(sweep.what) == "context";  // the first sweep, upwards
  std::vector<double> sizes, times, mib;
  Json json = {{"over", sweep.what}, {"points", Json::array()}};
  for (const int64_t size : sweep.sizes) {
    Workload w = workload("W1");
    sweep.set(w, size);
    const Point p = point(w, seconds);
    sizes.push_back(static_cast<double>(size));
    times.push_back(p.ms);
    mib.push_back(p.activations_mib);
    json["points"].push_back({{"size", size}, {"ms", p.ms}});
    if (memory) json["points"].back()["activations_mib"] = p.activations_mib;
    if (!quiet) {
      fmt::print("  {:<10}{:>8}{:>12.2f} ms{}\n", sweep.what, size, p.ms,
                 memory ? fmt::format("{:>10.1f} MiB of activations", p.activations_mib) : "");
    }
  }
  json["exponent"] = exponent(sizes, times);
  if (!quiet) fmt::print("  time grows as {}^{:.2f}\n", sweep.what, exponent(sizes, times));
  if (!memory) return json;
  json["memory_exponent"] = exponent(sizes, mib);
  if (!quiet) fmt::print("  memory grows as {}^{:.2f}\n", sweep.what, exponent(sizes, mib));
  return json;
}

// A step with more threads beside its matrix products alone: what their speed-up leaves to be had.
Json threads_json(double seconds, bool quiet) {
  Json json = {{"over", "threads"}, {"points", Json::array()}};
  const int most = tape::threads();
  for (const Workload& w : workloads()) {
    double one = 0, products_one = 0;
    Step step(w);
    for (int count = 1; count <= most; count *= 2) {
      tape::set_threads(count);
      const double ms = measure(seconds, [&] { step(); }).median;
      const double products = gemm_floor(w, tape::Precision::f32, false, seconds);
      if (count == 1) one = ms;
      if (count == 1) products_one = products;
      json["points"].push_back({{"workload", w.name},
                                {"threads", count},
                                {"ms", ms},
                                {"speed_up", one / ms},
                                {"products_ms", products},
                                {"products_speed_up", products_one / products}});
      if (!quiet) {
        fmt::print(
            "  {} threads {:>2}{:>12.2f} ms, {:.2f} times as fast as one; its products alone {:.2f} times: {:.0f} %\n",
            w.name, count, ms, one / ms, products_one / products, 100 * one / ms * products / products_one);
      }
    }
  }
  tape::set_threads(most);
  return json;
}

void run(const std::vector<std::string>& over, double seconds, bool json) {
  const auto wanted = [&](std::string_view what) { return over.empty() || std::ranges::count(over, what) > 0; };
  Json all = Json::array();
  if (!json) fmt::print("training steps of W1 with one size changed (context with batches of 1):\n");
  for (const Sweep& sweep : sweeps())
    if (wanted(sweep.what)) all.push_back(sweep_json(sweep, seconds, json));
  if (wanted("threads")) all.push_back(threads_json(seconds, json));
  if (json) fmt::print("{}\n", all.dump(2));
}

}  // namespace

void add_scale(CLI::App& app) {
  struct Options {
    std::vector<std::string> over;
    double seconds = 1;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("scale", "Time against context, width, depth, batch and threads");
  command->add_option("--over", options->over, "context, width, layers, batch, threads: one or several [all]")
      ->check(known_by([](const std::string& given) {
        constexpr std::string_view names[] = {"context", "width", "layers", "batch", "threads"};
        if (std::ranges::count(names, given) == 0)
          throw tape::Error(tape::str("unknown size \"", given, "\": ", tape::choices_for(given, names)));
      }))
      ->delimiter(',')
      ->type_name("NAME");
  add_seconds(*command, options->seconds);
  add_common(*command, options->json);
  command->footer(
      "Examples:\n"
      "  bench scale\n"
      "  bench scale --over context threads");
  command->callback([options] { run(options->over, options->seconds, options->json); });
}

}  // namespace bench
