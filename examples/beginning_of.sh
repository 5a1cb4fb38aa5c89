# For scripts to source. beginning_of FILE: the first characters, 12 at most, of the first line of a UTF-8 text that is not
# empty: a prompt that the model of this text knows all letters of.
beginning_of() {
  local LC_ALL=C.UTF-8 line
  line=$(LC_ALL=C sed -e '1s/^\xEF\xBB\xBF//' -e 's/\r$//' -e 's/^[[:space:]]*//' "$1" | LC_ALL=C grep -m 1 .)
  line=${line:0:12}
  printf '%s' "${line%"${line##*[![:space:]]}"}"
}
