# Prints each figure of benchmarks, what it was before and the ratio of the two, and where there is a
# budget how it stands to that. Files: budgets.txt, the benchmarks before, the benchmarks now.

FILENAME == ARGV[1] && NF == 4 && !/^#/ { sense[$1, $2] = $3; budget[$1, $2] = $4 }
FILENAME != ARGV[1] && /^Benchmark/ && $2 ~ /^[0-9]+$/ {
	name = $1
	sub(/-[0-9]+$/, "", name)
	for (i = 3; i < NF; i += 2) {
		if (FILENAME == ARGV[2]) before[name, $(i + 1)] = $i
		else show(name, $(i + 1), $i)
	}
}

function show(name, unit, now,    was, ratio, held) {
	if (unit == "ns/op" && now == 0) return # of benchmarks that measure something else
	was = ((name, unit) in before) ? before[name, unit] : "-"
	ratio = (was != "-" && was != 0) ? sprintf("%.2f", now / was) : "-"
	if ((name, unit) in budget) {
		measured[name, unit] = 1
		held = sense[name, unit] == "at-most" ? now <= budget[name, unit] : now >= budget[name, unit]
		held = (held ? "ok, " : "MISSED: ") sense[name, unit] " " budget[name, unit]
	}
	if (!shown++) printf "%-48s %-30s %14s %14s %7s  %s\n", "benchmark", "figure", "before", "now", "ratio", "budget"
	printf "%-48s %-30s %14s %14s %7s  %s\n", name, unit, was, now, ratio, held
}

END {
	for (key in budget) {
		split(key, of, SUBSEP)
		if (!(key in measured)) printf "%-48s %-30s %14s %14s %7s  %s\n", of[1], of[2], "-", "-", "-", "not measured, " sense[key] " " budget[key]
	}
}
