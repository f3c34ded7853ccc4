#!/bin/sh
# run.sh - replays every corpus, then fuzzes for SECONDS in all.
# Usage: run.sh SECONDS; the fuzzers are built (make fuzzers; see check.sh).
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-0}
found=build/found
set -- tests/fuzz/*_fuzz.c
each=$((seconds / $#))

passed=0 failed=0
for source; do
	fuzzer=${source%.c}
	name=$(basename "$fuzzer" _fuzz)
	mkdir -p "$found/$name"
	ok=1
	"$fuzzer" -runs=0 -verbosity=0 "tests/fuzz/corpus/$name" \
	    2>"$found/$name.log" || ok=0
	[ $ok -eq 0 ] || [ $each -eq 0 ] || "$fuzzer" -max_total_time=$each \
	    -verbosity=0 -timeout=10 -rss_limit_mb=1024 \
	    -artifact_prefix="$found/$name." "$found/$name" \
	    "tests/fuzz/corpus/$name" 2>"$found/$name.log" || ok=0
	if [ $ok -eq 1 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "fuzz $name: failed"
		tail -40 "$found/$name.log" 2>/dev/null
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ $failed -eq 0 ]
