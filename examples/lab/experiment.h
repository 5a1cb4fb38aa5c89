// Experiment: what is asked, the cells that answer it, how one cell is measured, and what follows. Each stands in a
// file of its own under experiments/. To add one:
//
//   1. copy experiments/text_warmup.cpp, which has all the parts in under 60 lines, to experiments/NAME.cpp
//   2. give it a .name and a .place that no other has, and your cells, figures, texts and claims. What trains a GPT on
//      one of the lab's data needs no measure function of its own (measures.h); norm_outliers.cpp has one
//   3. build, and `tapeformer lab run NAME`. Nothing else has to be changed: tests check that the texts are there in
//      both languages, that quick cells are among the full ones, and that claims do not hold without data
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tape/examples/lab/claim.h>
#include <tape/examples/lab/figure.h>

namespace tape::inline TAPE_ABI::lab {

/// A quick run measures a part of the cells of a full run, so that a full run goes on from a quick one.
enum class Size { quick, full };

struct Experiment {
  int place = 0;          ///< in the list and on the page
  std::string name = {};  ///< on the command line and of its file of data: letters, digits and hyphens
  Text title = {};
  Text question = {};       ///< what is asked, in a sentence or two
  Text setup = {};          ///< model, data and training, and where this is less than one would wish
  std::string source = {};  ///< of the question
  int version = 1;          ///< raised when the same cell would give other numbers: old data is then refused
  int seeds_quick = 3;      ///< at least 3
  int seeds_full = 3;
  bool alone = false;                                 ///< measures time: no two cells at once
  std::function<std::vector<Cell>(Size)> cells = {};  ///< without their seeds; those of quick among those of full
  std::function<double(const Cell&)> seconds = {};    ///< about how long a cell takes
  std::function<Fields(const Cell&)> measure = {};    ///< a pure function of the cell, unless it measures time
  std::function<std::vector<Figure>(const Results&)> figures = {};
  std::vector<Claim> claims = {};
};

/// All experiments, by their place.
const std::vector<Experiment>& experiments();
/// Throws Error for another name, listing these.
const Experiment& experiment(std::string_view name);

/// Adds an experiment to the list before main begins; declare one in the experiment's file.
struct Registration {
  explicit Registration(Experiment experiment);
};

/// One field of a cell and the values it takes.
struct Sweep {
  std::string field;
  std::vector<Value> values;
};
/// All combinations of the values of all fields; the last one changes fastest. Every cell has the `fixed` ones as well.
std::vector<Cell> grid(const std::vector<Sweep>& sweeps, const Fields& fixed = {});
/// The cells of a run: each of the experiment's with seed = 1 … seeds (0: the experiment's own number).
std::vector<Cell> cells_of(const Experiment& experiment, Size size, int seeds);

}  // namespace tape::inline TAPE_ABI::lab
