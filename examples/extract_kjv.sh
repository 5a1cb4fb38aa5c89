#!/usr/bin/env bash
# Writes the King James Bible to a file: 31,102 verses, one a line, in UTF-8, without their references. The text is in
# the public domain; Debian and Ubuntu have it as the package bible-kjv.
#
#   examples/extract_kjv.sh FILE
set -u -o pipefail

fail() {
  echo "extract_kjv.sh: $1" >&2
  exit 1
}

[ $# -eq 1 ] || fail "give the file to write: examples/extract_kjv.sh FILE"
command -v bible >/dev/null || fail "the program 'bible' is missing; on Debian or Ubuntu: apt-get install bible-kjv"

file=$1
mkdir -p "$(dirname "$file")" || fail "can not make the folder of $file"
new=$(mktemp "$file.XXXXXX") || fail "can not write beside $file"
trap 'rm -f "$new"' EXIT

# A line reads "Ge1:1 In the beginning…"; the output is latin1.
bible -f 'gen1:1-rev22:21' </dev/null | LC_ALL=C sed -E 's/^[0-9]?[A-Za-z]+[0-9]+:[0-9]+ +//' |
  iconv -f latin1 -t utf-8 >"$new" || fail "the text could not be extracted"
verses=$(wc -l <"$new")
[ "$verses" -eq 31102 ] || fail "expected 31102 verses, 'bible' gave $verses"
chmod 644 "$new" && mv "$new" "$file" || fail "can not write $file"
