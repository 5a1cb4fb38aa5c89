#include <tape/examples/support/trainer.h>

#include <algorithm>
#include <cmath>

#include <tape/core/ops.h>
#include <tape/examples/support/checkpoint.h>
#include <tape/optim/clip.h>

namespace tape::inline TAPE_ABI::tool {

namespace {

const RunConfig& checked(const RunConfig& config) {
  check(config);
  return config;
}

}  // namespace

Trainer::Trainer(const RunConfig& config, std::vector<int32_t> tokens)
    : config_(checked(config)),
      data_(std::move(tokens), Seed{config.recipe.seed}),
      model_(config.model, Seed{config.recipe.seed}),
      parameters_(nn::parameters(model_)),
      optimizer_(make_optimizer(config.recipe, parameters_)),
      schedule_(make_schedule(config.recipe)),
      plateau_(make_plateau(config.recipe)) {
  if (config.recipe.ema > 0)
    ema_ = std::make_unique<optim::Ema>(parameters_, optim::EmaOptions{.decay = config.recipe.ema, .warmup = true});
  data_.require_windows(config.model.context, config.text.path);
  validation_starts_ = data_.validation_starts(config.model.context, config.recipe.validation_windows);
}

StepResult Trainer::step() {
  const Recipe& r = config_.recipe;
  StepResult result{.rate = schedule_(steps_) * (plateau_ ? plateau_->lr() : 1)};
  for (int64_t i = 0; i < r.accumulate; ++i) {
    const int64_t index = steps_ * r.accumulate + i;
    const Batch batch = data_.batch(r.batch, config_.model.context, index);
    Tape tape;
    const Tensor scores = model_(batch.input, nn::training(index, Seed{r.seed}));
    const Tensor loss = scale(cross_entropy(scores, batch.target), 1 / static_cast<double>(r.accumulate));
    result.loss += static_cast<double>(loss.item());
    tape.backward(loss);
  }
  result.gradient_norm = r.clip > 0 ? optim::clip_grad_norm(*optimizer_, r.clip) : optim::grad_norm(parameters_);
  result.finite = std::isfinite(result.loss) && std::isfinite(result.gradient_norm);
  if (!result.finite) {
    optimizer_->zero_grad();
    return result;
  }
  optimizer_->step(result.rate);
  if (ema_) ema_->update();
  ++steps_;
  return result;
}

optim::ValueScope Trainer::evaluation() const {
  return ema_ ? ema_->values() : optimizer_->evaluation();
}

double Trainer::validation_loss() const {
  const optim::ValueScope scope = evaluation();
  const auto rows = static_cast<std::size_t>(config_.recipe.batch);
  double sum = 0;
  for (std::size_t first = 0; first < validation_starts_.size(); first += rows) {
    const std::size_t count = std::min(rows, validation_starts_.size() - first);
    const Batch batch =
        data_.validation_batch(std::span(validation_starts_).subspan(first, count), config_.model.context);
    const Tensor loss = cross_entropy(model_(batch.input, nn::evaluation()), batch.target);
    sum += static_cast<double>(loss.item()) * static_cast<double>(count);
  }
  return sum / static_cast<double>(validation_starts_.size());
}

void Trainer::observe(double validation_loss) {
  if (plateau_) plateau_->observe(validation_loss);
}

int64_t Trainer::tokens_per_step() const {
  return config_.recipe.batch * config_.recipe.accumulate * config_.model.context;
}

void Trainer::save(const std::string& path) const {
  save_checkpoint(path, parameters_, *optimizer_, ema_.get(), steps_, plateau_ ? &*plateau_ : nullptr);
}

void Trainer::load(const std::string& path) {
  steps_ = load_checkpoint(path, parameters_, *optimizer_, ema_.get(), plateau_ ? &*plateau_ : nullptr);
}

}  // namespace tape::inline TAPE_ABI::tool
