#include <tape/optim/groups.h>

#include <algorithm>
#include <cmath>

#include <tape/core/error.h>
#include <tape/core/pattern.h>

namespace tape::inline TAPE_ABI::optim {

namespace {

void require_usable(const std::string& who, std::size_t place, const char* what, double value) {
  if (value >= 0 && std::isfinite(value)) return;
  throw Error(str(who, ": ", what, " of group ", place, " must be a finite number of at least 0, not ", value));
}

}  // namespace

Predicate named(std::string pattern) {
  return [pattern = std::move(pattern)](const Leaf& leaf) { return matches_pattern(leaf.name, pattern); };
}

std::vector<std::size_t> assign_groups(const std::string& who, const ParameterList& parameters,
                                       const ParameterGroups& groups) {
  for (std::size_t place = 0; place < groups.size(); ++place) {
    if (!groups[place].matches) throw Error(str(who, ": group ", place, " does not say which parameters it matches"));
    require_usable(who, place, "rate", groups[place].rate);
    require_usable(who, place, "weight_decay", groups[place].weight_decay.value_or(0));
  }
  std::vector<std::size_t> places;
  for (const LeafPtr& leaf : parameters) {
    const auto accepts = [&leaf](const ParameterGroup& group) { return group.matches(*leaf); };
    places.push_back(static_cast<std::size_t>(std::find_if(groups.begin(), groups.end(), accepts) - groups.begin()));
  }
  for (std::size_t place = 0; place < groups.size(); ++place) {
    if (std::find(places.begin(), places.end(), place) != places.end()) continue;
    throw Error(str(who, ": group ", place, " gets no parameter: it matches none that no group before it has"));
  }
  return places;
}

}  // namespace tape::inline TAPE_ABI::optim
