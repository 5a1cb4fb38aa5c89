// Pieces of HTML in two languages, and the style that pages of figures share: light and dark, on paper as on a screen.
#pragma once

#include <string>
#include <string_view>

#include <tape/examples/lab/figure.h>

namespace tape::inline TAPE_ABI::lab {

/// <tag>…</tag> with the text in the page's language; in both languages one element after the other, each marked with
/// its language, or a single one where the texts are the same. The text is escaped.
std::string element(std::string_view tag, const Text& text, Language language, std::string_view attributes = "");

/// Both languages in one line, "English · Chinese", of which a reader may hide one; or a single <span>.
std::string inline_words(const Text& text, Language language);

/// A table with a head; the first column names the rows.
std::string html_of(const Table& table, Language language);

/// A <figure>: its title, its picture, its caption, and its numbers in a table that can be opened.
std::string html_of(const Figure& figure, Language language);

/// A whole page of this title: the style, `body`, and a script that is not needed to read it. With both languages the
/// script offers to show one of them only. `head` is put at the end of the page's <head>.
std::string html_page(const Text& title, std::string_view body, Language language, std::string_view head = "");

}  // namespace tape::inline TAPE_ABI::lab
