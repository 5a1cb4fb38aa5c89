// Routing: rows sent to the parts of a layer that suit them best, and their results put together again. The dispatch
// itself is gather_rows (embedding.h).
#pragma once

#include <tape/core/tensor.h>

namespace tape::inline TAPE_ABI {

/// The places of the k largest numbers of each row, largest first; of equal numbers the one further left counts as
/// larger. x (…, E) → (…, k). Has no gradient. Throws Error unless 1 ≤ k ≤ E.
Ids top_k(const Tensor& x, int64_t k, Where where = Where::here());

/// Numbers chosen from each row: y_rj = x_(r, ids_rj). x (…, E), ids (…, K) with the same leading sizes → (…, K). A
/// place may be chosen several times. Throws Error that names the first id outside 0…E-1.
Tensor gather_last(const Tensor& x, const Ids& ids, Where where = Where::here());

/// Weighted sums of chosen rows: y_r = Σ_j weights_rj · x_(rows_rj). x (N, C), rows (…, K), weights (…, K) → (…, C). A
/// row may be chosen several times or never. Saves x and weights. Throws Error that names the first row outside 0…N-1.
Tensor combine_rows(const Tensor& x, const Ids& rows, const Tensor& weights, Where where = Where::here());

}  // namespace tape::inline TAPE_ABI
