// Plateau: a learning rate that falls when the validation loss stops falling. It listens to the run, so that it is no
// Schedule: it has a memory, which must be saved and restored.
//
//   Plateau plateau(1e-3, {.patience = 3});
//   const Schedule warm = warmup(200, 1);              // a factor
//   for (int64_t step = 0; step < 5000; ++step) {
//     … optimizer.step(warm(step) * plateau.lr());
//     if (step % 100 == 99) plateau.observe(validation_loss());
//   }
//
// It counts as PyTorch's ReduceLROnPlateau does: observe(loss) is its step(loss).
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include <tape/core/error.h>

namespace tape::inline TAPE_ABI::optim {

struct PlateauOptions {
  double factor = 0.1;      ///< the rate is multiplied by this; above 0 and below 1
  int64_t patience = 10;    ///< so many observations in a row without improvement are put up with; at the next it falls
  double threshold = 1e-4;  ///< an improvement is at least this large
  bool relative = true;     ///< as a share of the best loss so far; otherwise as a difference
  bool maximize = false;    ///< larger is better, as with an accuracy
  int64_t cooldown = 0;     ///< observations after a fall that are not counted as bad
  double floor = 0;         ///< the rate never falls below this: min_lr
  double eps = 1e-8;        ///< a fall by no more than this is left out
};

class Plateau {
 public:
  /// Throws Error that names the argument: an lr that is not above 0, a factor outside of 0 … 1, a floor above lr, and
  /// what is negative.
  explicit Plateau(double lr, const PlateauOptions& options = {});

  /// The learning rate after all observations so far.
  double lr() const { return lr_; }
  /// Takes note of a loss; returns whether the rate fell. A loss that is not a number is no improvement.
  bool observe(double loss);

  /// All it remembers, "lr best bad cooldown", with numbers that are read back to the same bits.
  std::string state() const;
  /// Puts it where the one was that `state` came from. Throws Error, having changed nothing, for any other text.
  void load_state(const std::string& state);

 private:
  bool improves(double loss) const;

  PlateauOptions options_;
  double lr_;
  double best_ = std::numeric_limits<double>::infinity();  // of a loss to be maximized: of its negative
  int64_t bad_ = 0;                                        // observations without improvement
  int64_t cooldown_ = 0;                                   // observations left of it
};

}  // namespace tape::inline TAPE_ABI::optim
