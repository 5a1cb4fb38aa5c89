#include <tape/examples/lab/experiment.h>

#include <algorithm>

#include <tape/core/error.h>
#include <tape/core/name_list.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

// A function's variable, since registrations of other files may run first.
std::vector<Experiment>& list() {
  static std::vector<Experiment> all;
  return all;
}

}  // namespace

Registration::Registration(Experiment experiment) {
  const auto after = std::ranges::upper_bound(list(), experiment.place, {}, &Experiment::place);
  list().insert(after, std::move(experiment));
}

const std::vector<Experiment>& experiments() {
  return list();
}

const Experiment& experiment(std::string_view name) {
  std::vector<std::string_view> known;
  for (const Experiment& e : list()) {
    if (e.name == name) return e;
    known.emplace_back(e.name);
  }
  throw Error(str("unknown experiment \"", name, "\": ", choices_for(name, known)));
}

std::vector<Cell> grid(const std::vector<Sweep>& sweeps, const Fields& fixed) {
  std::vector<Cell> cells{Cell{}};
  for (const Sweep& sweep : sweeps) {
    std::vector<Cell> longer;
    for (const Cell& cell : cells) {
      for (const Value& value : sweep.values) longer.push_back(cell.with(sweep.field, value));
    }
    cells = std::move(longer);
  }
  for (Cell& cell : cells) {
    for (const Fields::Entry& entry : fixed.entries()) cell.set(entry.first, entry.second);
  }
  return cells;
}

std::vector<Cell> cells_of(const Experiment& e, Size size, int seeds) {
  if (seeds == 0) seeds = size == Size::quick ? e.seeds_quick : e.seeds_full;
  std::vector<Cell> all;
  for (const Cell& cell : e.cells(size)) {
    for (int seed = 1; seed <= seeds; ++seed) all.push_back(cell.with("seed", seed));
  }
  return all;
}

}  // namespace tape::inline TAPE_ABI::lab
