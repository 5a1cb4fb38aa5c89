// What a person sees while a program works. Where this is a courtesy, the work goes on when nobody can read it (a
// closed stream, a full disk); where it is all that was asked for, require_shown() tells.
#pragma once

#include <string_view>
#include <vector>

#include <string>

#include <tape/core/real.h>

namespace tape::inline TAPE_ABI::tool {

/// Prints text on standard output, at once.
void show(std::string_view text);
/// Prints a line on standard output, at once.
void say(std::string_view line);
/// Throws Error "can not write to standard output: …" when something that was printed, by these functions or any other,
/// could not be written.
void require_shown();

/// From here on the program is not ended by the end of who reads its standard output (SIGPIPE). The first print that
/// fails is told once on standard error, with `note`, which says what goes on.
void go_on_without_output(const std::string& note);

/// A status: on a terminal one line that is drawn again in place, elsewhere a new line now and then.
class StatusLine {
 public:
  /// Leaves the last status standing and goes to the next line.
  ~StatusLine() { end(); }

  /// Shows a status made of parts, the most important first: those that do not fit a narrow terminal are left out. It
  /// is skipped unless `important` when the last one is younger than 0.1 s on a terminal, or 10 s elsewhere.
  void show(const std::vector<std::string>& parts, bool important);
  /// Ends the line, so that other text can follow.
  void end();

 private:
  bool open_ = false;     // the cursor is in a line of ours
  double next_time_ = 0;  // seconds of the steady clock
};

}  // namespace tape::inline TAPE_ABI::tool
