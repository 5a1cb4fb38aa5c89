#include <tape/examples/lab/html.h>

#include <fmt/format.h>

#include <tape/examples/support/svg.h>

namespace tape::inline TAPE_ABI::lab {

namespace {

using tool::xml_text;

constexpr std::string_view style = R"css(
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2226; --soft: #5b646d; --line: #d8dde1; --tint: #f4f6f8;
        --good: #00795a; --fair: #8a6a00; --bad: #b3400f; --link: #005c96 }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15191d; --ink: #e8eaec; --soft: #a6adb4; --line: #343b42; --tint: #1d2328;
          --good: #2fc79a; --fair: #e3b93a; --bad: #ff8a4c; --link: #5ab4e8 } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 62rem; background: var(--paper); color: var(--ink);
       font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans CJK SC", "PingFang SC",
       "Microsoft YaHei", Arial, sans-serif }
h1 { font-size: 1.9rem; line-height: 1.2; margin: .5rem 0 } h2 { font-size: 1.4rem; margin: 2.5rem 0 .5rem;
     border-top: 1px solid var(--line); padding-top: 1.2rem } h3 { font-size: 1.1rem; margin: 1.5rem 0 .3rem }
h1 + h1, h2 + h2, h3 + h3 { border: 0; padding: 0; margin-top: 0; font-weight: 500; color: var(--soft) }
p { margin: .5rem 0 } a { color: var(--link) } :not(text).soft { color: var(--soft); font-size: .92rem }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: 1rem 0 } nav a { text-decoration: none }
table { border-collapse: collapse; margin: .5rem 0; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: left; vertical-align: top }
th { font-weight: 600; color: var(--soft) } .numbers th:first-child { min-width: 8rem }
.numbers td + td { text-align: right; white-space: nowrap }
.numbers th + th { text-align: right }
.schemes { table-layout: fixed; width: 100% } .schemes td:first-child { width: 38% }
.scroll { overflow-x: auto } figure { margin: 1.2rem 0; break-inside: avoid }
figure svg { display: block; max-width: 100%; height: auto } figure .scroll > svg { max-width: max(100%, 36rem) }
figcaption { color: var(--soft); font-size: .92rem } details > summary { cursor: pointer; color: var(--link) }
pre { background: var(--tint); padding: .4rem .6rem; margin: 0; overflow-x: auto; font: 12px/1.45 ui-monospace,
      "SF Mono", Consolas, monospace }
.claim { background: var(--tint); border-left: 5px solid var(--soft); padding: .6rem 1rem; margin: 1rem 0;
         break-inside: avoid }
.claim dt { font-weight: 600; color: var(--soft); font-size: .85rem } .claim dd { margin: 0 0 .4rem }
.verdict { font-weight: 700; white-space: nowrap }
.reproduced { border-color: var(--good) } .verdict.reproduced { color: var(--good) }
.not_reproduced { border-color: var(--fair) } .verdict.not_reproduced { color: var(--fair) }
.wrong_as_stated { border-color: var(--bad) } .verdict.wrong_as_stated { color: var(--bad) }
span.inline + span.inline::before { content: " · " }
body.only-zh span.inline + span.inline::before { content: "" }
.bar { position: sticky; top: 0; background: var(--paper); padding: .4rem 0; display: flex; flex-wrap: wrap; gap: .5rem;
       z-index: 1 }
.bar button { white-space: nowrap; font: inherit; font-size: .9rem; border: 1px solid var(--line); border-radius: 4px; padding: .15rem .7rem;
              background: var(--tint); color: var(--ink); cursor: pointer }
.bar button[aria-pressed=true] { border-color: var(--link); color: var(--link) }
body.only-en [lang=zh], body.only-zh [lang=en] { display: none }
.map-row { display: grid; gap: .4rem; grid-template-columns:
           repeat(auto-fill, minmax(max(6.5rem, min(12rem, 100% / var(--columns) - .4rem)), 1fr)); margin: .2rem 0 .8rem }
.map { min-width: 0; break-inside: avoid } .map > summary { list-style: none; text-align: center; font-size: .75rem;
       color: var(--soft) } .map > summary::-webkit-details-marker { display: none }
.map svg { display: block; width: 100% } .map .axes { display: none } .tinted { image-rendering: pixelated }
.axes, .shared, .scale { fill: var(--soft) } .shared { display: block } .scale { font-size: 12px; max-width: 100%; height: auto }
.map[open] { grid-column: 1 / -1 } .map[open] > summary { overflow-x: auto; text-align: left }
figure .map[open] svg { width: var(--open); max-width: none; margin: 1.2rem 0 .2rem 1.6rem; overflow: visible }
.map[open] .axes { display: inline }
.tip { position: fixed; z-index: 2; pointer-events: none; white-space: pre; background: var(--ink); color: var(--paper);
       padding: .1rem .45rem; border-radius: 4px; font-size: .85rem }
