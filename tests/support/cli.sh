# What the tests of the program share; they source it: it goes to a folder of its own and defines the checks.
#
#   . "$(dirname "${BASH_SOURCE[0]}")/support/cli.sh"
program=$(realpath "${1-}") && [ -x "$program" ] || { echo "give the program to test" >&2; exit 1; }
name=$(basename "$program")
work=$(mktemp -d)
trap 'rm -rf "$work" "$work.out" "$work.err"' EXIT
cd "$work" || exit 1
export OMP_NUM_THREADS=1 # small work, perhaps on a busy machine
checks=0
failures=0

verdict() { # verdict "what" 0|1 "details"
  checks=$((checks + 1))
  [ "$2" -eq 0 ] && return
  failures=$((failures + 1))
  echo "FAILED: $1"
  printf '%s\n' "${3-}" | sed 's/^/    /'
}

# refused "part of the message" arguments...: wrong input ends with that message, in one line, with exit code 1 or 2, and
# nothing is written.
refused() { ends_wrongly "1 2" "$@"; }

# misused "part of the message" arguments...: the same for a wrong command line, whose exit code is 2.
misused() { ends_wrongly 2 "$@"; }

ends_wrongly() { # ends_wrongly "exit codes" "part of the message" arguments...
  local codes=$1 part=$2 before code problems=
  shift 2
  before=$(find . | sort; find . -name config.json -exec cksum {} + | sort)
  timeout 60 "$program" "$@" >"$work.out" 2>"$work.err" </dev/null
  code=$?
  [[ " $codes " == *" $code "* ]] || problems+="exit code $code"$'\n'
  [ "$(wc -l <"$work.err")" -eq 1 ] || problems+="not one line on standard error"$'\n'
  grep -qF -- "$part" "$work.err" || problems+="the message lacks: $part"$'\n'
  [ ! -s "$work.out" ] || problems+="standard output: $(head -c 200 "$work.out")"$'\n'
  [ "$before" = "$(find . | sort; find . -name config.json -exec cksum {} + | sort)" ] || problems+="something was written"$'\n'
  [ -z "$problems" ]
  verdict "$name $*" $? "$problems$(cat "$work.err")"
}

# ends_with CODE arguments...: runs the program; its output is in out and err.
ends_with() {
  local expected=$1 code
  shift
  timeout 300 "$program" "$@" >out 2>err </dev/null
  code=$?
  [ $code -eq "$expected" ]
  verdict "$name $* ends with $expected" $? "exit code $code"$'\n'"$(cat err)"
}

# holds "what" command...: the command succeeds.
holds() {
  local what=$1 output
  shift
  output=$("$@" 2>&1)
  verdict "$what" $? "$output"
}
