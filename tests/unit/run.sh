#!/bin/sh
# run.sh - builds and runs the unit tests of a tree that is built.
# Usage: run.sh [ROOM...]; CC, CFLAGS, SANITIZE, WERROR as for make.
# Prints one line "unit: N passed, M failed".
cd "$(dirname "$0")/../.." || exit 1
rooms=${*:-$(cd tests/unit && ls ./*_test.c | sed 's|^\./||; s|_test\.c$||')}

passed=0 failed=0
for room in $rooms; do
	make -s "tests/unit/${room}_test" || {
		failed=$((failed + 1))
		continue
	}
	out=$(CMOCKA_MESSAGE_OUTPUT=stdout "tests/unit/${room}_test" 2>&1)
	status=$?
	n=$(printf '%s\n' "$out" | grep -c '^\[       OK \]')
	bad=$(printf '%s\n' "$out" | sed -n 's/^ \([0-9]*\) FAILED TEST.*/\1/p')
	if [ $status -ne 0 ]; then
		printf '%s\n' "$out" | grep -v '^\[ RUN\|^\[       OK'
		[ "${bad:-0}" -gt 0 ] || bad=1
		failed=$((failed + bad))
	fi
	passed=$((passed + n))
	printf 'unit %-8s %3d passed\n' "$room" "$n"
done
echo "unit: $passed passed, $failed failed"
[ $failed -eq 0 ]
