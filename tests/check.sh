#!/bin/bash
# check.sh - all tests; what "make check" and .ci/run run.
# Runs as: root.  FUZZ_SECONDS (default 0): for new fuzzing.  DMA_CHECK_SAMPLE
# (default 3): one in so many of the tests that all run with sanitizers is run
# without them, too; DMA_CHECK_SEED (default 1) chooses which.
# The tree is copied to a directory that every user can reach and built there
# once for each variant, so it does not matter where the tree is, and the tree
# keeps what it has.  The logs stay in build/check.
# Says first what runs and about how long it takes, installs on Debian what that
# requires, then says what has ended; ends with what was skipped and why, what
# failed, and "N passed, M failed".  A test that failed beside others is run
# three times alone; it has passed if all three do, and is named.
cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || {
	echo "check.sh: must be root (try: sudo make check)" >&2
	exit 1
}
# Other mail software is installed once for all parts that use it.  Where that
# would be an overlay on an overlay, it is kept in memory.
others=${DMA_INTEROP_DIR:-/var/cache/dma-tests}
mkdir -p "$others" || exit 1
if [ "$(stat -f -c %T "$others")" = overlayfs ]; then
	mkdir -p "$others/layers" || exit 1
	[ -n "${DMA_CHECK_IN:-}" ] ||
	    DMA_CHECK_IN=1 exec unshare -m --propagation private sh -c \
		'mount -t tmpfs none "$1" && exec bash tests/check.sh' sh \
		"$others/layers"
	others=$others/layers
fi
logs=$PWD/build/check
rm -rf "$logs"
mkdir -p "$logs" || exit 1
work=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-check.XXXXXX") || exit 1
trap 'end_still_running; rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
mkdir "$work/running" || exit 1

