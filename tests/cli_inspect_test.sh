#!/usr/bin/env bash
# tapeformer inspect as people start it: a page for each architecture, and a clear answer to wrong input.
#
#   tests/cli_inspect_test.sh path/to/tapeformer
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"

for i in $(seq 90); do echo "number $i of a text"; done >text.txt
for i in $(seq 40); do printf 'ab%s\tAB%s\n' "$((i % 10))" "$((i % 10))"; done >pairs.tsv
shape=(--layers 3 --heads 2 --batch 4 --width 8 --steps 3 --schedule constant --warmup 1)
ends_with 0 train --text text.txt --context 32 "${shape[@]}" --out gpt
ends_with 0 train --text text.txt --arch bert --context 32 "${shape[@]}" --out bert
ends_with 0 train --pairs pairs.tsv --arch encdec --context 8 "${shape[@]}" --decoder-layers 2 --out encdec

maps() { grep -o '<details class="map">' "$1" | wc -l; }

# Help, and a page without any option
ends_with 0 inspect --help
holds "help has examples" grep -q "tapeformer inspect runs/book" out
for run in gpt bert encdec; do
  ends_with 0 inspect $run
  holds "a page beside the run of $run" grep -q "</html>" $run/inspect.html
  holds "the program says where it is" grep -q "page  *$run/inspect.html" out
  holds "the text is from the data" grep -q "From the data that validates this run" $run/inspect.html
done
holds "a map for each layer and head of a gpt" test "$(maps gpt/inspect.html)" -eq 6
holds "an encdec has encoder, decoder and cross attention" test "$(maps encdec/inspect.html)" -eq 14
ends_with 0 inspect bert
holds "a bert has gaps to fill in" grep -q "▢" bert/inspect.html

# Texts of one's own, parts, languages, places
ends_with 0 inspect gpt --text "a text of 9" --layers 0,2 --heads 1 --lang en --out part.html
holds "the layers and heads asked for" test "$(maps part.html)" -eq 2
holds "in one language" bash -c "! grep -q 'lang=\"zh\"' part.html"
cp part.html before.html
ends_with 0 inspect gpt --text "a text of 9" --layers 0,2 --heads 1 --lang en --out part.html --threads 2
holds "the same once more, with more threads" cmp part.html before.html
ends_with 0 inspect bert --text "nu*ber" --mask "*" --lang zh --out gap.html
ends_with 0 inspect encdec --text "ab1" --target "AB2" --out pair.html
holds "the target is the one given" bash -c "grep -q '▸AB2' pair.html && ! grep -q 'the likeliest token each time' pair.html"
ends_with 0 inspect encdec --text "ab1" --out own.html
holds "a model writes its own target" grep -q "the likeliest token each time" own.html

# A run that has moved away from its text still reads texts that are given
mv text.txt away.txt
refused "text.txt; give one by --text" inspect gpt --out none.html
ends_with 0 inspect gpt --text "of a text" --out moved.html
echo "another text" >text.txt
refused "text.txt is no longer the text of this run; give a text by --text" inspect gpt --out none.html
mv away.txt text.txt

# Wrong input
refused "DIR is required" inspect
refused "there is no folder nowhere: give that of a run" inspect nowhere --text a
mkdir empty
refused "empty holds no run, empty/config.json is missing: give that of a run" inspect empty --text a
misused "--text is empty: give at least one character" inspect gpt --text "" --out none.html
misused "--text has 33 characters: this model reads at most 32, its context" inspect gpt --text "$(printf 'a%.0s' $(seq 33))" --out none.html
refused '"Q"' inspect gpt --text "of Q" --out none.html
misused "--text" inspect gpt --text "$(printf 'caf\351')" --out none.html
misused "--mask is for a bert: this model is a gpt" inspect gpt --text "a" --mask "*" --out none.html
misused "--mask must be one character, it has 2" inspect bert --text "a" --mask "**" --out none.html
misused "--target is for an encdec: this model is a bert, which reads --text alone" inspect bert --text a --target b --out none.html
misused "--target needs --text" inspect encdec --target AB --out none.html
misused "--target has 8 characters: this model reads at most 7, and a token before them" inspect encdec --text ab --target AB1AB1AB --out none.html
misused "--text has 9 characters: this model reads at most 8" inspect encdec --text ab1ab1ab1 --out none.html
misused "--layers 3: this model has layers 0 to 2" inspect gpt --layers 0,3 --out none.html
misused "--heads 7: this model has heads 0 to 1" inspect gpt --heads 7 --out none.html
misused "--layers" inspect gpt --layers x --out none.html
misused '--lang: unknown language "de": choose one of en, zh, both' inspect gpt --lang de --out none.html
refused "can not write none/here.html: there is no folder none; make it" inspect gpt --out none/here.html
misused "--out gpt/model.safetensors is a file of the run in gpt" inspect gpt --text a --out gpt/model.safetensors
cp -r gpt broken
rm broken/model.safetensors
refused "broken/model.safetensors is missing: train --resume broken" inspect broken --text a --out none.html
head -c 100 gpt/model.safetensors >broken/model.safetensors
refused "broken/model.safetensors" inspect broken --text a --out none.html

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ] && [ "$checks" -gt 40 ]
