#!/bin/sh
# Measures the benchmarks here and at another commit, one after the other on the same machine, and
# prints the figures, what they were at that commit, the ratios, and how they stand to the budgets.
#
#   bench/run.sh COMMIT BENCHMARKS     BENCHMARKS as go test -bench takes them
set -eu
commit=$1 which=$2
out=bin/bench
before=$out/before

measure() {
	go test -vet=off -run '^$' -bench "$which" -benchmem -timeout 0 ./policy ./store ./ledger &&
	go test -vet=off -v -run '^$' -bench "$which" -benchtime 1x -timeout 0 ./cmd/countersign
}

mkdir -p "$out"
rm -rf "$before" # of a run that was stopped
git worktree prune
git worktree add --quiet --detach "$before" "$commit"
trap 'git worktree remove --force "$before"' EXIT
cp -R .cache "$before/" # GitHub's published schema

echo "at $(git describe --tags --always --dirty), then at $(git -C "$before" describe --tags --always):"
{ measure || echo FAIL; } | tee "$out/now.txt"
! grep -q '^FAIL' "$out/now.txt" || exit 1
(cd "$before" && measure) >"$out/before.txt" || echo "not all of it could be measured at $commit: see $out/before.txt"
awk -f bench/ratios.awk bench/budgets.txt "$out/before.txt" "$out/now.txt"
