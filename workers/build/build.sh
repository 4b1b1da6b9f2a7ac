#!/bin/bash
# Runs inside the build sandbox as its first process. All arguments come as NUL-separated files in /berth/job;
# nothing of a tenant's becomes shell text.
#   fd 3  both ways, one line a message. Out: `unpacked`, `dockerfile BASE64`, `built`, `pushed DIGEST`,
#         `failed PHASE CODE BASE64`, `done`. In, after `dockerfile`: `secret NAME BASE64` for each,
#         then `go`, `go BASE64` (another text) or `stop`.
#   fd 4  the life line: when the host closes it (also by dying), this process ends, and with it the sandbox.
#   stdin the build context, as the environment's BERTH_CONTEXT_FORMAT says.
set -u
# The kernel counts these for all containers of the host together as well: none takes more than a part.
ulimit -i 1024 -q 131072
job=/berth/job
store=/var/lib/containers
work=$store/tmp/$BERTH_BUILD
context=$work/context
secrets=/run/berth-secrets
export TMPDIR=/var/tmp

tell() { printf '%s\n' "$*" >&3; }
fail() {
  tell "failed $1 $2 $(tail -c 8192 "$work/error" 2>/dev/null | base64 -w 0)"
  return 1
}
read_args() { mapfile -d '' -t args <"$job/$1"; }
percent_used() { df --output=pcent "$store" | tail -1 | tr -dc 0-9; }

# Every build holds the lock with others while it has anything on this disk; who holds it alone may throw away what
# others could be reading. Nothing of this build's is here yet: changing a lock may let go of it for a moment.
enter() {
  local leftover patience=0
  mkdir -p "$store/tmp"
  exec 9>>"$store/.berth-lock"
  # A build that has just filled the disk may still be tidying: what it leaves would fail this one.
  if (( $(percent_used) > BERTH_PRUNE_PERCENT )); then patience=10; fi
  if flock -x -w "$patience" 9; then
    for leftover in "$store"/tmp/*; do
      [[ -e $leftover ]] || continue
      # A build that was killed left this and its working containers.
      buildah rm --all >/dev/null 2>&1 9>&-
      rm -rf "$store"/tmp/*
      break
    done
    if (( $(percent_used) > BERTH_PRUNE_PERCENT )); then
      buildah rm --all >/dev/null 2>&1 9>&-
      buildah rmi --prune --force >/dev/null 2>&1 9>&-
      if (( $(percent_used) > BERTH_PRUNE_PERCENT )); then buildah prune --all --force >/dev/null 2>&1 9>&-; rm -f "$store"/apps/*; fi
    fi
  fi
  flock -s 9
}

unpack() {
  case $BERTH_CONTEXT_FORMAT in
    dockerfile) cat >"$context/Dockerfile" 2>"$work/error" && return 0 ;;
    tar) tar -xp --no-same-owner -f - -C "$context" 2>"$work/error" && return 0 ;;
    tar.gz) tar -xpz --no-same-owner -f - -C "$context" 2>"$work/error" && return 0 ;;
    tar.zst) tar -xp --zstd --no-same-owner -f - -C "$context" 2>"$work/error" && return 0 ;;
  esac
  fail unpack $?
}

# The host reads the Dockerfile first: it finds errors with their lines, hands over the secrets that are mounted, and may
# hand back another text. Secrets lie in memory, and only this process and its children have their directory.
agree() {
  local path=$context/$BERTH_DOCKERFILE verdict text
  [[ -f $path ]] || { : >"$work/error"; fail dockerfile 1; return 1; }
  tell "dockerfile $(head -c 1048576 "$path" | base64 -w 0)"
  while read -r -u 3 verdict text && [[ $verdict == secret ]]; do
    mkdir -p -m 700 "$secrets"
    # Its name cannot hold anything but letters, digits, «_», «.» and «-».
    (umask 077 && base64 -d <<<"${text#* }" >"$secrets/${text%% *}") || return 1
  done
  [[ $verdict == go ]] || return 1
  if [[ -n ${text:-} ]]; then
    base64 -d <<<"$text" >"$work/Dockerfile" || return 1
    # It stays beside the original, so that its own name keeps choosing its .dockerignore.
    cp --remove-destination "$work/Dockerfile" "$path" || return 1
  fi
}

secret_args() {
  local file
  for file in "$secrets"/*; do
    [[ -f $file ]] && args+=("--secret=id=${file##*/},src=$file")
  done
}

build() {
  local args code
  read_args build.args
  secret_args
  if [[ ! -e $store/apps/$BERTH_APP ]]; then
    # The first build of this app on this disk: what other workers built before may be in the registry.
    local -a cached
    mapfile -d '' -t cached <"$job/cache-from.args"
    args+=("${cached[@]}")
  fi
  buildah build "${args[@]}" "$context" 2>&1 3>&- 4>&- 9>&- </dev/null
  code=$?
  if (( code == 0 )); then return 0; fi
  df --output=avail,iavail "$store" | tail -1 >"$work/error"
  fail build $code
}

push() {
  local args pause code
  read_args push.args
  # A registry that is away for a moment must not cost a build of many minutes.
  for pause in 1 2 4 last; do
    buildah push "${args[@]}" >"$work/error" 2>&1 3>&- 4>&- 9>&- </dev/null && break
    code=$?
    if [[ $pause == last ]]; then fail push $code; return 1; fi
    sleep "$pause"
  done
  tell "pushed $(<"$work/digest")"
}

# After the release is on its way: costs the deploy nothing.
share() {
  local args
  mkdir -p "$store/apps" && : >"$store/apps/$BERTH_APP"
  [[ -s $job/cache-to.args ]] || return 0
  read_args cache-to.args
  secret_args
  buildah build "${args[@]}" "$context" >"$work/error" 2>&1 3>&- 4>&- 9>&- </dev/null || tell "note $(tail -c 2048 "$work/error" | base64 -w 0)"
}

run() {
  enter
  mkdir -p "$work/tmp" "$context" || { tell "failed disk 1 "; return; }
  # Some of buildah's temporary files heed no TMPDIR.
  mount --bind "$work/tmp" /var/tmp
  tell ready
  unpack || return
  tell unpacked
  agree || return
  build || return
  tell built
  push || return
  share
}

{
  run
  umount /var/tmp 2>/dev/null
  rm -rf "$work"
  tell "done"
} <&0 4>&- &
read -r -u 4 _
exit 0
