// Sections of a page about runs, and the figures in them.
#pragma once

#include <string>
#include <vector>

#include <tape/examples/lab/html.h>

namespace tape::inline TAPE_ABI::report {

using lab::Language;
using lab::Table;
using lab::Text;

/// One part of a page: its heading is a link in the page's contents.
struct Section {
  std::string id;
  Text title;
  std::string html;
};

/// A picture with its words and the numbers behind it.
struct Panel {
  std::string id;
  Text title;
  Text caption = {};
  std::string svg = {};
  Table numbers = {};
};
/// <figure id="…">, its numbers in a table that can be opened.
std::string html_of(const Panel& panel, Language language);

/// "0.00123", "1.5e-05": four digits that count; "–" for what is not a finite number.
std::string number_text(double value);

}  // namespace tape::inline TAPE_ABI::report
