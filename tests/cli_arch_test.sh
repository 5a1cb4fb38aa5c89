#!/usr/bin/env bash
# The three architectures as people use them: train, stop and go on, let them write; every model setting reaches the model
# and its config.json; and wrong input of each kind has its own clear answer.
#
#   tests/cli_arch_test.sh path/to/tapeformer
set -u
. "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"

# A text of counting, and pairs of the same words in upper case.
for i in $(seq 90); do echo "number $i of a text"; done >text.txt
for i in $(seq 40); do printf 'ab%s\tAB%s\n' "$((i % 10))" "$((i % 10))"; done >pairs.tsv
shape=(--layers 1 --heads 2 --batch 4)
bert=(train --text text.txt --arch bert --context 16 "${shape[@]}")
encdec=(train --pairs pairs.tsv --arch encdec "${shape[@]}")

# Which options belong to which architecture
refused 'unknown architecture "t5": choose one of gpt, bert, encdec' train --text text.txt --arch t5
refused "--pairs is for --arch encdec" train --pairs pairs.tsv
refused "--pairs is for --arch encdec" train --pairs pairs.tsv --arch bert
refused "--text is for gpt and bert" train --text text.txt --arch encdec
refused "--text is for gpt and bert" train --text text.txt --pairs pairs.tsv --arch encdec
refused "--pairs is required" train --arch encdec
refused "--text is required" train --arch bert
refused "--decoder-layers is for --arch encdec" train --text text.txt --decoder-layers 3
misused "--decoder-layers must be at least 0" "${encdec[@]}" --decoder-layers -1 --out run

# Files of pairs
refused "there is no file none.tsv" train --arch encdec --pairs none.tsv --out run
: >empty.tsv
refused "empty.tsv is empty" train --arch encdec --pairs empty.tsv --out run
printf 'a\tb\nno tab here\n' >wrong.tsv
refused "wrong.tsv, line 2 has no tab" train --arch encdec --pairs wrong.tsv --out run
printf 'a\tb\tc\n' >wrong.tsv
refused "wrong.tsv, line 1 has 2 tabs" train --arch encdec --pairs wrong.tsv --out run
printf 'a\t\n' >wrong.tsv
refused "wrong.tsv, line 1 has nothing after the tab" train --arch encdec --pairs wrong.tsv --out run
printf 'a\tb\n\nc\td\n' >wrong.tsv
refused "wrong.tsv, line 2 has no tab" train --arch encdec --pairs wrong.tsv --out run
printf '\n\n' >wrong.tsv
refused "wrong.tsv has no pairs" train --arch encdec --pairs wrong.tsv --out run
head -n 9 pairs.tsv >few.tsv
refused "few.tsv has 9 pairs that fit a context of 64, and at least 10 are needed, of which one validates: use more pairs" train --arch encdec --pairs few.tsv --out run
refused "pairs.tsv has 0 pairs that fit a context of 3, and at least 10 are needed, of which one validates: use more pairs or a larger --context, 40 need one" \
  train --arch encdec --pairs pairs.tsv --context 3 --out run
printf 'caf\351\tcaf\n' >wrong.tsv
refused "wrong.tsv is not UTF-8" train --arch encdec --pairs wrong.tsv --out run

# Runs that are stopped and go on are the same as runs that are not
same_after_stop() { # same_after_stop NAME arguments...
  local name=$1
  shift
  ends_with 0 "$@" --steps 12 --schedule constant --warmup 1 --dropout 0.1 --accumulate 2 --out "$name.whole"
  ends_with 0 "$@" --steps 5 --schedule constant --warmup 1 --dropout 0.1 --accumulate 2 --out "$name.cut"
  holds "$name says what it trains" grep -qE "^model +$name, " out
  ends_with 0 train --resume "$name.cut" --steps 12
  holds "$name, continued, has the same model" cmp "$name.whole/model.safetensors" "$name.cut/model.safetensors"
  holds "$name says in config.json what it is" grep -q "\"architecture\": \"$name\"" "$name.cut/config.json"
}
same_after_stop bert "${bert[@]}" --width 8
same_after_stop encdec "${encdec[@]}" --width 8 --context 8 --decoder-layers 2
holds "encdec says what it learns from" grep -qE "^pairs +.*/pairs.tsv: 40 pairs, a tenth to validate" out
holds "two blocks in the decoder" grep -q "1 + 2 layers" out
ends_with 0 "${encdec[@]}" --width 8 --context 4 --steps 2 --out fit
sed 's/ab3/abcdefghi/' pairs.tsv >long.tsv
ends_with 0 train --pairs long.tsv --arch encdec --context 8 "${shape[@]}" --width 8 --steps 2 --out long
holds "pairs that are too long are counted" grep -q "36 pairs, a tenth to validate; 4 longer than the context of 8 left out" out
mv pairs.tsv moved.tsv
ends_with 0 train --resume encdec.cut --pairs moved.tsv --steps 13
mv moved.tsv pairs.tsv
refused "where its file is now is said by --pairs" train --resume encdec.cut --text text.txt --steps 14
refused "where its file is now is said by --text" train --resume bert.cut --pairs pairs.tsv --steps 14
refused "long.tsv is not the text that this run began with: give that one with --pairs" \
  train --resume encdec.whole --pairs long.tsv --steps 14
