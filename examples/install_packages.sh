# Installs the Debian or Ubuntu packages that building, testing and the examples need. Meant to be sourced (bash):
#
#   . examples/install_packages.sh
#   install_packages build tests
#
# Groups: build (library and tool), tests, ci (the other compilers and tools of the full test matrix), text (a text to
# train on), pairs (with text: pairs of texts to train on), browser (to test pages). What is there already is left alone, and when nothing is missing the network is not used.

# The packages of one group. "name=command" is also satisfied by a command of that name from elsewhere, and a package
# marked "name?" is skipped where the distribution does not have it.
_packages_of() {
  case $1 in
    build) echo g++=g++ cmake=cmake ninja-build=ninja libopenblas-openmp-dev libdnnl-dev? libcli11-dev libfmt-dev zlib1g-dev nlohmann-json3-dev libcpp-httplib-dev? pkg-config=pkg-config ;;
    tests) echo catch2 ;;
    ci) echo clang=clang++ libomp-dev libclang-rt-dev? clang-format=clang-format clang-tidy=clang-tidy ccache=ccache ;;
    text) echo bible-kjv=bible ;;
    pairs) echo diatheke=diatheke sword-text-sparv ;;
    browser) echo chromium=chromium python3=python3 ;;
    *) echo "install_packages: there is no group '$1'; groups are build, tests, ci, text, pairs and browser" >&2; return 1 ;;
  esac
}

_is_installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs apt-get as root, without questions. Another apt may be at work, as on a machine that has just started: wait for it.
_apt_get() {
  local as_root=()
  if [ "$(id -u)" != 0 ]; then as_root=(sudo); fi
  local try
  for try in 1 2 3 4 5 6; do
    if "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
      apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null >"$_apt_log" 2>&1; then
      return 0
    fi
    grep -qiE 'could not get lock|unable to lock' "$_apt_log" || return 1
    echo "another program is installing packages; waiting (try $try of 6)" >&2
    sleep 20
  done
  return 1
}

# Returns 0 when everything is there in the end, or when this is no Debian and nothing can be known.
install_packages() {
  local group item name command missing=() optional=() _apt_log
  for group in "$@"; do _packages_of "$group" >/dev/null || return 1; done
  for item in $(for group in "$@"; do _packages_of "$group"; done); do
    name=${item%%[=?]*}
    command=
    case $item in *=*) command=${item#*=} ;; esac
    if [ -n "$command" ] && command -v "$command" >/dev/null; then continue; fi
    if command -v dpkg-query >/dev/null && _is_installed "$name"; then continue; fi
    case $item in *\?) optional+=("$name") ;; *) missing+=("$name") ;; esac
  done
  if [ ${#missing[@]} -eq 0 ] && [ ${#optional[@]} -eq 0 ]; then return 0; fi

  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "Packages are installed by themselves on Debian and Ubuntu only. Needed here, by their names there:" >&2
    echo "  ${missing[*]} ${optional[*]}" >&2
    echo "Going on: what is really missing will be named below." >&2
    return 0
  fi
  if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null && ! { [ -t 0 ] && command -v sudo >/dev/null && sudo -v; }; then
    if [ ${#missing[@]} -eq 0 ]; then return 0; fi
    echo "Some packages are missing, and installing them needs rights that you do not have here. Ask for:" >&2
    echo "  apt-get install ${missing[*]}" >&2
    return 1
  fi

  _apt_log=$(mktemp) || return 1
  local result=0
  if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}" >&2
    # The lists of packages may be missing or too old: only then are they fetched.
    if ! _apt_get install -y --no-install-recommends "${missing[@]}"; then
      if ! { _apt_get update && _apt_get install -y --no-install-recommends "${missing[@]}"; }; then
        echo "apt-get could not install ${missing[*]}:" >&2
        tail -n 15 "$_apt_log" >&2
        echo "Check the network and the sources of apt, or install these packages by hand, and start again." >&2
        result=1
      fi
    fi
  fi
  for name in "${optional[@]}"; do
    if apt-cache show "$name" >/dev/null 2>&1; then
      echo "installing $name" >&2
      _apt_get install -y --no-install-recommends "$name" || echo "$name could not be installed; going on" >&2
    fi
  done
  rm -f "$_apt_log"
  return $result
}
