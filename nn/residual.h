// Where the norm sits: the second of the two independent choices about normalisation (the first is in norm.h). f is a
// branch: attention or feed-forward. Each block applies the rule twice.
//
//   Post-LN    norm(x + f(x))        Vaswani et al. 2017. The stream is normalised after every branch.
//   Pre-LN     x + f(norm(x))        Xiong et al. 2020, arXiv 2002.04745. The skip connection stays clean, the stream
//                                    grows with depth, and one final norm before the head is part of the scheme.
//   DeepNorm   norm(α·x + f(x))      Wang et al. 2022, arXiv 2203.00555. α > 1 is on the skip, never on f, and the
//   weights
//                                    of feed-forward, value and output projections start with gain β < 1.
//
// To add a scheme: a name in Scheme, a line in residual(), a row in scheme_constants (residual.cpp).
#pragma once

#include <string_view>

#include <tape/core/ops/elementwise.h>
#include <tape/nn/init.h>
#include <tape/nn/norm.h>

namespace tape::inline TAPE_ABI::nn {

enum class Scheme { PostLN, PreLN, DeepNorm };
/// "post", "pre" or "deepnorm". The second function throws Error for another name, listing these.
std::string_view name_of(Scheme scheme);
Scheme scheme(std::string_view name);

/// What a scheme asks for in a stack of `layers` blocks (encoder-only or decoder-only).
struct SchemeConstants {
  double alpha = 1;         ///< gain of the skip connection
  double beta = 1;          ///< gain of feed-forward, value and output weights; queries and keys keep 1
  bool final_norm = false;  ///< one more norm after the last block
};

/// DeepNorm: α = (2·layers)^¼, β = (8·layers)^-¼ (table in section 4.1 of the paper); the others are 1.
SchemeConstants scheme_constants(Scheme scheme, int64_t layers);

/// The first values that go with a scheme. Pre-LN: normal 0.02, with the two projections that write to the stream
/// scaled by 1/√(2·layers), as in GPT-2. Post-LN and DeepNorm: Xavier normal, with gain β where it belongs.
WeightInit scheme_init(Scheme scheme, int64_t layers);

/// One residual step: the rule of the scheme. f maps a tensor (B, T, C) to one of the same shape.
template <class Branch>
Tensor residual(Scheme scheme, double alpha, const Norm& norm, const Tensor& x, const Branch& f,
                Where where = Where::here()) {
  switch (scheme) {
    case Scheme::PostLN:
      return norm(add(x, f(x), where), where);
    case Scheme::PreLN:
      return add(x, f(norm(x, where)), where);
    case Scheme::DeepNorm:
      return norm(axpy(alpha, x, f(x), where), where);
  }
  return x;
}

}  // namespace tape::inline TAPE_ABI::nn
