#!/bin/bash
# check.sh - all tests; what "make check" and .ci/run run.
# Runs as: root.  FUZZ_SECONDS (default 0): for new fuzzing.
# The tree is copied to a directory that every user can reach and built there
# once for each variant, so it does not matter where the tree is, and the tree
# keeps what it has.  The logs stay in build/check.
# Says first what runs and about how long it takes, then what has ended; ends
# with "N passed, M failed".
cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || {
	echo "check.sh: must be root (try: sudo make check)" >&2
	exit 1
}
logs=$PWD/build/check
rm -rf "$logs"
mkdir -p "$logs" || exit 1
work=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-check.XXXXXX") || exit 1
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"

# part SECONDS NAME COMMAND...: one step of a lane, or a line of the plan.
part() {
	local seconds=$1 name=$2 log start=$SECONDS ok=1 passed failed
	shift 2
	if [ "$mode" = plan ]; then
		printf '  %3d:%02d  %s\n' $((seconds / 60)) $((seconds % 60)) \
		    "$name"
		return 0
	fi
	log=$logs/${name//[^a-z0-9]/-}.log
	"$@" >"$log" 2>&1 || ok=0
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
	echo "$passed $failed" >>"$work/tally"
	{
		flock 9
		printf '%3d:%02d  %s: %d passed, %d failed (%d s)\n' \
		    $((SECONDS / 60)) $((SECONDS % 60)) "$name" \
		    "$passed" "$failed" $((SECONDS - start))
		if [ "$failed" -gt 0 ]; then
			echo "$name, after $((SECONDS / 60)) min: $({
			    grep -E '^(FAILED|ERROR|not ok)' "$log" ||
			    grep -E 'error|: failed' "$log" ||
			    tail -1 "$log"
			} | head -1)" >>"$work/failures"
			tail -150 "$log"
		fi
	} 9>"$work/lock"
	return $((failed > 0))
}

# What make gets for each variant.
san="-fsanitize=address,undefined -fno-sanitize-recover=all"
gcc=(CC=gcc WERROR=-Werror)
clang=(CC=clang WERROR=-Werror HARDEN=-fPIE "CFLAGS=-O1 -g" "SANITIZE=$san")
remote=("${clang[@]}" CONFDIR="$work/remote/conf")
fuzz=(CC=clang HARDEN=-fPIE "CFLAGS=-O1 -g"
    "SANITIZE=${san/undefined/undefined,fuzzer-no-link}")

# in_variant NAME MAKE-ARGUMENT...: make in that copy.
in_variant() {
	local -n arguments=$1
	make -s -C "$work/$1" -j2 "${arguments[@]}" "${@:2}"
}

# build NAME MAKE-ARGUMENT...: a clean copy of the sources, built so.
build() {
	mkdir "$work/$1"
	tar -cf - --exclude=./build --exclude=./.git --exclude='*.[oad]' \
	    --exclude=./dma --exclude=./dma-remote \
	    --exclude=./aliases_parse.[ch] --exclude=./aliases_scan.c \
	    --exclude='*_test' --exclude='*_fuzz' --exclude=__pycache__ \
	    --exclude=./tests/compromise/compromised . | tar -xf - -C "$work/$1"
	in_variant "$@"
}

builds() {
	part 20 "build with gcc" build gcc all tests/compromise/compromised &&
	part 30 "build with clang and sanitizers" build clang \
	    LIBS=tests/sanitize.c all tests/compromise/compromised
}

# Without the installed program, then the one with sanitizers.
first() {
	part 60 "lint" env LINT_DEEP="${LINT_DEEP:-1}" make -s -C "$work/gcc" \
	    lint
	part 30 "unit tests" in_variant gcc unit
	part 60 "unit tests with sanitizers" in_variant clang unit
	part 40 "build of the fuzzers" build fuzz fuzzers
	part $((10 + ${FUZZ_SECONDS:-0})) "fuzzing" \
	    sh "$work/fuzz/tests/fuzz/run.sh" "${FUZZ_SECONDS:-0}"
	part 30 "build of dma-remote with sanitizers" build remote dma-remote
	part 90 "dma-remote with sanitizers" \
	    sh "$work/remote/tests/remote/run.sh" "$work/remote/conf"
	export DMA_SANITIZED=1
	part 360 "system tests with sanitizers" \
	    sh "$work/clang/tests/system/run.sh"
	part 30 "compromised processes with sanitizers" \
	    sh "$work/clang/tests/compromise/run.sh"
}

# The installed program, as it is shipped.
second() {
	part 300 "system tests" sh "$work/gcc/tests/system/run.sh"
	part 20 "compromised processes" sh "$work/gcc/tests/compromise/run.sh"
	part 200 "crashes" sh "$work/gcc/tests/crash/run.sh"
	part 120 "other mail software" bash "$work/gcc/tests/interop/run.sh"
}

mode=plan
echo "Builds (expected minutes:seconds):"
builds
echo "Tests, two at a time:"
first
echo "and:"
second
echo "This takes about 15 minutes on two processors.  Results, by time:"

mode=run
: >"$work/tally"
: >"$work/failures"
if builds; then
	for lane in first second; do
		($lane; touch "$work/ended.$lane") &
	done
	wait
	for lane in first second; do
		[ -e "$work/ended.$lane" ] || echo "0 1" >>"$work/tally"
	done
fi
if [ -s "$work/failures" ]; then
	printf '\nFailed, in this order (logs in build/check):\n'
	cat "$work/failures"
fi
awk '{ passed += $1; failed += $2 }
    END { printf "\n%d passed, %d failed\n", passed, failed
	exit failed > 0 }' "$work/tally"
