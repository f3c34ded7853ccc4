#!/bin/sh
# memory.sh - the unit tests of lib/, built with MemorySanitizer: memory.sh [DIR]
# DIR (default: build/memory) is made anew, and gets a copy of the sources.
cd "$(dirname "$0")/../.." || exit 1
copy=${1:-build/memory}
rm -rf "$copy"
sh tests/copy.sh "$copy" && cd "$copy" || exit 1
names=
for test in tests/unit/*_test.c; do
	name=$(basename "$test" _test.c)
	[ ! -e "lib/$name.c" ] || names="$names $name"
done
wrap=
for function in fstat64 stat64 fstatat64 EVP_Q_digest EVP_Q_mac \
    idn2_to_ascii_8z; do
	wrap="$wrap -Wl,--wrap=$function"
done
# Of the archives, those that these tests use.
make -s -j2 CC="${CLANG:-clang}" WERROR=-Werror HARDEN=-fPIE \
    CFLAGS="-O1 -g -fno-omit-frame-pointer" \
    SANITIZE="-fsanitize=memory -fno-sanitize-recover=all" \
    SHARED=tests/unit/t.o TESTED="lib/lib.a compat/compat.a" \
    LIBS="tests/memory.o $wrap" tests/memory.o \
    $(printf 'tests/unit/%s_test ' $names) || exit 1
MSAN_OPTIONS=allocator_may_return_null=1 sh tests/unit/run.sh $names
