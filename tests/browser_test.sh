#!/usr/bin/env bash
# The pages that tapeformer writes, in a real browser: Debian's chromium without a window. tests/browser/check_page.py says
# what is looked at. Without chromium or python3 the test is skipped (exit code 77).
#
#   tests/browser_test.sh path/to/tapeformer [FOLDER]      FOLDER keeps the pages, and pictures of them to look at
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -n "${2-}" ]; then mkdir -p "$2" && folder=$(realpath "$2") || exit 1; else folder=; fi
for command in python3 chromium; do
  command -v $command >/dev/null || { echo "skipped: there is no $command here (Debian: apt-get install chromium python3)"; exit 77; }
done
. "$here/support/cli.sh"

for i in $(seq 200); do echo "Number $i & <so on>, of a text."; done >text.txt
for i in $(seq 60); do printf 'ab%s cd\tAB%s CD\n' "$((i % 10))" "$((i % 10))"; done >pairs.tsv
shape=(--layers 3 --heads 4 --batch 8 --width 32 --steps 40)
ends_with 0 train --text text.txt --context 48 "${shape[@]}" --out gpt
ends_with 0 train --text text.txt --arch bert --context 24 "${shape[@]}" --scheme post --out bert
ends_with 0 train --pairs pairs.tsv --arch encdec --context 16 "${shape[@]}" --out encdec
for run in gpt bert encdec; do ends_with 0 inspect $run --out "inspect-$run.html"; done
ends_with 0 lab run norm-outliers gradient-profile --quick --seeds 3 --out lab
mv lab/report.html lab.html

# The checks themselves: on a page where all is wrong each of them says so.
python3 "$here/browser/check_page.py" "$here/browser/wrong.html" >wrong.out
holds "a wrong page is refused" test $? -eq 1
for what in "no request leaves" "each figure has a picture" "images can be decoded" "texts can be read" \
  "labels do not lie" "paper is dark" "open at a click" "console has no complaint" "does not move sideways" \
  "no picture is broken" "buttons are not printed" "scripts are off"; do
  holds "what is wrong is found: $what" grep -q "FAILED: wrong.html.*$what" wrong.out
done

pictures=()
if [ -n "$folder" ]; then pictures=(--pictures "$folder"); cp ./*.html "$folder"; fi
python3 "$here/browser/check_page.py" "${pictures[@]}" ./*.html
[ $? -eq 0 ] && [ "$failures" -eq 0 ]
