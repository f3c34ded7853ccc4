#!/bin/bash
# run.sh - builds and tests for other platforms: run.sh [WORD...]
#   c11      gcc and clang take all for C11, and complain of nothing
#   bmake    the make of BSD builds all
#   plain    without the libraries that can be left out; delivers
#   musl     dma with another C library; delivers
#   openssl  one that is too old is refused in words
#   native   all of the above, in a minute: they need no root directory
#   m32, arm64, s390x
#            another processor: unit tests and deliveries (two by qemu)
#   testing  the newest Debian, with its compiler: unit tests and deliveries
# Without a word, all.  Those after native run in a root directory that is made
# once, below DMA_INTEROP_DIR (see root.sh).
set -u
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
cache=${DMA_INTEROP_DIR:-/var/cache/dma-tests}

# Submission and a mailbox, also a big one; dma-remote; its DNS and TLS.
deliveries="tests/system/test_submit.py::test_message_arrives_in_the_mailbox
tests/system/test_mailbox.py::test_mailbox_may_have_more_than_two_gigabytes
tests/system/test_smarthost.py::test_message_goes_out_byte_for_byte
tests/system/test_hosts.py::test_dane"
# Where no figure or optimizer is asked about.
quick="HARDEN=-fPIE CFLAGS=-O0"

[ "$(id -u)" = 0 ] || {
	echo "run.sh: must be root (try: sudo $0 ...)" >&2
	exit 1
}
work=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-platforms.XXXXXX") || exit 1
trap 'rm -rf --one-file-system "$work"' EXIT
chmod 755 "$work"
passed=0 failed=0

# passes NAME COMMAND...: one test; its output is shown if it fails.
passes()
{
	local name=$1 start=$SECONDS
	shift
	if "$@" >"$work/log" 2>&1; then
		passed=$((passed + 1))
		echo "$name: passed ($((SECONDS - start)) s)"
		return 0
	fi
	failed=$((failed + 1))
	echo "FAILED $name"
	grep -aE '^not ok|: [0-9]+ failed|Failure!|error' "$work/log" | head -30
	tail -20 "$work/log"
	return 1
}

# copy NAME: the sources alone.
copy()
{
	sh "$tree/tests/copy.sh" "$work/$1"
}

# build NAME MAKE-ARGUMENT...: in a copy of that name.
build()
{
	copy "$1" && make -s -C "$work/$1" "${@:2}"
}

c11()
{
	local cc

	for cc in gcc clang; do
		passes "c11: $cc -pedantic builds all" build "c11-$cc" CC=$cc \
		    $quick WERROR="-pedantic -Werror" all
		rm -rf "$work/c11-$cc"
	done
}

bsd_make()
{
	local program

	copy bmake && bmake -s -C "$work/bmake" $quick all || return
	for program in dma dma-remote dma-smtpd dma-smtpd-drain; do
		[ -x "$work/bmake/$program" ] || return
	done
}

bmake_word()
{
	passes "bmake: builds all" bsd_make
}

plain()
{
	local options="IDN=no AMQP=no"

	passes "plain: without libidn2 and librabbitmq" build plain \
	    $quick $options WERROR=-Werror all || return
	passes "plain: delivers" env \
	    DMA_INSTALL="make -s install FORCE=1 $quick $options" \
	    sh "$work/plain/tests/system/run.sh" $deliveries
}

# Its compiler does not find the kernel's headers.
musl_build()
{
	local of_machine name

	of_machine=/usr/include/$(gcc -print-multiarch)/asm
	mkdir "$work/kernel" || return
	for name in /usr/include/linux /usr/include/asm-generic \
	    "$of_machine"; do
		ln -s "$name" "$work/kernel/" || return
	done
	build musl CC=musl-gcc IDN=no AMQP=no WERROR=-Werror LDHARDEN=-static \
	    CFLAGS="-O2 -idirafter $work/kernel" dma
}

# Beside the other programs of this tree: Debian has no OpenSSL for musl.
musl_delivers()
{
	make -s -C "$tree" all && DMA_INSTALL="make -s install FORCE=1 &&
	    install -m 4755 $work/musl/dma /usr/sbin/dma" \
	    sh "$tree/tests/system/run.sh" $deliveries \
	    tests/system/test_context.py \
	    -k "arrives or gigabytes or byte_for_byte or dane or scheduling"
}

musl()
{
	passes "musl: dma is built, static" musl_build &&
	passes "musl: delivers" musl_delivers
}

openssl_is_refused()
{
	mkdir -p "$work/old/openssl" &&
	echo "#define OPENSSL_VERSION_NUMBER 0x1010117fL" \
	    >"$work/old/openssl/opensslv.h" || return
	! make -s -C "$work/openssl" $quick CFLAGS="-O0 -I$work/old" \
	    crypto.o >"$work/said" 2>&1 &&
	    grep "OpenSSL is too old: version 3.0 or later" "$work/said"
}

openssl()
{
	copy openssl &&
	passes "openssl: 1.1.1 is refused in words" openssl_is_refused
}

native()
{
	c11
	bmake_word
	plain
	musl
	openssl
}

# in_root COMMAND...: in the copy $word, in the root directory $root.
in_root()
{
	rm -rf --one-file-system "$work/scratch" &&
	"$here/enter.sh" ${cpu:+-q "$cpu"} "$root" "$work/scratch" \
	    "$work/$word" "$@"
}

# emulate WORD SUITE TRIPLET CPU MAKE-ARGUMENT...: another machine than this.
emulate()
{
	local word=$1 root=$cache/platforms${2:+-$2} cpu=$4 tools=

	[ -z "$3" ] || tools="CC=$3-gcc AR=$3-ar"
	mkdir -p "$cache" && passes "$word: there is a root directory" \
	    "$here/root.sh" "$root" ${2:+"$2"} || return
	"$here/enter.sh" ${cpu:+-q "$cpu"} "$root" "$work/try" "$work" true || {
		echo "0 passed, 1 skipped: $word: see above"
		return
	}
	copy "$word" &&
	passes "$word: all is built" in_root make -s $tools "${@:5}" \
	    WERROR=-Werror all &&
	passes "$word: delivers" in_root \
	    sh tests/system/run.sh $deliveries
	# cmocka 2 deprecates what cmocka 1 has nothing else for.
	passes "$word: unit tests" in_root make -s $tools "${@:5}" \
	    WERROR="-Werror -Wno-deprecated-declarations" unit
	rm -rf --one-file-system "$work/$word"
}

[ $# -gt 0 ] || set -- native m32 arm64 s390x testing
for word; do
	case $word in
	c11 | plain | musl | openssl | native) $word ;;
	bmake) bmake_word ;;
	# Atomic integers of 64 bits were laid out otherwise by gcc 10.
	m32) emulate m32 '' i686-linux-gnu '' CFLAGS="-O2 -Wno-psabi" ;;
	arm64) emulate arm64 '' aarch64-linux-gnu aarch64 ;;
	s390x) emulate s390x '' s390x-linux-gnu s390x ;;
	testing) emulate testing testing '' '' ;;
	*) echo "run.sh: no word \"$word\", see its head" >&2; exit 64 ;;
	esac
done
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
