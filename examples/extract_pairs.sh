#!/usr/bin/env bash
# Writes English-Spanish pairs to a file, for tapeformer train --arch encdec: verses of the King James Bible, each with
# its verse of the Reina-Valera of 1909, one pair a line with a tab between, in UTF-8. Both texts are in the public
# domain; Debian and Ubuntu have them as packages, which this installs.
#
#   examples/extract_pairs.sh FILE              30,736 pairs
#   examples/extract_pairs.sh FILE MOST         pairs in which neither verse is longer than MOST characters
set -u -o pipefail

fail() {
  echo "extract_pairs.sh: $1" >&2
  exit 1
}

case ${1-} in
  -h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
[ $# -ge 1 ] && [ $# -le 2 ] || fail "give the file to write: examples/extract_pairs.sh FILE [MOST]"
most=${2-1000000}
[[ $most =~ ^[1-9][0-9]*$ ]] || fail "the longest verse must be a number of characters, it is '$most'"
. "$(dirname "${BASH_SOURCE[0]}")/install_packages.sh"
install_packages text pairs || exit 1
for program in bible diatheke; do
  command -v $program >/dev/null || fail "the program '$program' is missing; see the message above"
done

file=$1
mkdir -p "$(dirname "$file")" || fail "can not make the folder of $file"
work=$(mktemp -d) || fail "can not make a folder for temporary files"
new=$(mktemp "$file.XXXXXX") || fail "can not write beside $file"
trap 'rm -rf "$work" "$new"' EXIT

# "Ge1:1 In the beginning…", in latin1, to "Ge<TAB>1<TAB>1<TAB>In the beginning…".
bible -f 'gen1:1-rev22:21' </dev/null | iconv -f latin1 -t utf-8 |
  sed -nE 's/^([0-9]?[A-Za-z]+)([0-9]+):([0-9]+) +(.*[^ ]) *$/\1\t\2\t\3\t\4/p' >"$work/en" || fail "can not read the English text"
# "Genesis 1:1: <w …>EN el principio</w> …" to the same form.
diatheke -b spaRV1909eb -k 'Gen-Rev' </dev/null | tr '\t' ' ' | sed -E 's/<[^>]*>//g; s/  +/ /g' |
  sed -nE 's/^([A-Za-z ]+) ([0-9]+):([0-9]+): *(.*[^ ]) *$/\1\t\2\t\3\t\4/p' >"$work/es" || fail "can not read the Spanish text"

# Books are called differently but come in the same order. A few chapters are numbered differently, and are left out, as
# are pairs in which one verse has more than twice the length of the other.
LC_ALL=C awk -F '\t' -v most="$most" '
  function characters(utf8) { gsub(/[\200-\277]/, "", utf8); return length(utf8) }
  FNR == 1 { text++; book = 0; last = "" }
  $1 != last { book++; last = $1 }
  { chapter = book ":" $2; verses[text, chapter]++; verse[text, chapter, $3] = $4 }
  text == 1 { order[++count] = chapter "\t" $3 }
  END {
    for (i = 1; i <= count; i++) {
      split(order[i], at, "\t")
      en = verse[1, at[1], at[2]]
      es = verse[2, at[1], at[2]]
      if (verses[1, at[1]] != verses[2, at[1]] || es == "") continue
      a = characters(en)
      b = characters(es)
      if (a <= 2 * b && b <= 2 * a && a <= most && b <= most) print en "\t" es
    }
  }' "$work/en" "$work/es" >"$new" || fail "the pairs could not be put together"
pairs=$(wc -l <"$new")
[ "$pairs" -gt 0 ] || fail "there are no pairs: no verse is as short as $most characters, or the texts have changed"
chmod 644 "$new" && mv "$new" "$file" || fail "can not write $file"
echo "$pairs pairs in $file"
