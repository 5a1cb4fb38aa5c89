#include <tape/examples/lab/assessment.h>

#include <tape/examples/lab/store.h>

namespace tape::inline TAPE_ABI::lab {

std::vector<Assessment> assess(const std::string& folder) {
  std::vector<Assessment> all;
  for (const Experiment& e : experiments()) {
    all.push_back({&e, Results(read_rows(folder, e)), {}});
    for (const Claim& claim : e.claims) all.back().findings.push_back(judge(claim, all.back().results));
  }
  return all;
}

}  // namespace tape::inline TAPE_ABI::lab
