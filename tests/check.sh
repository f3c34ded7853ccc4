#!/bin/bash
# check.sh - all tests; what "make check" and .ci/run run, as root.
# Each build has a directory of its own below build/, so that the tree keeps
# what it has.  FUZZ_SECONDS (default 0) is spent on new fuzzing.
# Ends with "N passed, M failed".
cd "$(dirname "$0")/.." || exit 1
tree=$PWD
lane=main

note() { printf '\n== %s\n' "$*"; }

# tally PASSED FAILED: both lanes add to one list.
tally() { echo "$1 $2" >>build/tally; }

# count COMMAND...: runs it and adds up its "N passed" and "M failed".
count() {
	local log=build/log.$lane ok=0
	"$@" >"$log" 2>&1 || ok=1
	local p f
	p=$(grep -Eo '[0-9]+ passed' "$log" | tail -1 | cut -d' ' -f1)
	f=$(grep -Eo '[0-9]+ (failed|error)' "$log" | tail -1 | cut -d' ' -f1)
	[ $ok -eq 0 ] || [ "${f:-0}" -gt 0 ] || f=1
	tally "${p:-0}" "${f:-0}"
	if [ $ok -eq 0 ]; then tail -1 "$log"; else tail -150 "$log"; fi
}

# one NAME COMMAND...: a check that passes or fails as a whole.
one() {
	local name=$1 log=build/log.$lane
	shift
	if "$@" >"$log" 2>&1; then
		echo "$name: passed"
		tally 1 0
	else
		echo "$name: failed"
		tail -60 "$log"
		tally 0 1
	fi
}

# variant NAME MAKE-ARGUMENT...: a clean copy of the sources, built so.
variant() {
	local dir=build/$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	tar -cf - --exclude=./build --exclude=./.git --exclude='*.[oad]' \
	    --exclude=./dma --exclude=./dma-remote \
	    --exclude=./aliases_parse.[ch] --exclude=./aliases_scan.c \
	    --exclude='*_test' --exclude='*_fuzz' \
	    --exclude=./tests/compromise/compromised . | tar -xf - -C "$dir"
	make -s -C "$dir" -j2 "$@"
}

san="-fsanitize=address,undefined -fno-sanitize-recover=all"
mkdir -p build
: >build/tally

alone() {
	lane=alone
	note "lint"
	one lint env LINT_DEEP="${LINT_DEEP:-1}" make -s lint
	note "unit tests: gcc; clang with sanitizers"
	count env CC=gcc WERROR=-Werror MAKEFLAGS=-e \
	    sh build/gcc/tests/unit/run.sh
	count env CC=clang SANITIZE="$san" HARDEN=-fPIE CFLAGS="-O1 -g" \
	    MAKEFLAGS=-e sh build/clang/tests/unit/run.sh
	note "fuzzing: corpora, then ${FUZZ_SECONDS:-0} s"
	one "fuzz build" variant fuzz CC=clang HARDEN=-fPIE CFLAGS="-O1 -g" \
	    SANITIZE="-fsanitize=address,undefined,fuzzer-no-link \
	    -fno-sanitize-recover=all"
	count env CC=clang HARDEN=-fPIE CFLAGS="-O1 -g" MAKEFLAGS=-e \
	    SANITIZE="-fsanitize=address,undefined,fuzzer-no-link \
	    -fno-sanitize-recover=all" \
	    sh build/fuzz/tests/fuzz/run.sh "${FUZZ_SECONDS:-0}"
	note "dma-remote alone, with sanitizers"
	one "remote build" variant remote CC=clang WERROR=-Werror \
	    HARDEN=-fPIE "SANITIZE=$san" CFLAGS="-O1 -g" \
	    CONFDIR="$tree/build/remote/conf"
	mkdir -p build/remote/conf
	DMA_REMOTE=$tree/build/remote/dma-remote \
	    DMA_CONFDIR=$tree/build/remote/conf \
	    count /usr/bin/python3 -m pytest -q -p no:cacheprovider \
	    tests/remote
	note "the installed program with sanitizers: system tests"
	export DMA_INSTALL="make -s -C $tree/build/clang install FORCE=1"
	export DMA_SANITIZED=1
	count bash tests/system/run.sh
	note "the installed program with sanitizers: compromised processes"
	count env DMA_COMPROMISED="$tree/build/clang/tests/compromise/compromised" \
	    bash tests/compromise/run.sh
}

installed() {
	lane=installed
	export DMA_INSTALL="make -s -C $tree/build/gcc install FORCE=1"
	note "the installed program: system tests"
	count bash tests/system/run.sh
	note "the installed program: compromised processes"
	count env DMA_COMPROMISED="$tree/build/gcc/tests/compromise/compromised" \
	    bash tests/compromise/run.sh
	note "the installed program: crashes"
	count bash tests/crash/run.sh
	note "the installed program: other people's programs"
	count bash tests/interop/run.sh
}

note "builds: gcc; clang with sanitizers"
one "gcc build" variant gcc CC=gcc WERROR=-Werror \
    all tests/compromise/compromised
one "clang build" variant clang CC=clang WERROR=-Werror \
    HARDEN=-fPIE "SANITIZE=$san" CFLAGS="-O1 -g" LIBS=tests/sanitize.c \
    all tests/compromise/compromised
# Two lanes side by side: each world is private, and two processors are common.
for name in alone installed; do
	rm -f "build/ended.$name"
	($name; touch "build/ended.$name") >"build/out.$name" 2>&1 &
done
wait
for name in alone installed; do
	cat "build/out.$name"
	[ -e "build/ended.$name" ] || tally 0 1
done
passed=$(awk '{ n += $1 } END { print n + 0 }' build/tally)
failed=$(awk '{ n += $2 } END { print n + 0 }' build/tally)
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
