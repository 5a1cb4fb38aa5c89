// What the data in a folder say about each experiment's claims.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/lab/experiment.h>

namespace tape::inline TAPE_ABI::lab {

struct Assessment {
  const Experiment* experiment = nullptr;
  Results results;
  std::vector<Finding> findings;  ///< of the experiment's claims, in their order
};

/// "36 cells, 3 seeds": how much was measured.
Text size_of(const Results& results);

/// One for each experiment, those without data too. Throws Error for damaged data.
std::vector<Assessment> assess(const std::string& folder);

}  // namespace tape::inline TAPE_ABI::lab