refused "--arch can not be given with --resume" train --resume encdec.cut --arch gpt

# What they write
ends_with 0 "${bert[@]}" --width 32 --steps 400 --lr 0.01 --out b
holds "its loss is that of characters asked for" grep -q "bits per character asked for" out
tail -n 1 out | sed 's/^ *[^ ]* //' >suggested
holds "what is suggested has a gap" grep -qE -- "--prompt '?.*_" suggested
bash -c "\"$program\" $(cat suggested)" >out
holds "and works as it stands" test -s out
ends_with 0 sample --model b --prompt "number 1_" --temperature 0
holds "a bert fills the gap and leaves the rest" grep -qE "^number 1[^_]$" out
ends_with 0 sample --model b --prompt "n#mber" --mask '#' --temperature 0
holds "the mark can be chosen" grep -qE "^n[^#]mber$" out
refused '--prompt has no "_" (U+005F), which marks what to fill in' sample --model b --prompt "number 1"
refused "--tokens is not for a bert" sample --model b --prompt "n_mber" --tokens 3
refused 'character "z" (U+007A) at position 4' sample --model b --prompt "n_mzer"
refused "--mask must be one character, it has 2" sample --model b --prompt "n__mber" --mask __
refused 'character "z" (U+007A)' sample --model b --prompt "z_"
misused "--prompt has 17 characters, more than the model's context of 16" sample --model b --prompt "_number number 12"

ends_with 0 "${encdec[@]}" --context 8 --width 32 --steps 500 --lr 0.005 --out e
tail -n 1 out | sed 's/^ *[^ ]* //' >suggested
bash -c "\"$program\" $(cat suggested)" >out
holds "what is suggested works as it stands" grep -qE "^AB[0-9]$" out
ends_with 0 sample --model e --prompt "ab7" --temperature 0
holds "an encoder-decoder answers" grep -qx "AB7" out
ends_with 0 sample --model e --prompt "ab7" --temperature 0 --tokens 2
holds "with at most so many characters" grep -qx "AB" out
misused "--prompt is empty" sample --model e
misused "--prompt has 9 characters, more than the model's context of 8" sample --model e --prompt ab1ab2ab3
refused "--mask is for a bert: the model in e is of architecture encdec" sample --model e --prompt ab1 --mask _
sed -i 's/"architecture": "encdec"/"architecture": "gpt"/' e/config.json
refused "for which a gpt needs a vocabulary of 14, but e/config.json says 16: the files are not of the same run" \
  sample --model e --prompt ab1
refused "the files are not of the same run" train --resume e
sed -i 's/"architecture": "gpt"/"architecture": "rnn"/' e/config.json
refused 'e/config.json: unknown architecture "rnn"' sample --model e --prompt ab1

# The settings of a model reach it, and its file
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 3 --out g --norm rms --norm-eps 0.001 \
  --norm-eps-place outside --norm-bias true --norm-partial 0.5 --embedding-norm --positions rotary \
  --rotary-base 500 --rotary-fraction 0.5 --rotary-layout interleaved --attention-scale 1 --experts 3 --experts-per-token 1 \
  --balance 0.1 --no-bias --untied
for entry in '"norm_eps": 0.001' '"norm_eps_place": "outside"' '"norm_bias": true' '"norm_partial": 0.5' \
  '"embedding_norm": true' '"rotary_base": 500' '"rotary_fraction": 0.5' '"rotary_layout": "interleaved"' \
  '"attention_scale": 1' '"experts": 3' '"experts_per_token": 1' '"balance": 0.1' '"bias": false' '"tied": false'; do
  holds "config.json has $entry" grep -qF "$entry" g/config.json
