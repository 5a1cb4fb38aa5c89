// The lab's data: DIR/NAME.jsonl, one line for each cell that was measured:
//
//   {"experiment":"gradient-depth","version":1,"cell":{"scheme":"post",…,"seed":1},"result":{"gradient":1.61}}
//
// A line is written whole and forced onto the disk before the next cell begins, so that a run can be killed at any
// moment and loses no more than the cells in progress. A last line that a crash cut off is dropped.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/lab/experiment.h>

namespace tape::inline TAPE_ABI::lab {

std::string data_path(const std::string& folder, const Experiment& experiment);

/// The rows of an experiment's file; none when there is no file. Throws Error that names the file and the line for one
/// that is damaged, is of another version, or has a cell that this experiment does not measure.
std::vector<Row> read_rows(const std::string& folder, const Experiment& experiment);

class Store {
 public:
  /// Opens the file to append to it, and drops a last line that was cut off. Throws Error where read_rows does, and
  /// when the file can not be written.
  Store(const std::string& folder, const Experiment& experiment);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  /// What the file had when it was opened, and what was appended since.
  const std::vector<Row>& rows() const { return rows_; }
  /// Appends a line, which is on the disk when this returns. Throws Error when it can not be written.
  void append(const Cell& cell, const Fields& result);
  /// Puts all lines into the order of the experiment's full grid, seed after seed: the same data make the same file,
  /// in whatever order they were measured.
  void sort();

 private:
  std::string line_of(const Row& row) const;

  std::string path_;
  const Experiment& experiment_;
  std::vector<Row> rows_;
  int descriptor_ = -1;
};

}  // namespace tape::inline TAPE_ABI::lab
