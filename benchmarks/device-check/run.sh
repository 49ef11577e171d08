#!/usr/bin/env bash
# Runs the check that `npm run pack:device-check` packed: beside device-check.tar.xz, or in the folder that it was unpacked
# into. Needs neither network nor Node. Arguments are those of `npm run check:device`; results go to $OUT, or to results/ here.
set -u
here=$(cd "$(dirname "$0")" && pwd)
archive=$here/device-check.tar.xz
export OUT=${OUT:-$here/results}

if [ -e "$archive" ]; then
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  if command -v xz > /dev/null; then
    tar -xJf "$archive" -C "$unpacked"
  else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$archive" "$unpacked"
  fi || { echo "$archive cannot be unpacked here: it takes xz or Python."; exit 1; }
  bash "$unpacked/run.sh" "$@"
  exit
fi

cd "$here" || exit 1
if ./node --version > /dev/null 2>&1; then
  exec ./node --import tsx benchmarks/device-check/main.ts --out "$OUT" "$@"
fi

echo 'The Node binary of the archive does not run here: what needs Node is left out, and there is no table.'
variant=device-check
[[ " $* " == *' --emulated '* ]] && variant=device-check-emulated
status=0
for step in limits 'small-cases float32 float16 bfloat16' 'large-shapes float32,33,4619 bfloat16,12,128256' ceilings; do
  echo "== $step"
  # Words of a step are arguments.
  # shellcheck disable=SC2086
  timeout 60 "build/$variant/device_check" $step || { status=$?; [ $status -eq 2 ] && break; }
done
exit $status
