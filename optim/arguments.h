// Checks of the arguments of a schedule's maker, with messages that name maker and argument:
// "cosine: floor must be at most the peak, 1, not 2".
#pragma once

#include <cmath>
#include <cstdint>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::optim {

class Arguments {
 public:
  explicit Arguments(const char* maker) : maker_(maker) {}

  const Arguments& steps(const char* name, int64_t value, int64_t least = 0) const {
    return require(value >= least, name, str("at least ", least), static_cast<double>(value));
  }
  const Arguments& positive(const char* name, double value) const {
    return require(value > 0 && std::isfinite(value), name, "a finite number above 0", value);
  }
  const Arguments& not_negative(const char* name, double value) const {
    return require(value >= 0 && std::isfinite(value), name, "a finite number of at least 0", value);
  }
  const Arguments& between(const char* name, double value, double least, double most) const {
    return require(value >= least && value <= most, name, str("at least ", least, " and at most ", most), value);
  }
  const Arguments& peak_and_floor(double peak, double floor) const {
    positive("peak", peak).not_negative("floor", floor);
    return require(floor <= peak, "floor", str("at most the peak, ", peak), floor);
  }
  const Arguments& require(bool holds, const char* name, const std::string& rule, double value) const {
    if (!holds) throw Error(str(maker_, ": ", name, " must be ", rule, ", not ", value));
    return *this;
  }

 private:
  const char* maker_;
};

}  // namespace tape::inline TAPE_ABI::optim
