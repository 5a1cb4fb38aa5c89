// bench sample: tokens a second of a text that grows with a key-value cache, beside the floor of reading all weights
// once for each token.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include <tape/nn/gpt.h>

#include "commands.h"
#include "floors.h"
#include "measure.h"

namespace bench {

namespace {

using namespace tape;
using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> names{"W1", "W2", "W3", "W4"};
  std::vector<int64_t> batches{1, 8};
  bool json = false;
};

// Median milliseconds of reading one more token, over texts that fill the context.
double token_ms(const nn::GPT& gpt, int64_t batch) {
  const Ids token({batch, 1});
  std::vector<double> ms;
  const double start = now_ms();
  for (int text = 0; text < 3 || (text < 30 && now_ms() - start < 3000); ++text) {
    nn::KeyValueCache cache(gpt.config().context);
    const nn::Context context = nn::evaluation().remembering(cache);
    for (int64_t t = 0; t < gpt.config().context; ++t) {
      const double before = now_ms();
      gpt(token, context);
      if (text > 0) ms.push_back(now_ms() - before);
    }
  }
  return summary(std::move(ms)).median;
}

void run(const Options& o) {
  const double bandwidth = copy_bandwidth(256, 1);
  Json all = Json::array();
  if (!o.json) fmt::print("copying 256 MiB: {:.1f} GB/s\n", bandwidth);
  for (const std::string& name : o.names) {
    const Workload& w = workload(name);
    const nn::GPT gpt(w.model, Seed{1});
    const double bytes = sizeof(real) * static_cast<double>(nn::count_parameters(gpt));
    const double floor = bytes / bandwidth / 1e6;
    for (const int64_t batch : o.batches) {
      const double ms = token_ms(gpt, batch);
      const double speed = 1000 * static_cast<double>(batch) / ms;
      all.push_back({{"workload", name}, {"batch", batch}, {"ms", ms}, {"tokens_per_s", speed}, {"floor_ms", floor}});
      if (o.json) continue;
      fmt::print("{} batch {:>2}: {:>8.3f} ms a step, {:>9.0f} tokens/s; reading {:.1f} MiB of weights: {:.3f} ms\n",
                 name, batch, ms, speed, bytes / (1 << 20), floor);
    }
  }
  if (o.json) fmt::print("{}\n", all.dump(2));
}

}  // namespace

void add_sample(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("sample", "Tokens a second of a growing text, beside the bandwidth floor");
  add_workloads(*command, options->names, "W1 … W4, one or several");
  command->add_option("--batch", options->batches, "Texts at once, one or several numbers")
      ->check(from_to<int64_t>(1, 4096))
      ->delimiter(',')
      ->type_name("INT")
      ->capture_default_str();
  add_common(*command, options->json);
  command->footer(
      "The floor is the time in which the bandwidth of copying would read all weights once. Weights that fit the\n"
      "processor's cache, as those of W1 and W4, can be faster.\n\n"
      "Examples:\n"
      "  bench sample --batch 1\n"
      "  bench sample --workload W2 --batch 1 8 32");
  command->callback([options] { run(*options); });
}

}  // namespace bench
