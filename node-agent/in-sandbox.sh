#!/bin/sh
# The monitor's runtime for a container that shares a sandbox with others. None of these has a process of its own on the
# host: one stands for it here, which waits for its end and ends as it did.
#   in-sandbox.sh RUNSC FLAG… create --bundle DIR --pid-file FILE ID
set -f
IFS='
'
runsc=
while [ "$1" != create ]; do
  runsc="$runsc
$1"
  shift
done
bundle=$3 pid_file=$5 id=$6_
shift 6
set -- create --bundle "$bundle" --pid-file "$pid_file" "$id" "$@"

$runsc "$@" || exit
rm -f "$bundle/start"
mkfifo -m 600 "$bundle/start"
# Open from the beginning, for whoever writes.
exec 3<>"$bundle/start"
{
  # Before its start there is nothing to wait for.
  read -r _ <&3
  # {"id":"…","exitStatus":7}
  said=$($runsc wait "$id" 2>/dev/null 3<&-) || exit 137
  code=${said##*:}
  exit "${code%\}}"
} </dev/null &
echo $! >"$pid_file"
