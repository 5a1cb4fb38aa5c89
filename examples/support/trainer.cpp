#include <tape/examples/support/trainer.h>

#include <algorithm>
#include <array>
#include <cmath>

#include <tape/core/ops.h>
#include <tape/examples/support/checkpoint.h>
#include <tape/examples/support/masked_batches.h>
#include <tape/examples/support/pair_batches.h>
#include <tape/examples/support/text_batches.h>
#include <tape/optim/clip.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

const RunConfig& checked(const RunConfig& config) {
  check(config);
  nn::check(config.model, config.architecture);
  return config;
}

// What tells the run from others whose values would fit, too: its text and its seed.
std::string name_of_run(const RunConfig& config) {
  return str(config.text.fingerprint, "-", config.recipe.seed);
}

std::unique_ptr<const BatchSource> batches(const RunConfig& c, Corpus corpus) {
  const BatchOptions options{.context = c.model.context,
                             .vocab = c.model.vocab,
                             .validation_rows = c.recipe.validation_windows,
                             .seed = Seed{c.recipe.seed},
                             .path = c.text.path};
  if (learns_pairs(c.architecture))
    return std::make_unique<PairBatches>(std::get<std::vector<Pair>>(std::move(corpus)), options);
  auto tokens = std::get<std::vector<int32_t>>(std::move(corpus));
  if (c.architecture == nn::Architecture::EncoderOnly)
    return std::make_unique<MaskedBatches>(std::move(tokens), options);
  return std::make_unique<TextBatches>(std::move(tokens), options);
}

// The balance of a mixture of experts is one of a whole batch.
bool computes_in_shards(const RunConfig& c, const ParameterList& parameters) {
  return c.model.mixture.experts == 0 &&
         Shards::pay(c.recipe.batch, c.recipe.batch * c.model.context, c.model.width, nn::count(parameters));
}

}  // namespace

Trainer::Trainer(const RunConfig& config, Corpus corpus)
    : config_(checked(config)),
      data_(batches(config, std::move(corpus))),
      model_(config.architecture, config.model, Seed{config.recipe.seed}),
      parameters_(nn::parameters(model_)),
      optimizer_(make_optimizer(config.recipe, parameters_)),
      schedule_(make_schedule(config.recipe)),
      plateau_(make_plateau(config.recipe)),
      in_shards_(computes_in_shards(config, parameters_)) {
  nn::set_precision(parameters_, config.recipe.precision);
  optimizer_->reserve();
  if (config.recipe.ema > 0)
    ema_ = std::make_unique<optim::Ema>(parameters_, optim::EmaOptions{.decay = config.recipe.ema, .warmup = true});
}

void Trainer::compute_gradients(StepResult& result, Watch* watch, const std::function<bool()>& stop) {
  const Recipe& r = config_.recipe;
  // Batches may differ in how many targets they have: all are counted before the first is weighed. They are drawn twice
  // rather than kept.
  int64_t targets = 0;
  for (int64_t i = 0; i < r.accumulate; ++i) {
    const Batch batch = data_->training(r.batch, steps_ * r.accumulate + i);
    targets += count_targets(batch.target);
    result.tokens += count_tokens(batch);
  }
  for (int64_t i = 0; i < r.accumulate; ++i) {
    if (stop && stop()) {
      result.stopped = true;
      return;
    }
    const int64_t index = steps_ * r.accumulate + i;
    const Batch batch = data_->training(r.batch, index);
    if (in_shards_) {
      std::array<double, Shards::count> losses{};
      const auto compute = [&](int shard) {
        losses[static_cast<std::size_t>(shard)] =
            backward(shard_of(batch, shard), index * Shards::count + shard, targets, watch);
      };
      shards_.run(compute, watch != nullptr);
      result.loss += losses[0] + losses[1];
    } else {
      result.loss += backward(batch, index, targets, watch);
    }
    if (watch) watch->loss(result.loss);
  }
  if (watch) watch->gradients();
}

double Trainer::backward(const Batch& batch, int64_t dropout, int64_t targets, Watch* watch) {
  const Recipe& r = config_.recipe;
  std::optional<Probe> probe;
  if (watch) probe.emplace(watch->batch(), ProbeOptions{.gradients = watch->is_thorough()});
  Tape tape;
  nn::AuxiliaryLosses auxiliary;
  // Without a name for the scores, so that their gradient can take their place.
  Tensor loss = cross_entropy(model_(batch, nn::training(dropout, Seed{r.seed}).collecting(auxiliary)), batch.target,
                              {.divisor = static_cast<double>(targets)});
  const auto value = static_cast<double>(loss.item());
  if (auxiliary.count() > 0) loss = loss + scale(auxiliary.total(), 1 / static_cast<double>(r.accumulate));
  tape.backward(loss);
  return value;
}

StepResult Trainer::step(Watch* watch, const std::function<bool()>& stop) {
  const Recipe& r = config_.recipe;
  StepResult result{.rate = schedule_(steps_) * (plateau_ ? plateau_->lr() : 1)};
  if (watch) watch->begin(steps_ + 1);
  compute_gradients(result, watch, stop);
  if (result.stopped) {
    optimizer_->zero_grad();
    return {.rate = result.rate, .stopped = true};
  }
  result.gradient_norm = r.clip > 0 ? optim::clip_grad_norm(*optimizer_, r.clip) : optim::grad_norm(parameters_);
  result.finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (!result.finite) {
    optimizer_->zero_grad();
    return result;
  }
  optimizer_->step(result.rate);
  if (watch) watch->updated();
  if (ema_) ema_->update();
  ++steps_;
  return result;
}

void Trainer::examine(Watch& watch) {
  StepResult ignored;
  watch.begin(steps_ + 1, true);
  compute_gradients(ignored, &watch);
  optimizer_->zero_grad();
}

optim::ValueScope Trainer::evaluation() const {
  return ema_ ? ema_->values() : optimizer_->evaluation();
}

double Trainer::validation_loss() const {
  const optim::ValueScope scope = evaluation();
  double sum = 0;
  int64_t targets = 0;
  for (int64_t first = 0; first < data_->validation_rows(); first += config_.recipe.batch) {
    const Batch batch = data_->validation(first, config_.recipe.batch);
    const int64_t count = count_targets(batch.target);
    sum += static_cast<double>(cross_entropy(model_(batch, nn::evaluation()), batch.target).item()) *
           static_cast<double>(count);
    targets += count;
  }
  return sum / static_cast<double>(targets);
}

void Trainer::observe(double validation_loss) {
  if (plateau_) plateau_->observe(validation_loss);
}

void Trainer::save(const std::string& path) const {
  save_checkpoint(path, parameters_, *optimizer_, ema_.get(), steps_, name_of_run(config_),
                  plateau_ ? &*plateau_ : nullptr);
}

void Trainer::load(const std::string& path) {
  steps_ = load_checkpoint(path, parameters_, *optimizer_, ema_.get(), name_of_run(config_),
                           plateau_ ? &*plateau_ : nullptr);
}

}  // namespace tape::inline TAPE_ABI::tool
