#!/bin/bash
# coverage.sh - which lines the tests reach: coverage.sh [PART...]
# PARTS: unit system smtpd remote compromise crash interop (default: all but
# interop).  Runs as: root, for about 15 minutes.
# The counters are a file that each process maps when it starts, before it
# confines itself, so that _exit(), kill -9 and a sandbox lose nothing.
# Leaves build/coverage/report (a line a file), unreached (FILE:LINE: TEXT of
# what no test reached) and index.html.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || {
	echo "coverage.sh: must be root (try: sudo make coverage)" >&2
	exit 1
}
[ $# -gt 0 ] || set -- unit system smtpd remote compromise crash
to=$PWD/build/coverage
rm -rf "$to"
mkdir -p "$to"
work=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-coverage.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
mkdir -m 1777 "$work/counters"
export DMA_COVERAGE=$work/counters
tree=$work/tree

sources() {
	find . \( -path ./build -o -path ./.git -o -name '*.[oad]' -o -name '*.so' \
	    -o -name '*_test' -o -name '*_fuzz' -o -name __pycache__ \) -prune \
	    -o -type f ! -name 'aliases_parse.[ch]' ! -name aliases_scan.c \
	    ! -path ./dma ! -path './dma-*' -print
}

in_tree() {
	make -s -C "$tree" -j2 CC=clang HARDEN=-fPIE "CFLAGS=-O0 -g" \
	    "SANITIZE=-fcoverage-mapping -mllvm -runtime-counter-relocation \
	    -fprofile-instr-generate=$DMA_COVERAGE/%m%c" "$@"
}

# run PART: a test that fails here may have been disturbed by the counters.
run() {
	case $1 in
	unit) in_tree -k unit ;;
	system) bash "$tree/tests/system/run.sh" -j 4 ;;
	smtpd) sh "$tree/tests/smtpd/run.sh" -j 3 ;;
	remote) sh "$tree/tests/remote/run.sh" "$work/conf" ;;
	compromise | crash) sh "$tree/tests/$1/run.sh" -j 3 ;;
	interop) bash "$tree/tests/interop/run.sh" ;;
	*) echo "coverage.sh: no part \"$1\", see its head" >&2; exit 64 ;;
	esac
}

mkdir "$tree"
sources | tar -cf - -T - | tar -xf - -C "$tree"
in_tree all compromised
# Whoever comes first makes the file, and others must write to it, too.
cd "$tree"
for program in ./dma ./dma-remote ./dma-smtpd ./dma-smtpd-drain; do
	"$program" -V </dev/null >/dev/null 2>&1 || true
done
chmod -R a+rw "$DMA_COVERAGE"
for part; do
	if [ "$part" = remote ]; then
		in_tree CONFDIR="$work/conf" -B dma-remote
		./dma-remote </dev/null >/dev/null 2>&1 || true
		chmod -R a+rw "$DMA_COVERAGE"
	fi
	run "$part" >"$to/$part.log" 2>&1 || true
	echo "$part: $(grep -E '^[0-9]+ passed' "$to/$part.log" | tail -1)"
done

llvm-profdata merge -o "$work/all" "$DMA_COVERAGE"/*
objects=()
for program in dma-remote dma-smtpd dma-smtpd-drain dma-smtpd-amqp \
    smtpd/modules/*.so tests/unit/*_test tests/compromise/compromised \
    tests/compromise/confined; do
	[ ! -e "$program" ] || objects+=(-object "$program")
done
cov() {
	local verb=$1
	shift
	llvm-cov "$verb" dma "${objects[@]}" -instr-profile="$work/all" \
	    -ignore-filename-regex='tests/' "$@" 2>>"$to/llvm.log"
}
cov report | sed "s|$tree/||" >"$to/report"
cov show -format=html -output-dir="$to" >/dev/null
cov show | awk -v tree="$tree/" '
	/^\/.*:$/ { file = substr($0, 1, length($0) - 1); sub(tree, "", file) }
	match($0, /^ *[0-9]+\| *0\|/) {
		split($0, part, "|")
		text = substr($0, RLENGTH + 1)
		sub(/^[ \t]*/, "", text)
		if (text !~ /^[{}]*$/)
			print file ":" part[1] + 0 ": " text
	}' >"$to/unreached"
awk '/^TOTAL/ { print "lines: " $8 " in all, " $9 " not reached, " $10 }' \
    "$to/report"
echo "build/coverage: report, unreached ($(wc -l <"$to/unreached") lines), index.html"
