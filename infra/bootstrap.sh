# Sourced by infra/up, infra/down and test/run: what Node needs before Node can run. Bash, nothing else.
# `say` and `die` write for people; `bootstrap_packages` and `bootstrap_node` install only what is missing.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
os_packages=(haproxy redis-server postgresql nftables iproute2 mmdebstrap patchelf uidmap e2fsprogs ca-certificates procps util-linux mount)
# What only tests call.
test_packages=(skopeo openssl docker.io podman runc curl jq zsh fish attr zstd)

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "${BERTH_COMMAND:-berth}" "$*" >&2
  exit 1
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Debian starts the servers of these packages at once; Berth starts its own, so they are kept from it.
apt_install() {
  local log=${TMPDIR:-/tmp}/berth-apt.$$.log policy=/usr/sbin/policy-rc.d made=
  say "installing: $*"
  if [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made=1
  fi
  local ok=0
  export DEBIAN_FRONTEND=noninteractive
  # A fresh container has no package lists, an old one has stale ones: then the lists are read again.
  if ! apt-get install -y --no-install-recommends "$@" </dev/null >"$log" 2>&1; then
    { apt-get update </dev/null && apt-get install -y --no-install-recommends "$@" </dev/null; } >>"$log" 2>&1 || ok=$?
  fi
  [[ -n $made ]] && rm -f "$policy"
  if [[ $ok -ne 0 ]]; then
    tail -n 20 "$log" >&2
    die "apt-get could not install $* (log: $log)"
  fi
  rm -f "$log"
}

bootstrap_packages() {
  local missing=() package
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [[ ${#missing[@]} -eq 0 ]] && return
  [[ $(id -u) -eq 0 ]] || die "these packages are missing and only root can install them: ${missing[*]}"
  command -v apt-get >/dev/null || die "apt-get is missing: Berth runs on Debian 12 or 13"
  apt_install "${missing[@]}"
}

# Whether what is installed is what package-lock.json says, so that `npm install` by hand needs no second one.
lock_matches() {
  [[ -x $repository/node_modules/.bin/node ]] || return 1
  "$repository/node_modules/.bin/node" -e '
    const { readFileSync } = require("node:fs");
    const read = (path) => JSON.parse(readFileSync(path, "utf8")).packages;
    const [wanted, found] = process.argv.slice(1).map(read);
    const same = ([path, p]) => path === "" || p.optional || found[path]?.version === p.version;
    process.exit(Object.entries(wanted).every(same) ? 0 : 1);
  ' "$repository/package-lock.json" "$repository/node_modules/.package-lock.json" 2>/dev/null
}

# Node 24 comes with the npm package `node`; any npm can install it.
bootstrap_node() {
  local stamp=$repository/node_modules/.berth-lock
  local want
  want=$(sha256sum "$repository/package-lock.json" | cut -d' ' -f1)
  if [[ -x $repository/node_modules/.bin/node && -f $stamp && $(<"$stamp") == "$want" ]]; then return; fi
  # Two commands at once on a fresh clone: the second waits, then finds it done.
  exec 8>"$repository/.npm-lock"
  flock 8
  if [[ -x $repository/node_modules/.bin/node && -f $stamp && $(<"$stamp") == "$want" ]]; then
    exec 8>&-
    return
  fi
  if lock_matches; then
    printf '%s\n' "$want" >"$stamp"
    exec 8>&-
    return
  fi
  command -v npm >/dev/null || bootstrap_packages nodejs npm
  say "installing Node 24 and the packages of package-lock.json"
  local log=${TMPDIR:-/tmp}/berth-npm.$$.log
  (cd "$repository" && npm ci --no-audit --no-fund </dev/null >"$log" 2>&1) || {
    tail -n 20 "$log" >&2
    die "npm ci failed (log: $log)"
  }
  rm -f "$log"
  printf '%s\n' "$want" >"$stamp"
  exec 8>&-
}

# Instead of this script. Wants `bootstrap_node`.
start_node() {
  export PATH=$repository/node_modules/.bin:$PATH
  exec node --import "$repository/infra/quick-imports.ts" "$@"
}

check_debian() {
  local id='' version=''
  if [[ -r /etc/os-release ]]; then
    id=$(. /etc/os-release && printf '%s' "${ID:-}")
    version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-0}")
  fi
  [[ $id == debian && ${version%%.*} -ge 12 ]] || die "Berth runs on Debian 12 or 13; this is ${id:-something else} $version"
}
