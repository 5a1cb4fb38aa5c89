// Schedules against PyTorch's schedulers and the formulas of Hugging Face and of papers, in every one of 100 steps.
// A schedule computes in double in both builds; only this one can read the golden numbers without rounding them.
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <tape/core/safetensors.h>
#include <tape/optim/schedule.h>

#include "catch.h"

namespace tape::inline TAPE_ABI::test {

TEST_CASE("schedules agree with PyTorch and Hugging Face in every step", "[schedule]") {
  using namespace optim;
  const std::vector<std::pair<std::string, Schedule>> schedules = {
      {"constant", constant(1e-3, 20).then(constant(4e-3))},
      {"warmup", warmup(40, 4e-3, 1e-3)},
      {"linear", linear(60, 2e-3, 2e-4)},
      {"cosine", cosine(99, 1e-3, 1e-4)},
      {"polynomial", polynomial(70, 1e-3, 0, 2)},
      {"polynomial_line", polynomial(99, 1e-3, 0)},
      {"step_decay", step_decay(1e-2, 13, 0.5)},
      {"exponential", exponential(1e-2, 0.97)},
      {"linear_then_cosine", warmup(10, 1e-3, 1e-4).then(cosine(90, 1e-3, 1e-5))},
      {"three", warmup(10, 1e-3, 2e-4).then(constant(1e-3, 30)).then(exponential(1e-3, 0.95))},
      {"noam", noam(64, 30, 2)},
      {"huggingface_cosine", warmup(20, 1e-3, 0).then(cosine(80, 1e-3))},
      {"huggingface_inverse_sqrt", warmup(16, 1e-3, 0).then(inverse_sqrt(1e-3, 16))},
      {"huggingface_polynomial", warmup(10, 1e-3, 0).then(polynomial(70, 1e-3, 1e-5, 3))},
      {"nanogpt", warmup(12, 6e-4, 6e-4 / 13).then(cosine(78, 6e-4, 6e-5))},
      {"stable_linear", warmup_stable_decay(10, 50, 30, 3e-3, 3e-4)},
      {"stable_cosine", warmup_stable_decay(10, 50, 30, 3e-3, 3e-4, DecayShape::cosine)},
      {"stable_square_root", warmup_stable_decay(10, 50, 30, 3e-3, 3e-4, DecayShape::square_root)},
  };
  const auto file = SafetensorsFile::open(TAPE_GOLDEN_DIR "/schedule.safetensors");
  CHECK(file.names().size() == schedules.size());
  for (const auto& [name, schedule] : schedules) {
    const Tensor golden = file.read(name);
    REQUIRE(golden.size() == 100);
    double worst = 0;
    for (int64_t step = 0; step < 100; ++step) {
      worst = std::max(worst, std::abs(schedule(step) - golden.data()[step]));
    }
    INFO(name);
    CHECK(worst < 1e-15);  // PyTorch multiplies its way from step to step, and rounds as often; rates are up to 0.06
  }
}

}  // namespace tape::inline TAPE_ABI::test
