#!/bin/sh
# run.sh - runs the unit tests that are built, two at a time: run.sh [NAME...]
# Each may take 5 minutes.  Prints what fails, and at last "unit: N passed, M failed".
cd "$(dirname "$0")/../.." || exit 1
out=build/unit
rm -rf $out && mkdir -p $out || exit 1
# Without librabbitmq those of dma-smtpd-amqp are not built.
names=${*:-$(cd tests/unit && for name in *_test.c; do
	[ ! -x "${name%.c}" ] || echo "${name%_test.c}"
done)}
printf '%s\n' $names | \
    CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS=allocator_may_return_null=1 \
    xargs -n 1 -P 2 sh -c '
	timeout 300 "tests/unit/$1_test" >"$0/$1" 2>&1 || echo "# status $?" >>"$0/$1"
	' $out
cd $out || exit 1
# Each file has a plan "1..N"; a test that ended early leaves some of it out.
awk '
function end() {
	if (file == "")
		return
	if (planned > good + bad + skipped)
		bad = planned - good - skipped
	if (bad == 0 && (ended_badly || planned == 0))
		bad = 1
	printf "unit %-18s %3d passed\n", file, good
	if (bad > 0)
		printf "%sunit %s: %d failed\n", text, file, bad
	passed += good
	failed += bad
}
FNR == 1 {
	end()
	file = FILENAME
	text = ""
	good = bad = skipped = planned = ended_badly = 0
}
/^1\.\.[0-9]+$/ { planned = substr($0, 4); next }
/^ok / { good++; next }
/^# reason: / { reason = substr($0, 11); next }
/^not ok [0-9]+ # SKIP/ {
	skipped++
	print "SKIPPED unit " file " " $NF ": " reason
	reason = ""
	next
}
/^not ok / { bad++ }
/^# status / { ended_badly = 1 }
{ text = text $0 "\n" }
END {
	end()
	printf "unit: %d passed, %d failed\n", passed, failed
	exit failed > 0
}' $names
