"""Looks at pages in a real browser: light and dark, on a phone, on paper, without JavaScript.

    check_page.py [--pictures FOLDER] PAGE.html...

Prints what is wrong, and "N checks, N failed" in the end; exits with 1 when something is. Exits with 77 without a browser.
"""
import os
import sys

import chromium

FOLDER = os.path.dirname(os.path.abspath(__file__))
CHECKS = open(os.path.join(FOLDER, "checks.js"), encoding="utf-8").read().strip()
PAPER_WIDTH, PAPER_HEIGHT = 718, 1040  # px of A4 within its margins


class Report:
    def __init__(self):
        self.checks = self.failed = 0

    def holds(self, page, what, wrong):
        """`wrong` is a list of what is wrong, empty or false when all is well."""
        self.checks += 1
        if not wrong:
            return
        self.failed += 1
        print(f"FAILED: {page}: {what}")
        for line in wrong if isinstance(wrong, list) else []:
            print(f"    {line}")


def ask(page, question):
    return page.value(f"window.checks ??= {CHECKS}, window.checks.{question}")


def check_screen(browser, path, report, pictures, dark):
    name = os.path.basename(path) + (", dark" if dark else ", light")
    with chromium.Page(browser, path, dark=dark) as page:
        outside = [url for url in page.requests() if not url.startswith(("file:", "data:"))]
        report.holds(name, "no request leaves the machine", outside)
        report.holds(name, "the page has figures", page.value("document.querySelectorAll('figure').length") < 1)
        report.holds(name, "each figure has a picture or a table", ask(page, "figures()"))
        report.holds(name, "images can be decoded", ask(page, "images()"))
        report.holds(name, "texts can be read", ask(page, "contrast()"))
        report.holds(name, "labels do not lie on each other", ask(page, "overlaps()"))
        colour = page.value("getComputedStyle(document.body).backgroundColor")
        light = page.value("window.checks.luminance(window.checks.paper(document.body)) > 0.5")
        report.holds(name, f"paper is {'dark' if dark else 'light'}", [colour] if light == dark else [])
        report.holds(name, "tables and maps open at a click", ask(page, "details()"))
        if pictures:
            page.screenshot(picture_name(pictures, path, "dark" if dark else "light"))
        if not dark:
            check_languages(page, name, report)
            check_maps(page, name, report)
        report.holds(name, "the console has no complaint", page.complaints())


def press(page, label):
    return page.value("(() => { const b = [...document.querySelectorAll('.bar button')].find((b) => b.textContent === "
                      f"'{label}'); if (b) b.click(); return !!b; }})()")


def check_languages(page, name, report):
    if page.value("document.body.dataset.languages") != "both":
        return
    for label, hidden, shown in (("English", "zh", "en"), ("中文", "en", "zh")):
        report.holds(name, f"there is a button {label}", not press(page, label))
        report.holds(name, f"{label} hides the other language", ask(page, f"seen('{hidden}')"))
        report.holds(name, f"{label} stays", not ask(page, f"seen('{shown}')"))
        report.holds(name, f"each figure has a picture or a table in {label}", ask(page, "figures()"))
    press(page, "English + 中文")
    report.holds(name, "both languages come back", not (ask(page, "seen('en')") and ask(page, "seen('zh')")))
    report.holds(name, "a button opens the tables", not (press(page, "▤ ± σ") and page.value(
        "[...document.querySelectorAll('details:not(.map)')].every((d) => d.open)")))


def check_maps(page, name, report):
    """A map that is opened is larger and has tokens at its sides; a pointer reads a number; another one closes it."""
    if not page.value("!!document.querySelector('details.map')"):
        return
    width = "document.querySelector('details.map svg').getBoundingClientRect().width"
    before = page.value(width)
    signs = "getComputedStyle(document.querySelector('details.map .axes')).display !== 'none'"
    report.holds(name, "a small map has no signs", page.value(signs))
    page.value("(() => { const s = document.querySelector('details.map summary'); s.scrollIntoView({block: 'center'}); s.click(); s.scrollIntoView({block: 'center'}); })()")
    report.holds(name, "a map that is opened is larger", not page.value(width) > before)
    report.holds(name, "and has its tokens", not page.value(signs))
    x, y = page.value("(() => { const b = document.querySelector('details.map image').getBoundingClientRect();"
                      " return [b.left + 4, b.top + 4]; })()")
    page.move(x, y)  # the first time pictures are decoded
    page.value("new Promise((done) => setTimeout(done, 200))")
    page.move(x + 1, y)
    tip = page.value("document.querySelector('.tip').hidden ? '' : document.querySelector('.tip').textContent")
    parts = tip.split()
    report.holds(name, "a pointer reads query, key and number",
                 [tip or "nothing"] if len(parts) != 6 or parts[0] != "0" or parts[2] != "→" or parts[3] != "0" else [])
    page.value("document.querySelectorAll('details.map summary')[1].click()")
    page.value("new Promise((done) => setTimeout(done, 50))")
    report.holds(name, "one map of a figure is open",
                 page.value("document.querySelector('figure.maps').querySelectorAll('details.map[open]').length") != 1)


def check_phone(browser, path, report, pictures):
    name = os.path.basename(path) + ", 360 px wide"
    with chromium.Page(browser, path, width=360) as page:
        report.holds(name, "the page does not move sideways", ask(page, "wide()"))
        page.value("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        report.holds(name, "nor with all tables open", ask(page, "wide()"))
        page.value("document.querySelectorAll('details').forEach((d) => { d.open = false; })")
        if pictures:
            page.screenshot(picture_name(pictures, path, "phone"))


def check_paper(browser, path, report, pictures):
    name = os.path.basename(path) + ", print"
    with chromium.Page(browser, path, width=PAPER_WIDTH, media="print") as page:
        page.value("window.dispatchEvent(new Event('beforeprint'))")
        report.holds(name, "no picture is broken or cut", ask(page, f"paged({PAPER_HEIGHT})"))
        report.holds(name, "texts can be read", ask(page, "contrast()"))
        report.holds(name, "buttons are not printed", page.value("!!document.querySelector('.bar').checkVisibility()"))
        if pictures:
            page.pdf(picture_name(pictures, path, "print", "pdf"))


def check_without_script(browser, path, report):
    name = os.path.basename(path) + ", without JavaScript"
    with chromium.Page(browser, path, script=False) as page:
        report.holds(name, "scripts are off", page.value("!!document.querySelector('.bar')"))
        report.holds(name, "each figure has a picture or a table", ask(page, "figures()"))
        report.holds(name, "images can be decoded", ask(page, "images()"))
        report.holds(name, "tables open", ask(page, "details()"))


def picture_name(folder, path, kind, ending="png"):
    return os.path.join(folder, f"{os.path.splitext(os.path.basename(path))[0]}-{kind}.{ending}")


def main(arguments):
    pictures = None
    if arguments[:1] == ["--pictures"]:
        pictures, arguments = arguments[1], arguments[2:]
        os.makedirs(pictures, exist_ok=True)
    program = chromium.find()
    if not program:
        print("skipped: there is no chromium here (Debian: apt-get install chromium)")
        return 77
    report = Report()
    browser = chromium.Chromium(program)
    try:
        for path in arguments:
            for dark in (False, True):
                check_screen(browser, path, report, pictures, dark)
            check_phone(browser, path, report, pictures)
            check_paper(browser, path, report, pictures)
            check_without_script(browser, path, report)
    finally:
        browser.close()
    print(f"{report.checks} checks, {report.failed} failed")
    return 1 if report.failed or not report.checks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
