// A weight in bf16, packed once for all products of a step that multiply with it.
#pragma once

#include <tape/core/panels.h>
#include <tape/core/storage.h>

namespace tape::inline TAPE_ABI {

/// A matrix W (O, I) of even sizes, rounded, in panels for x·Wᵀ and in others for dy·W. Copies share them.
class PackedMatrix {
 public:
  PackedMatrix() = default;
  /// Room for it; its panels are to be packed.
  PackedMatrix(int64_t rows, int64_t columns);

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  explicit operator bool() const { return static_cast<bool>(memory_); }

  int64_t panel_count() const;
  /// Rounds and packs panel 0 ≤ i < panel_count() of `matrix`, whose rows follow each other, on the calling thread.
  void pack(const real* matrix, int64_t i) const;
  /// The second factor Wᵀ (I, O), or W (O, I).
  Panels<bf16_pair> panels(Transpose transpose) const;

 private:
  int64_t rows_ = 0, columns_ = 0;
  Storage memory_;
};

}  // namespace tape::inline TAPE_ABI
