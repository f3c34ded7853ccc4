#!/bin/bash
# coverage.sh - which lines the tests reach: coverage.sh [PART...]
# PARTS: unit system socket smtpd compromise crash remote interop (default: all
# but interop).  Runs as: root, for about half an hour.
# The counters are a file that each process maps when it starts, so that
# _exit(), kill -9 and a sandbox lose nothing.  It is below /var/log, where a
# sandbox lets what it starts write: dma-remote is a child of the runner.
# Of two processes after a fork(), the lines that one of them skips are counted
# by subtraction, and may look as if nobody had reached them.
# Leaves build/coverage/report (a line a file), unreached (FILE:LINE: TEXT of
# what no test reached) and index.html.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || {
	echo "coverage.sh: must be root (try: sudo make coverage)" >&2
	exit 1
}
[ $# -gt 0 ] || set -- unit system socket smtpd compromise crash remote
for part; do
	case $part in
	unit | system | socket | smtpd | compromise | crash | remote | interop) ;;
	*) echo "coverage.sh: no part \"$part\", see its head" >&2; exit 64 ;;
	esac
done
to=$PWD/build/coverage
rm -rf "$to"
mkdir -p "$to"
work=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-coverage.XXXXXX")
DMA_COVERAGE=$(mktemp -d /var/log/dma-coverage.XXXXXX)
export DMA_COVERAGE
trap 'rm -rf --one-file-system "$work" "$DMA_COVERAGE"' EXIT
chmod 755 "$work"
chmod 1777 "$DMA_COVERAGE"
# Whoever comes first makes a file; others, of other users, write to it.
setfacl -d -m u::rw,g::rw,o::rw "$DMA_COVERAGE"
tree=$work/tree

# make_in DIRECTORY ARGUMENT...: with counters.
make_in() {
	make -s -C "$1" -j2 CC=clang HARDEN=-fPIE "CFLAGS=-O0 -g" \
	    "SANITIZE=-Wno-unused-command-line-argument -fcoverage-mapping \
	    -mllvm -runtime-counter-relocation \
	    -fprofile-instr-generate=$DMA_COVERAGE/%m%c" "${@:2}"
}

# A test that fails here may have been disturbed by the counters.
run() {
	case $1 in
	unit) make_in "$tree" -k unit ;;
	system) bash "$tree/tests/system/run.sh" -j 4 ;;
	socket)
		WORLD_SUBMIT=socket bash "$tree/tests/system/run.sh" -j 4 \
		    tests/system/test_submit.py tests/system/test_verbose.py
		;;
	smtpd) sh "$tree/tests/smtpd/run.sh" -j 3 ;;
	remote)
		# Built to read another dma.conf, and counted as the same.
		sh "$tree/tests/copy.sh" "$work/remote" &&
		    make_in "$work/remote" CONFDIR="$work/conf" dma-remote &&
		    sh "$work/remote/tests/remote/run.sh" "$work/conf"
		;;
	compromise | crash) sh "$tree/tests/$1/run.sh" -j 3 ;;
	interop) bash "$tree/tests/interop/run.sh" ;;
	esac
}

sh tests/copy.sh "$tree"
make_in "$tree" all compromised
cd "$tree"
# In a sandbox, no file can be made.
for program in ./dma ./dma-remote ./dma-smtpd ./dma-smtpd-drain; do
	"$program" -V </dev/null >/dev/null 2>&1 || true
done
for part; do
	run "$part" >"$to/$part.log" 2>&1 || true
	echo "$part: $(grep -oE '[0-9]+ passed.*' "$to/$part.log" | tail -1)"
done

llvm-profdata merge -o "$work/all" "$DMA_COVERAGE"/*
objects=()
for program in dma-remote dma-smtpd dma-smtpd-drain dma-smtpd-amqp \
    smtpd/modules/*.so tests/unit/*_test tests/compromise/compromised \
    tests/compromise/confined; do
	[ ! -e "$program" ] || objects+=(-object "$program")
done
# What bison and flex made is not ours to test.
cov() {
	llvm-cov "$1" dma "${objects[@]}" -instr-profile="$work/all" \
	    -ignore-filename-regex='tests/|aliases_(parse|scan)\.c' "${@:2}" \
	    2>>"$to/llvm.log"
}
cov report | sed "s|$tree/||" >"$to/report"
cov show -format=html -output-dir="$to" >/dev/null
cov show | awk -v tree="$tree/" '
	/^\/.*:$/ { file = substr($0, 1, length($0) - 1); sub(tree, "", file) }
	match($0, /^ *[0-9]+\| *0\|/) {
		split($0, part, "|")
		text = substr($0, RLENGTH + 1)
		sub(/^[ \t]*/, "", text)
		if (text !~ /^([{}]*$|#)/)
			print file ":" part[1] + 0 ": " text
	}' >"$to/unreached"
awk '/^TOTAL/ { print "lines: " $8 " in all, " $9 " not reached, " $10 }' \
    "$to/report"
echo "build/coverage: report, unreached, index.html"