# run_part NAME COMMAND...: its result, with the log of what failed.
run_part() {
	local name=$1 log start=$SECONDS ok=1 passed failed
	shift
	log=$logs/${name//[^a-z0-9]/-}.log
	: >"$work/running/$name"
	"$@" >"$log" 2>&1 || ok=0
	rm "$work/running/$name"
	# A test that counts says "N passed, M failed"; others pass as a whole.
	read -r passed failed <<<"$(awk '
		/[0-9]+ (passed|failed|errors?)/ {
			passed = failed = 0
			for (i = 2; i <= NF; i++) {
				if ($i ~ /^passed/)
					passed = $(i - 1)
				if ($i ~ /^(failed|errors?)/)
					failed += $(i - 1)
			}
			n = 1
		}
		END { if (n) print passed, failed; else print "-", 0 }' "$log")"
	[ "$passed" != - ] || passed=$ok
	[ $ok -eq 1 ] || [ "$failed" -gt 0 ] || failed=1
	{
		flock 9
		echo "$passed $failed" >>"$work/tally"
		printf '%3d:%02d  %s: %d passed, %d failed (%d s)\n' \
		    $((SECONDS / 60)) $((SECONDS % 60)) "$name" \
		    "$passed" "$failed" $((SECONDS - start))
		sed -n 's/^0 passed, 1 skipped: /        skipped: /p' "$log"
		note_skipped "$name" "$log"
		[ "$failed" -eq 0 ] || {
			show_failure "$name" "$log"
			note_failed "$log" "$@"
		}
	} 9>"$work/lock"
	return $((failed > 0))
}

# note_skipped NAME LOG: each test with its reason, for the end of all.
note_skipped() {
	sed -nE "s/^(SKIPPED|0 passed, 1 skipped:) /    $1: /p" "$2" \
	    >>"$work/skipped"
}

# still_running: names what runs, if nothing has ended for a minute.
still_running() {
	local end
	while ! read -r -t 60 -u 7 end; do
		[ -z "$(find "$work/tally" -mmin +0.9)" ] ||
		    printf '%3d:%02d  still running: %s\n' $((SECONDS / 60)) \
		    $((SECONDS % 60)) "$(ls "$work/running" | paste -sd,)"
	done 7<>"$work/end"
}

# Nobody waits for it: "wait" is for the tests.
start_still_running() {
	mkfifo "$work/end" || exit 1
	still_running &
	disown
}

end_still_running() {
	[ ! -p "$work/end" ] || echo 1<>"$work/end"
}

# The lines that name what failed go to the end of all.
show_failure() {
	{
		echo "$1, after $((SECONDS / 60)) min:"
		{
			grep -E '^(FAILED|ERROR|not ok)' "$2" ||
			grep -E 'error|: failed' "$2" ||
			tail -1 "$2"
		} | head -10 | sed 's/^/    /'
	} >>"$work/failures"
	tail -300 "$2"
}

# note_failed LOG COMMAND...: what is to be run alone: the count, the command.
# What a sanitizer found, or a message that was lost or doubled, is no chance.
note_failed() {
	local log=$1 words=() failures=() tests=()
	shift
	grep -qE 'ERROR: [A-Za-z]+Sanitizer|runtime error:' "$log" && return
	# A test can fail and leave something behind: two failures.
	mapfile -t failures < <(sed -nE \
	    's/^(FAILED|ERROR) (tests\/[^ ]*::.*)/\2/p' "$log" |
	    grep -vE 'lost|doubled|twice' | sed 's/ - .*//')
	mapfile -t tests < <(printf '%s\n' "${failures[@]}" | sort -u)
	case "${tests[*]}" in
	'' | *tests/boot/* | *tests/packages/*) return ;;
	esac
	while [ $# -gt 0 ]; do
		case $1 in
		-j | --sample) shift ;;
		tests/*.py | --ignore=*) ;;
		*) words+=("$1") ;;
		esac
		shift
	done
	{
		printf '%d ' ${#failures[@]}
		printf '%q ' "${words[@]}" --times 3 "${tests[@]}"
		echo
	} >>"$work/again"
}

# run_again: each of these tests three times, when nothing else runs.
run_again() {
	local count command all
	all=$(awk '{ n += $1 } END { print n + 0 }' "$work/again")
	[ "$all" -gt 0 ] || return
	if [ "$all" -gt 8 ]; then
		echo "$all tests failed: too many to run them alone."
		return
	fi
	while read -r count command; do
		if eval "$command" >>"$logs/alone.log" 2>&1 </dev/null; then
			echo "$count -$count" >>"$work/tally"
			echo "Failed beside others, passed three times alone:"
		else
			echo "Failed beside others, and alone:"
		fi
		echo "    ${command#*--times 3 }"
	done <"$work/again"
}

# The tests share this many places: most of them wait most of the time.
nplaces=$((4 * $(nproc)))
[ $nplaces -ge 8 ] || nplaces=8

# part PLACES SECONDS NAME COMMAND...: a line of the plan, or what is run when
# so many places are free, beside others; with 0 places it is run alone.
part() {
	local n=$1 seconds=$2 name=$3
	shift 3
	if [ "$mode" = plan ]; then
		printf '  %3d:%02d  %s\n' $((seconds / 60)) $((seconds % 60)) \
		    "$name"
		return 0
	fi
	started=$((started + 1))
	if [ "$n" = 0 ]; then
		run_part "$name" "$@" 8>&-
		return
	fi
	read -r -N "$n" -u 8 _
	{
		run_part "$name" "$@" 8>&-
		printf "%${n}s" >&8
	} &
}

sample=${DMA_CHECK_SAMPLE:-3}
export DMA_CHECK_SEED=${DMA_CHECK_SEED:-1}

# What make gets for each variant.
san="-fsanitize=address,undefined -fno-sanitize-recover=all"
gcc=(CC=gcc WERROR=-Werror)
clang=(CC=clang WERROR=-Werror HARDEN=-fPIE "CFLAGS=-O1 -g" "SANITIZE=$san")
remote=("${clang[@]}" CONFDIR="$work/remote/conf")
fuzz=(CC=clang WERROR=-Werror HARDEN=-fPIE "CFLAGS=-O1 -g"
    "SANITIZE=${san/undefined/undefined,fuzzer-no-link}")

# in_variant NAME MAKE-ARGUMENT...: make in that copy.
in_variant() {
	local -n arguments=$1
	make -s -C "$work/$1" -j2 "${arguments[@]}" "${@:2}"
}

# build NAME MAKE-ARGUMENT...: a clean copy of the sources, built so.
build() {
	sh tests/copy.sh "$work/$1"
	in_variant "$@"
}

remote() {
	[ -d "$work/remote" ] || build remote dma-remote || return
	sh "$work/remote/tests/remote/run.sh" "$work/remote/conf" "$@"
}

fuzz() {
	build fuzz fuzzers &&
	    sh "$work/fuzz/tests/fuzz/run.sh" "${FUZZ_SECONDS:-0}"
}

interop() {
	DMA_INTEROP_DIR=$others bash "$work/gcc/tests/interop/run.sh" "$@"
}

builds() {
	part 0 20 "build with gcc" build gcc all compromised &&
	part 0 30 "build with clang and sanitizers" build clang \
	    LIBS=tests/sanitize.c all compromised
}

# The longest first.
tests() {
	part 4 300 "system tests with sanitizers" env DMA_SANITIZED=1 \
	    sh "$work/clang/tests/system/run.sh" -j 4
	part 1 200 "other mail software" interop \
	    --ignore=tests/interop/test_rabbitmq.py \
	    --ignore=tests/interop/test_callers.py
	part 1 100 "programs that call sendmail" \
	    interop tests/interop/test_callers.py
	part 2 120 "RabbitMQ cluster" interop \
	    tests/interop/test_rabbitmq.py
	part 1 160 "booted systemd" bash "$work/gcc/tests/boot/run.sh"
	part 1 150 "Debian packages" bash tests/packages/run.sh
	part 1 250 "lint" env LINT_DEEP="${LINT_DEEP:-1}" \
	    make -s -C "$work/gcc" lint
	part 1 100 "other platforms" bash "$work/gcc/tests/platforms/run.sh" \
	    native
	part 1 40 "unit tests" in_variant gcc unit
	part 4 140 "system tests, one in $sample by seed $DMA_CHECK_SEED" \
	    sh "$work/gcc/tests/system/run.sh" -j 4 --sample "$sample"
	part 1 60 "unit tests with sanitizers" in_variant clang unit
	part 1 30 "unit tests of lib with MSan" \
	    sh tests/unit/memory.sh "$work/memory"
	part 3 100 "dma-smtpd with sanitizers" env DMA_SANITIZED=1 \
	    sh "$work/clang/tests/smtpd/run.sh" -j 3
	part 3 40 "dma-smtpd, one in $sample" \
	    sh "$work/gcc/tests/smtpd/run.sh" -j 3 --sample "$sample"
	part 3 100 "crashes" sh "$work/gcc/tests/crash/run.sh" -j 3
	part 1 90 "dma-remote with sanitizers" remote
	part 1 60 "submission without set-uid" env WORLD_SUBMIT=socket \
	    sh "$work/gcc/tests/system/run.sh" tests/system/test_submit.py \
	    tests/system/test_header.py tests/system/test_mailq.py \
	    tests/system/test_senders.py tests/system/test_verbose.py \
	    tests/system/test_hostile.py
	part 1 20 "compromised processes, one in $sample" \
	    sh "$work/gcc/tests/compromise/run.sh" --sample "$sample"
	part 1 40 "compromised processes with sanitizers" env DMA_SANITIZED=1 \
	    sh "$work/clang/tests/compromise/run.sh"
	part 1 $((40 + ${FUZZ_SECONDS:-0})) "fuzzing" fuzz
}

mode=plan
echo "Builds (expected minutes:seconds):"
builds
echo "Tests, some side by side:"
tests
cat <<'END'
This takes about 22 minutes on two processors and, the first time on a bare
Debian, a few more to install packages: compilers and tools on this machine
(230 MB are downloaded), and other mail software and a small Debian apart from
it (1 GB, below /var/cache/dma-tests).

END
sh tests/deps.sh test || exit 1
SECONDS=0
echo "Results, by time (minutes:seconds):"

mode=run
started=0
: >"$work/tally"
: >"$work/failures"
: >"$work/again"
: >"$work/skipped"
mkfifo "$work/places" || exit 1
exec 8<>"$work/places"
printf "%${nplaces}s" >&8
start_still_running
if builds; then
	tests
	wait
fi
end_still_running
# A part that has no result did not end.
while [ "$(wc -l <"$work/tally")" -lt $started ]; do
	echo "0 1" >>"$work/tally"
done
if [ -s "$work/skipped" ]; then
	printf '\nSkipped (%d):\n' "$(sort -u "$work/skipped" | wc -l)"
	sort -u "$work/skipped"
fi
if [ -s "$work/failures" ]; then
	printf '\nFailed, in this order (logs in build/check):\n'
	cat "$work/failures"
	run_again
fi
awk '{ passed += $1; failed += $2 }
    END { printf "\n%d passed, %d failed\n", passed, failed
	exit failed > 0 }' "$work/tally"
