// Lines of the library's own source, for the page: what was measured is what can be read there.
#pragma once

#include <string>

#include <tape/nn/scheme.h>

namespace tape::inline TAPE_ABI::lab {

/// Some lines of a file of the library.
struct Excerpt {
  std::string file;  ///< "nn/scheme.cpp"
  int line = 0;      ///< number of the first
  std::string text;
};

/// The lines of nn::plan that say what a scheme does.
Excerpt source_of(nn::Scheme scheme);
/// The function that adds branch and skip, for every scheme.
Excerpt source_of_sum();

}  // namespace tape::inline TAPE_ABI::lab
