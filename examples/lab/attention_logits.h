// Attention logits: what softmax sees.
#pragma once

#include <tape/nn/gpt.h>

namespace tape::inline TAPE_ABI::lab {

/// The largest q·k/√(head size), and at least 0, over all layers, heads and pairs of a query with a key that is not
/// after it, when `model` reads ids (B, T). Infinite as soon as one is not finite. Wortsman et al. 2023, arXiv
/// 2309.14322, section 3.1.
double largest_logit(const nn::GPT& model, const Ids& ids);

}  // namespace tape::inline TAPE_ABI::lab
