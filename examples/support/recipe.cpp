#include <tape/examples/support/recipe.h>

#include <cmath>

namespace tape::inline TAPE_ABI::tool {

namespace {

void require(bool holds, const char* field, const char* rule, double value) {
  if (!holds) throw Error(str(field, " must be ", rule, ", it is ", value));
}

void require_range(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most)
    throw Error(str(field, " must be at least ", least, " and at most ", most, ", it is ", value));
}

}  // namespace

void check(const Recipe& r) {
  constexpr int64_t many = 1'000'000'000;
  require_range("steps", r.steps, 1, many);
  require_range("batch", r.batch, 1, 1'000'000);
  require_range("accumulate", r.accumulate, 1, 1'000'000);
  require_range("validation_windows", r.validation_windows, 1, many);
  require(r.lr > 0 && r.lr <= 1e30, "lr", "a number above 0 and at most 1e30", r.lr);
  require(r.min_lr >= 0 && r.min_lr <= r.lr, "min-lr", "at least 0 and at most lr", r.min_lr);
  require(r.clip >= 0, "clip", "at least 0 (0 switches it off)", r.clip);
  check_schedule(r);
  check_optimizer(r);
}

}  // namespace tape::inline TAPE_ABI::tool
