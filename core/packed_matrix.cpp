#include <tape/core/packed_matrix.h>

namespace tape::inline TAPE_ABI {

PackedMatrix::PackedMatrix(int64_t rows, int64_t columns)
    : rows_(rows),
      columns_(columns),
      memory_(Storage::of<bf16_pair>(packed_size<bf16_pair>(columns, rows) + packed_size<bf16_pair>(rows, columns))) {}

int64_t PackedMatrix::panel_count() const {
  return panels_across(rows_) + panels_across(columns_);
}

void PackedMatrix::pack(const real* matrix, int64_t i) const {
  const ConstMatrix w(matrix, rows_, columns_);
  auto* const room = memory_.as<bf16_pair>();
  const int64_t turned = panels_across(rows_);
  if (i < turned) {
    pack_panel(Transpose::yes, w, i, room);
  } else {
    pack_panel(Transpose::no, w, i - turned, room + packed_size<bf16_pair>(columns_, rows_));
  }
}

Panels<bf16_pair> PackedMatrix::panels(Transpose transpose) const {
  const auto* const room = memory_.as<bf16_pair>();
  const int64_t turned = depth<bf16_pair>(columns_);
  const int64_t straight = depth<bf16_pair>(rows_);
  if (transpose == Transpose::yes) return {room, turned, turned * panel};
  return {room + packed_size<bf16_pair>(columns_, rows_), straight, straight * panel};
}

}  // namespace tape::inline TAPE_ABI