done
for name in embedding_norm.bias blocks.0.mlp.experts.2.up.weight blocks.0.mlp.router.weight; do
  holds "the model has $name" grep -qaF "\"$name\"" g/model.safetensors
done
holds "no bias in linear layers" bash -c '! grep -qa "qkv.bias" g/model.safetensors'
ends_with 0 sample --model g --tokens 5
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 3 --out u --norm-unit-offset --positions relative \
  --relative-buckets 8 --relative-max-distance 10
holds "config.json has the buckets" grep -q '"relative_buckets": 8' u/config.json
misused "--norm scale: --norm-eps-place can only be outside for layer and rms" \
  train --text text.txt "${shape[@]}" --norm scale --norm-eps-place outside --out run
misused "--norm layer: --norm-partial is for rms" train --text text.txt "${shape[@]}" --norm-partial 0.5 --out run
misused "tapeformer: --scheme deepnorm and --norm dyt do not go together: this scheme weighs skip against branch" \
  train --text text.txt "${shape[@]}" --scheme deepnorm --norm dyt --out run
misused "--attention-scale must be" train --text text.txt "${shape[@]}" --attention-scale -1 --out run
refused "unknown rotary layout" train --text text.txt "${shape[@]}" --rotary-layout both --out run
misused "--decoder-layers must be at most" "${encdec[@]}" --decoder-layers 9000000000000000000 --out run
refused "GiB of memory" "${encdec[@]}" --decoder-layers 900000000 --out run
refused "GiB of memory" train --text text.txt "${shape[@]}" --experts 900000000 --out run
misused "--experts must be at most" train --text text.txt "${shape[@]}" --experts 9000000000000000000 --out run
refused "--experts-per-token must be from 1 to --experts 2, it is 3" train --text text.txt "${shape[@]}" --experts 2 --experts-per-token 3 --out run

# Options that would change nothing, and values that are none
while read -r option; do
  # shellcheck disable=SC2086
  refused "would change nothing here" train --text text.txt "${shape[@]}" $option --out run
done <<END
--rotary-base 500
--positions alibi --rotary-fraction 0.5
--positions learned --rotary-layout halves
--relative-buckets 8
--positions rotary --relative-max-distance 64
--experts-per-token 1
--balance 0.1
--norm dyt --norm-eps 0.001
--norm derf --norm-eps 0.001
--optimizer sgd --beta2 0.9
--optimizer adafactor --eps 1e-6
--optimizer lion --eps 1e-6
--scheme rezero --norm rms
--scheme t-fixup --norm-eps 0.001
--scheme t-fixup --no-norm-gain
--scheme peri --embedding-norm
--schedule constant --min-lr 0
--schedule step --min-lr 0
--schedule inverse_sqrt --min-lr 0
--schedule noam --min-lr 0
--optimizer schedule-free --min-lr 0
--optimizer lion --decay coupled
END
for option in "--scheme olmo2 --qk-norm head" "--scheme olmo2 --qk-norm none" "--scheme hybrid --qk-norm full" \
  "--scheme hybrid --qk-norm none" "--scheme keel --norm-bias true"; do
  # shellcheck disable=SC2086
  refused "contradicts --scheme" train --text text.txt "${shape[@]}" $option --out run
done
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 1 --scheme olmo2 --qk-norm full --out same
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 1 --scheme t-fixup --qk-norm head --norm rms --out normed
misused "--norm layer: --norm-eps must be a finite number of at least 0, it is inf" \
  train --text text.txt "${shape[@]}" --norm-eps inf --out run
misused "--norm dyt: --norm-alpha must be a finite number above 0, it is nan" \
  train --text text.txt "${shape[@]}" --norm dyt --norm-alpha nan --out run
misused "--norm layer: --norm-partial must be above 0 and at most 1, it is 2" \
  train --text text.txt "${shape[@]}" --norm-partial 2 --out run
refused "--seed: must be at least 0, it is -1" train --text text.txt "${shape[@]}" --seed -1 --out run
refused "--seed: must be at least 0, it is -1" sample --model g --seed -1
misused "--scheme rezero and --embedding-norm do not go together" \
  train --text text.txt "${shape[@]}" --scheme rezero --embedding-norm --out run
