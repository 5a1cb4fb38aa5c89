#include <tape/optim/plateau.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include <tape/optim/arguments.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

// The shortest digits that are read back as the same number.
template <class Number>
std::string digits_of(Number number) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, number).ptr);
}

// Reads one number and the space after it, if there is one. False when there is no number.
template <class Number>
bool take(const char*& at, const char* end, Number& number) {
  const auto [next, code] = std::from_chars(at, end, number);
  at = next != end && *next == ' ' ? next + 1 : next;
  return code == std::errc{};
}

}  // namespace

Plateau::Plateau(double lr, const PlateauOptions& options) : options_(options), lr_(lr) {
  const Arguments arguments("Plateau");
  arguments.positive("lr", lr).steps("patience", options.patience).steps("cooldown", options.cooldown);
  arguments.require(options.factor > 0 && options.factor < 1, "factor", "above 0 and below 1", options.factor);
  arguments.not_negative("threshold", options.threshold).not_negative("eps", options.eps);
  arguments.not_negative("floor", options.floor);
  arguments.require(options.floor <= lr, "floor", str("at most lr, ", lr), options.floor);
}

bool Plateau::improves(double loss) const {
  if (!options_.relative) return loss < best_ - options_.threshold;
  return loss < best_ * (options_.maximize ? 1 + options_.threshold : 1 - options_.threshold);
}

bool Plateau::observe(double loss) {
  const double cost = options_.maximize ? -loss : loss;
  if (improves(cost)) {
    best_ = cost;
    bad_ = 0;
  } else {
    ++bad_;
  }
  if (cooldown_ > 0) {
    --cooldown_;
    bad_ = 0;
  }
  if (bad_ <= options_.patience) return false;
  bad_ = 0;
  cooldown_ = options_.cooldown;
  const double lower = std::max(lr_ * options_.factor, options_.floor);
  const bool falls = lr_ - lower > options_.eps;
  if (falls) lr_ = lower;
  return falls;
}

std::string Plateau::state() const {
  return digits_of(lr_) + " " + digits_of(best_) + " " + digits_of(bad_) + " " + digits_of(cooldown_);
}

void Plateau::load_state(const std::string& state) {
  Plateau loaded = *this;
  const char* at = state.data();
  const char* const end = at + state.size();
  const bool read = take(at, end, loaded.lr_) && take(at, end, loaded.best_) && take(at, end, loaded.bad_) &&
                    take(at, end, loaded.cooldown_);
  const bool possible = loaded.lr_ > 0 && std::isfinite(loaded.lr_) && !std::isnan(loaded.best_) && loaded.bad_ >= 0 &&
                        loaded.cooldown_ >= 0;
  if (!read || !possible || loaded.state() != state)
    throw Error(str("Plateau: \"", state, "\" is not a state of it: it must be \"lr best bad cooldown\""));
  *this = loaded;
}

}  // namespace tape::inline TAPE_ABI::optim
