#include <tape/core/error.h>
#include <tape/core/onednn.h>

namespace tape::inline TAPE_ABI::onednn {

std::string description() {
  return {};
}

std::string share() {
  return {};
}

bool is_faster(Transpose, Transpose, int64_t, int64_t) {
  return false;
}

bool sgemm(Transpose, Transpose, int64_t, int64_t, int64_t, real, const real*, int64_t, const real*, int64_t, real,
           real*, int64_t) {
  return false;
}

bool has_bf16() {
  return false;
}

bool has_amx() {
  return false;
}

std::shared_ptr<const PreparedProduct> prepare(const ProductForm&) {
  throw Error("onednn::prepare: this build has no oneDNN");
}

}  // namespace tape::inline TAPE_ABI::onednn