refused "--norm-bias: 2 not in" train --text text.txt "${shape[@]}" --norm-bias 2 --out run
misused "--recompute and --experts 2 do not go together: a block that is computed again" \
  train --text text.txt "${shape[@]}" --experts 2 --recompute --out run
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 2 --experts 2 --balance 0 --recompute --out free
holds "a mixture is introduced" grep -q "a mixture of 2 experts in each layer, 2 for each token" out
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 2 --experts 1 --out alone
holds "one expert is no experts" grep -q "a mixture of 1 expert in" out
holds "one expert is all that a token can use" grep -q '"experts_per_token": 1' alone/config.json
ends_with 0 "${encdec[@]}" --width 8 --context 100000000 --steps 1 --positions none --out roomy

# A setting that can not work is found before --force touches the run that is there
ends_with 0 "${bert[@]}" --width 8 --steps 2 --out keep
cksum keep/* >keep.before
for setting in "--relative-buckets 3" "--relative-buckets 2" "--relative-max-distance 8"; do
  misused "--relative-" "${bert[@]}" --width 8 --positions relative $setting --out keep --force
  misused "--relative-" "${encdec[@]}" --width 8 --context 8 --positions relative $setting --out keep --force
done
misused "--relative-max-distance must be at least 17" "${encdec[@]}" --width 8 --positions relative --relative-max-distance 16 --out keep --force
misused "--relative-max-distance must be at least 17" \
  train --text text.txt "${shape[@]}" --width 8 --context 16 --positions relative --relative-max-distance 16 --out keep --force
misused "--softcap must be 0 or from 1e-6 to 1e6" "${bert[@]}" --width 8 --softcap inf --out keep --force
misused "--attention-scale must be 0 or from 1e-6 to 1e6" "${bert[@]}" --width 8 --attention-scale 1e300 --out keep --force
cksum keep/* >keep.after
holds "the run that was there is untouched" cmp keep.before keep.after

# The table of schemes
ends_with 0 schemes
for name in post deepnorm deepnorm-article sub-ln keel t-fixup layer derf; do
  holds "the table has $name" grep -qE "^$name +" out
done
holds "25 norms of 128 gains and biases in a Pre-LN model" grep -q "2 in a block, 25 in all; parameters 6400" out
holds "what is refused, and why" grep -q "deepnorm, deepnorm-article, admin and keel with norm dyt or derf: " out
ends_with 0 schemes deepnorm --layers 18
holds "constants for 18 layers" grep -qE "decoder-only +18 +2.449490 +0.288675 +36 +9216" out
ends_with 0 schemes deepnorm --layers 18 --decoder-layers 18
holds "and the paper's rounded ones" grep -qE "encoder beside a decoder +18 .*0.81 and 0.87: α = " out
ends_with 0 schemes deepnorm --norm dyt
holds "refused in the table" grep -qE "decoder-only .* refused$" out
holds "with the reason" grep -q "^refused: deepnorm, .*which dyt and derf do not" out
ends_with 0 schemes mix-ln --layers 100000
holds "100,000 blocks are counted, not built" grep -qE "decoder-only +100000 .* 200001 +51200256" out
ends_with 0 schemes keel --norm rms --json
holds "JSON has the constant" grep -q '"alpha": 24.0' out
ends_with 0 schemes --json
holds "JSON has the norms" grep -q '"title": "ScaleNorm"' out
misused 'tapeformer: unknown scheme "before": choose one of post, pre' schemes before
misused 'tapeformer: unknown scheme "depnorm": did you mean deepnorm?' schemes depnorm
misused 'unknown norm "RMSNorm": did you mean rms?' schemes --norm RMSNorm
refused 'unknown scheme ""' schemes ""
refused "--layers: must be from 1 to 100000, it is 0" schemes --layers 0
refused "--layers" schemes --layers 0
refused "--width must be a multiple of the 4 heads, it is 130" schemes --width 130

# A config.json from before these settings
ends_with 0 train --text text.txt "${shape[@]}" --width 8 --context 16 --steps 3 --out plain
grep -vE '"(architecture|decoder_layers|norm_[a-df-z][a-z_]*|norm_eps_place|embedding_norm|experts[a-z_]*|balance|rotary_(fraction|layout)|relative_[a-z_]+|attention_scale)":' \
  plain/config.json | sed 's/"recompute": false,/"recompute": false/' >old.json
cp -r plain older && mv old.json older/config.json
ends_with 0 sample --model older --tokens 5
holds "a run of the first version still writes" test -s out

echo "$checks checks, $failures failed"
[ "$failures" -eq 0 ] && [ "$checks" -gt 80 ]
