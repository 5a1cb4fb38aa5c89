// bench train: the time of a training step, where it goes, and how far it is from the floor of its matrix products.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include <tape/core/storage.h>

#include "commands.h"
#include "floors.h"
#include "measure.h"
#include "step.h"

namespace bench {

namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> names{"W1"};
  double seconds = 10;
  tape::Precision precision = tape::Precision::f32;
  bool floor = true;
  bool json = false;
};

struct Result {
  Times step;
  double first_ms = 0;        // from the construction of the model to the end of the first step
  double floor_ms = 0;        // of the matrix products alone; 0: not measured
  double peak_mib = 0;        // of the whole process
  double parameters_mib = 0;  // their values; gradients take as much, AdamW's two averages twice that
  double activations_mib = 0;
  std::vector<tape::OpProfile> ops;
  double update_ms = 0;
};

Result run(const Workload& w, const Options& o) {
  Result r;
  const double start = now_ms();
  Step step(w, o.precision);
  step();
  r.first_ms = now_ms() - start;
  r.step = measure(o.seconds, [&] { step(); });
  step(true);
  r.ops = step.profile();
  r.update_ms = step.update_ms();
  r.parameters_mib = step.parameter_bytes() / (1 << 20);
  r.activations_mib = static_cast<double>(tape::pool_stats().peak_bytes_in_use) / (1 << 20) - 4 * r.parameters_mib;
  r.peak_mib = peak_memory();
  if (o.floor) r.floor_ms = gemm_floor(w, o.precision, step.in_shards(), 2);
  return r;
}

Json to_json(const Workload& w, const Options& o, const Result& r) {
  const Machine m = machine();
  Json json = {{"workload", w.name},
               {"precision", name_of(o.precision)},
               {"threads", m.threads},
               {"ms", {{"median", r.step.median}, {"min", r.step.min}, {"p90", r.step.p90}, {"steps", r.step.runs}}},
               {"tokens_per_s", 1000 * static_cast<double>(w.tokens()) / r.step.median},
               {"first_step_ms", r.first_ms},
               {"peak_rss_mib", r.peak_mib},
               {"mib",
                {{"parameters", r.parameters_mib},
                 {"gradients", r.parameters_mib},
                 {"optimizer", 2 * r.parameters_mib},
                 {"activations", r.activations_mib},
                 {"program", r.peak_mib - 4 * r.parameters_mib - r.activations_mib}}},
               {"gemm_gflop", gemm_flops(w) / 1e9},
               {"gemm_floor_ms", r.floor_ms > 0 ? Json(r.floor_ms) : Json()},
               {"processor", m.processor},
               {"blas", m.blas},
               {"onednn", m.onednn.empty() ? Json() : Json(m.onednn)},
               {"compiler", m.compiler},
               {"ops", Json::array()}};
  for (const tape::OpProfile& op : r.ops) {
    json["ops"].push_back(
        {{"op", op.op}, {"calls", op.calls}, {"forward_ms", op.forward_ms}, {"backward_ms", op.backward_ms}});
  }
  json["ops"].push_back({{"op", "update"}, {"calls", 1}, {"forward_ms", r.update_ms}, {"backward_ms", 0}});
  return json;
}

void print(const Workload& w, const Options& o, const Result& r) {
  fmt::print("{} {}: {} tokens a step, {:.2f} GFLOP in matrix products; {}\n", w.name, w.title, w.tokens(),
             gemm_flops(w) / 1e9, name_of(o.precision));
  fmt::print("  step      {:.2f} ms median, {:.2f} min, {:.2f} p90 of {}; {:.0f} tokens/s; first step {:.0f} ms\n",
             r.step.median, r.step.min, r.step.p90, r.step.runs, 1000 * static_cast<double>(w.tokens()) / r.step.median,
             r.first_ms);
  if (r.floor_ms > 0) {
    fmt::print("  floor     {:.2f} ms for the matrix products alone ({:.0f} GFLOP/s): {:.0f} % of the step\n",
               r.floor_ms, gemm_flops(w) / r.floor_ms / 1e6, 100 * r.floor_ms / r.step.median);
  }
  fmt::print(
      "  memory    {:.0f} MiB at most: parameters {:.0f}, gradients {:.0f}, optimizer {:.0f}, activations {:.0f}, "
      "program {:.0f}\n",
      r.peak_mib, r.parameters_mib, r.parameters_mib, 2 * r.parameters_mib, r.activations_mib,
      r.peak_mib - 4 * r.parameters_mib - r.activations_mib);
  double total = r.update_ms;
  for (const tape::OpProfile& op : r.ops) total += op.forward_ms + op.backward_ms;
  fmt::print("  {:<22}{:>7}{:>12}{:>13}{:>8}\n", "op", "calls", "forward ms", "backward ms", "share");
  for (const tape::OpProfile& op : r.ops) {
    const double ms = op.forward_ms + op.backward_ms;
    if (ms < 0.005 * total) continue;
    fmt::print("  {:<22}{:>7}{:>12.3f}{:>13.3f}{:>7.1f}%\n", op.op, op.calls, op.forward_ms, op.backward_ms,
               100 * ms / total);
  }
  fmt::print("  {:<22}{:>7}{:>12.3f}{:>13}{:>7.1f}%\n", "update (AdamW)", 1, r.update_ms, "",
             100 * r.update_ms / total);
}

void train(const Options& o) {
  Json all = Json::array();
  for (const std::string& name : o.names) {
    const Workload& w = workload(name);
    const Result r = run(w, o);
    if (o.json) {
      all.push_back(to_json(w, o, r));
    } else {
      print(w, o, r);
    }
  }
  if (o.json) fmt::print("{}\n", (all.size() == 1 ? all[0] : all).dump(2));
}

}  // namespace

void add_train(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("train", "Time training steps");
  add_workloads(*command, options->names, "W1 … W4, one or several; peak memory is that of all so far");
  add_choice(*command, "--precision", options->precision, tape::precision,
             "f32, bf16 or bf16-emulated: of the matrix products");
  add_seconds(*command, options->seconds);
  command->add_flag_function(
      "--no-floor", [options](int64_t) { options->floor = false; }, "Leave out the matrix products alone");
  add_common(*command, options->json);
  command->footer(
      "Examples:\n"
      "  bench train --workload W1 W4\n"
      "  bench train --workload W2 --precision bf16\n"
      "  bench train --workload W2 --threads 1 --json");
  command->callback([options] { train(*options); });
}

}  // namespace bench
