#!/usr/bin/env bash
# Trains a small GPT on a text and prints what it writes: the way from a fresh clone to a result.
#
#   examples/quickstart.sh           on the King James Bible, about a minute of training
#   examples/quickstart.sh TEXT      on a text file (UTF-8) of your own
#
# Installs what is missing (Debian, Ubuntu), builds into build/release and trains into runs/quickstart. Started again, it
# goes on with a training that was stopped, uses one that is complete, and replaces one of another text.
set -u

fail() {
  echo "quickstart.sh: $1" >&2
  exit 1
}

case ${1-} in
  -h | --help)
    sed -n '2,/^[^#]/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
    exit 0
    ;;
esac
[ $# -le 1 ] || fail "give at most one text file"
{ true <&0; } 2>/dev/null || exec </dev/null # started with its input closed

text=
if [ $# -eq 1 ]; then
  [ -f "$1" ] && [ -r "$1" ] || fail "can not read the text file '$1'"
  text=$(realpath "$1") || fail "can not find '$1'"
fi
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || fail "can not find the folder of the project"
cd "$root" || exit 1
mkdir -p build || fail "can not write to $root: make a copy of the project that belongs to you"
log=$root/build/quickstart.log
: >"$log" || fail "can not write to $root/build"

. examples/beginning_of.sh
. examples/install_packages.sh
if [ -n "$text" ]; then
  install_packages build tests || exit 1 # tests: one build folder serves both
else
  install_packages build tests text || exit 1
fi
for tool in cmake ninja; do
  command -v $tool >/dev/null || fail "$tool is missing: install it and start again"
done
if ! printf '3.25\n%s\n' "$(cmake --version | sed -n 's/cmake version //p')" | sort -V -C; then
  fail "cmake 3.25 or newer is needed (Debian 12, Ubuntu 24.04)"
fi

echo "== building"
if ! cmake --preset release >"$log" 2>&1; then
  cat "$log" >&2
  fail "cmake could not prepare the build, see above"
fi
cmake --build --preset release --target tapeformer 01_tape 02_norm 03_schemes || fail "the build failed, see above"
tool=build/release/bin/tapeformer

if [ -z "$text" ]; then
  text=build/data/kjv.txt
  prompt="In the beginning"
  beginning=And
  if [ ! -s "$text" ]; then
    echo "== extracting the King James Bible"
    bash examples/extract_kjv.sh "$text" || exit 1
  fi
else
  prompt=
  beginning=$(beginning_of "$text")
fi

echo "== training"
out=runs/quickstart
resumed=1
if [ -e $out/checkpoint.safetensors ]; then
  "$tool" train --resume $out --text "$text" 2>"$log"
  resumed=$?
  if [ $resumed -eq 1 ] || [ $resumed -eq 2 ]; then
    sed 's/^tapeformer: /starting anew: /' "$log"
  elif [ $resumed -ne 0 ]; then
    cat "$log" >&2
    exit $resumed
  fi
fi
if [ $resumed -ne 0 ]; then
  "$tool" train --text "$text" --out $out --force || exit $?
fi

echo "== a sample"
"$tool" sample --model $out --prompt "$prompt" --tokens 500 --temperature 0.5 || exit $?

text=$(printf '%q' "$text")
cat <<END

== what you have
$out/model.safetensors      the trained model, with config.json and tokenizer.json
$out/metrics.jsonl          the course of the training, one JSON object a line
build/release/bin/                     the tool and the teaching programs

== what to try next
$tool sample --model $out --prompt $(printf '%q' "$beginning") --temperature 0.7
$tool train --text $text --scheme deepnorm --norm rms --layers 24 --width 64 --out runs/deep
$tool --help
build/release/bin/03_schemes           Post-LN, Pre-LN and DeepNorm side by side
To train again from the start, remove $out first.
END
