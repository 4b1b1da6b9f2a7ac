#!/bin/sh
# A daemon of the old kind: its parent ends, the first process of the container becomes its parent.
( ( sleep 0.3; echo "orphan of $(awk '/^PPid/{print $2}' /proc/self/status | head -c 1 | tr -d '\n')" >/tmp/orphan ) & )
i=0; while [ $i -lt 50 ]; do sh -c 'exit 0' & i=$((i+1)); done
wait
while [ ! -e /tmp/orphan ]; do sleep 0.1; done
echo "children done"; exit 0