@media (max-width: 40rem) { body { padding: 1rem } }
@media (prefers-color-scheme: dark) { .tinted { filter: invert(1) hue-rotate(180deg) } }
figure .wide > svg { max-width: none }
@media print {
  body { max-width: none; padding: 0; font-size: 11pt } .bar, nav, .tip { display: none } h2, h3 { break-after: avoid }
  figure { break-inside: auto } figure .scroll, .scroll > svg, .map-row { break-inside: avoid }
  figure .scroll:has(table) { break-inside: auto } .numbers td + td { white-space: normal } figcaption { break-before: avoid }
  figure .scroll > svg, figure .wide > svg { max-width: 100% } }
)css";

// Shows one language, opens all tables, and opens them before printing.
constexpr std::string_view script = R"js(
(function () {
  var bar = document.createElement('div');
  bar.className = 'bar';
  function button(label, run) {
    var b = document.createElement('button');
    b.textContent = label;
    b.addEventListener('click', run);
    bar.appendChild(b);
    return b;
  }
  if (document.body.dataset.languages === 'both') {
    var all = {};
    function show(which) {
      document.body.className = which ? 'only-' + which : '';
      for (var key in all) all[key].setAttribute('aria-pressed', String(key === which));
    }
    [['', 'English + 中文'], ['en', 'English'], ['zh', '中文']].forEach(function (entry) {
      all[entry[0]] = button(entry[1], function () { show(entry[0]); });
    });
    show('');
  }
  function open(how) { document.querySelectorAll('details:not(.map)').forEach(function (d) { d.open = how; }); }
  // On paper, tables that are wider than it would be cut: they stay closed.
  function openForPaper() {
    open(true);
    document.querySelectorAll('details.wide-numbers').forEach(function (d) { d.open = false; });
  }
  var opened = false;
  button('▤ ± σ', function () { opened = !opened; open(opened); }).title = 'tables / 表格';
  window.addEventListener('beforeprint', openForPaper);
  document.body.insertBefore(bar, document.body.firstChild);
})();
)js";

}  // namespace

std::string element(std::string_view tag, const Text& text, Language language, std::string_view attributes) {
  const std::string more = attributes.empty() ? "" : " " + std::string(attributes);
  const auto one = [&](const std::string& words, std::string_view lang) {
    return fmt::format("<{}{}{}>{}</{}>", tag, more, lang.empty() ? "" : fmt::format(" lang=\"{}\"", lang),
                       xml_text(words), tag);
  };
  if (text.en == text.zh) return one(text.en, "");
  if (language == Language::english) return one(text.en, "en");
  if (language == Language::chinese) return one(text.zh, "zh");
  return one(text.en, "en") + one(text.zh, "zh");
}

std::string inline_words(const Text& text, Language language) {
  return element("span", text, language, "class=\"inline\"");
}

std::string html_of(const Table& table, Language language) {
  // Inside a cell both languages stand as spans, so that the number of cells stays.
  const auto cell = [&](const char* tag, const Text& text) {
    const char* gap = language == Language::both && text.en != text.zh ? "<br>" : "";
    std::string words = element("span", text, language);
    if (const std::size_t border = words.find("</span><span"); border != std::string::npos)
      words.insert(border + 7, gap);
    return fmt::format("<{0}>{1}</{0}>", tag, words);
  };
  std::string html = "<div class=\"scroll\"><table class=\"numbers\"><thead><tr>";
  for (const Text& text : table.head) html += cell("th", text);
  html += "</tr></thead><tbody>\n";
  for (const std::vector<Text>& row : table.rows) {
    html += "<tr>";
    for (const Text& text : row) html += cell("td", text);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string html_of(const Figure& figure, Language language) {
  std::string html = "<figure>\n" + element("h3", figure.title, language) + "\n";
  if (const std::string svg = to_svg(figure, language); !svg.empty())
    html += "<div class=\"scroll\">" + svg + "</div>\n";
  if (!figure.caption.en.empty()) html += "<figcaption>" + element("p", figure.caption, language) + "</figcaption>\n";
  const std::string table = html_of(table_of(figure), language);
  if (std::holds_alternative<Table>(figure.content)) {
    html += table;
  } else {
    html += "<details><summary>" + inline_words(figure.numbers, language) + "</summary>" + table + "</details>\n";
  }
  return html + "</figure>\n";
}

std::string html_page(const Text& title, std::string_view body, Language language, std::string_view head) {
  const char* code = language == Language::chinese ? "zh" : "en";
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{}</style>\n"
      "{}</head>\n<body data-languages=\"{}\">\n{}<script>{}</script>\n</body>\n</html>\n",
      code, xml_text(line(title, language)), style, head, language == Language::both ? "both" : code, body, script);
}

}  // namespace tape::inline TAPE_ABI::lab
