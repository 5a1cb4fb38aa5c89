// bench scale: how the time and memory of a step grow with context, width, depth, batch and threads.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tape/core/parallel.h>

#include "commands.h"
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
           {64, 128, 256, 512, 1024},
           [](Workload& w, int64_t n) {
             w.model.context = n;
             w.batch = 2;
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

double step_ms(const Workload& w, double seconds) {
  Step step(w);
  return measure(seconds, [&] { step(); }).median;
}

Json sweep_json(const Sweep& sweep, double seconds, bool quiet) {
  std::vector<double> sizes, times;
  Json json = {{"over", sweep.what}, {"points", Json::array()}};
  for (const int64_t size : sweep.sizes) {
    Workload w = workload("W1");
    sweep.set(w, size);
    sizes.push_back(static_cast<double>(size));
    times.push_back(step_ms(w, seconds));
    json["points"].push_back({{"size", size}, {"ms", times.back()}});
    if (!quiet) fmt::print("  {:<10}{:>8}{:>12.2f} ms\n", sweep.what, size, times.back());
  }
  json["exponent"] = exponent(sizes, times);
  if (!quiet) fmt::print("  time grows as {}^{:.2f}\n", sweep.what, exponent(sizes, times));
  return json;
}

Json threads_json(double seconds, bool quiet) {
  Json json = {{"over", "threads"}, {"points", Json::array()}};
  const int most = tape::threads();
  for (const char* name : {"W1", "W2"}) {
    double one = 0;
    for (int count = 1; count <= most; count *= 2) {
      tape::set_threads(count);
      const double ms = step_ms(workload(name), seconds);
      if (count == 1) one = ms;
      json["points"].push_back({{"workload", name}, {"threads", count}, {"ms", ms}, {"speed_up", one / ms}});
      if (!quiet)
        fmt::print("  {} threads {:>2}{:>12.2f} ms, {:.2f} times as fast as one\n", name, count, ms, one / ms);
    }
  }
  tape::set_threads(most);
  return json;
}

void run(double seconds, bool json) {
  Json all = Json::array();
  if (!json) fmt::print("training steps of W1 with one size changed (context with batches of 2):\n");
  for (const Sweep& sweep : sweeps()) all.push_back(sweep_json(sweep, seconds, json));
  all.push_back(threads_json(seconds, json));
  if (json) fmt::print("{}\n", all.dump(2));
}

}  // namespace

void add_scale(CLI::App& app) {
  struct Options {
    double seconds = 1;
    bool json = false;
  };
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("scale", "Time against context, width, depth, batch and threads");
  command->add_option("--seconds", options->seconds, "How long to measure each")->capture_default_str();
  command->add_flag("--json", options->json, "For programs");
  command->callback([options] { run(options->seconds, options->json); });
}

}  // namespace bench
