// Parameter groups: one optimizer with other settings for some of the parameters.
//
//   optim::AdamW adamw(nn::parameters(gpt), {.weight_decay = 0.1,
//                                            .groups = {{.matches = optim::named("*embedding*"), .weight_decay = 0},
//                                                       {.matches = optim::named("*.mlp.*"), .rate = 0.25}}});
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tape/core/parameter.h>

namespace tape::inline TAPE_ABI::optim {

/// Says something about a parameter, by name, shape or flags.
using Predicate = std::function<bool(const Leaf&)>;

/// The settings of those parameters that `matches` accepts.
struct ParameterGroup {
  Predicate matches;
  double rate = 1;                       ///< multiplies the learning rate, as muP's rates by width do
  std::optional<double> weight_decay{};  ///< replaces the optimizer's λ, for those of the group that decay at all
};

/// The first group that matches counts. Those that match none have rate 1 and the optimizer's λ.
using ParameterGroups = std::vector<ParameterGroup>;

/// Accepts parameters whose name fits the pattern, where * stands for any characters: "blocks.*.attn.*".
Predicate named(std::string pattern);

/// For each parameter the place of its group, or groups.size() when none matches. Throws Error that starts with `who`
/// for a rate or weight decay that is negative or not finite, an empty predicate, and a group that gets no parameter:
/// its pattern has a typing error, or those before it left nothing.
std::vector<std::size_t> assign_groups(const std::string& who, const ParameterList& parameters,
                                       const ParameterGroups& groups);

}  // namespace tape::inline TAPE_ABI::optim
