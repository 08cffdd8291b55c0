# Shared by the scripts of this folder; source it, do not run it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\n== %s\n' "$*"; }

# Prints the packages of packages.txt that every machine needs; with "notorch" without those of
# libtorch, with "full" those that the full test suite needs besides.
package_list() {
  local drop='/# full/d'
  [ "${1:-}" = notorch ] && drop='/# \(train\|full\)/d'
  [ "${1:-}" = full ] && drop='/# full/!d'
  sed -e "$drop" -e 's/[[:space:]]*#.*//' -e '/^$/d' scripts/packages.txt
}

# Installs what is missing; needs root or sudo only then.
install_packages() {
  local missing=() package
  while read -r package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
      missing+=("$package")
  done < <(package_list "${1:-}")
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing ${#missing[@]} packages: ${missing[*]}"
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq \
      --no-install-recommends "${missing[@]}" >/dev/null
  fi
  if [ -z "${1:-}" ]; then choose_openmp_blas; fi
}

# libtorch shares the OpenMP team with us; the pthread build of OpenBLAS fights it for the cores.
choose_openmp_blas() {
  local link
  for link in libblas.so.3 liblapack.so.3 libopenblas.so.0; do
    local name="$link-x86_64-linux-gnu" best
    best=$(update-alternatives --list "$name" 2>/dev/null | grep openblas-openmp | head -n 1) || true
    if [ -n "$best" ] && [ "$(id -u)" = 0 ]; then
      update-alternatives --set "$name" "$best" >/dev/null 2>&1 || true
    fi
  done
}

# Configures and builds a preset: build_preset NAME [ninja targets...]
build_preset() {
  local preset=$1
  shift
  cmake --preset "$preset" >"build-$preset.log" 2>&1 || { cat "build-$preset.log" >&2; return 1; }
  rm -f "build-$preset.log"
  cmake --build --preset "$preset" ${1:+--target "$@"} -j "$(nproc)"
}
