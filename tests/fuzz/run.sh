#!/bin/sh
# run.sh - replays every corpus, then fuzzes for SECONDS in all.
# Usage: run.sh SECONDS; needs a tree that was built with clang and
# SANITIZE=-fsanitize=address,undefined,fuzzer-no-link.
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-0}
names=$(cd tests/fuzz && ls ./*_fuzz.c | sed 's|^\./||; s|_fuzz\.c$||')

passed=0 failed=0 n=0
for name in $names; do n=$((n + 1)); done
each=$((seconds / n))
for name in $names; do
	ok=1
	make -s "tests/fuzz/${name}_fuzz" || ok=0
	mkdir -p "build/found/$name"
	[ $ok -eq 0 ] || "tests/fuzz/${name}_fuzz" -runs=0 -verbosity=0 \
	    "tests/fuzz/corpus/$name" 2>"build/found/$name.log" || ok=0
	[ $ok -eq 0 ] || [ $each -eq 0 ] || "tests/fuzz/${name}_fuzz" \
	    -max_total_time=$each -verbosity=0 -timeout=10 -rss_limit_mb=1024 \
	    -artifact_prefix="build/found/$name." "build/found/$name" \
	    "tests/fuzz/corpus/$name" 2>"build/found/$name.log" || ok=0
	if [ $ok -eq 1 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "fuzz $name: failed"
		tail -40 "build/found/$name.log" 2>/dev/null
	fi
done
echo "fuzz: $passed passed, $failed failed"
[ $failed -eq 0 ]
