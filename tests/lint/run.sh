#!/bin/sh
# run.sh - what "make lint" checks: the layers, the page, the manuals.
# The compilers and analysers say nothing, or this fails.
cd "$(dirname "$0")/../.." || exit 1
bad=0
python3 tests/lint/layers.py || bad=1
python3 tests/lint/layers_test.py >/dev/null 2>&1 || {
	echo "tests/lint/layers_test.py fails"
	bad=1
}
if command -v mandoc >/dev/null; then
	# Manuals of other packages may not be installed here.
	! mandoc -T lint dma.8 dma.conf.5 smtpd/*.[0-9] 2>/dev/null |
	    grep -v "referenced manual not found" || bad=1
fi
# What bison and flex made is not ours to judge.
sources=$(find . \( -name tests -o -name build \) -prune -o -name '*.c' \
    ! -name aliases_parse.c ! -name aliases_scan.c -print |
    sed 's|^\./||' | sort)
defs="-D_GNU_SOURCE -I. -Ismtpd -DDMA_SPOOLDIR=\"/s\" -DDMA_CONFDIR=\"/c\"
-DDMA_LIBEXECDIR=\"/l\" -DDMA_PROGRAM=\"/d\"
-DDMA_RUNDIR=\"/r\" -DDMA_ALIASES=\"/a\" -DDMA_MAILSPOOL=\"/m\"
-DSMTPD_MODULEDIR=\"/m\" -DSMTPD_CONF=\"/f\" -DSMTPD_STATUS=\"/s\"
-DSMTPD_ROOT=\"/d\" -DSMTPD_USER=\"u\" -DSMTPD_SENDMAIL=\"/l\""
if command -v cppcheck >/dev/null; then
	# unusedFunction and the like need whole-program views of two programs.
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr -j 2 \
	    --enable=warning,performance,portability $defs $sources || bad=1
fi
if [ "${LINT_DEEP:-0}" = 1 ] && command -v clang-tidy >/dev/null; then
	# insecureAPI flags every memcpy; the others ask about
	# parameters in a row, _GNU_SOURCE, products of small constants, int
	# to char, and the size of a pointer where one is meant.  One file at a
	# time: after the first, version 14 takes no va_start for one.
	printf '%s\n' $sources | xargs -P 2 -I FILE \
	    clang-tidy --quiet --warnings-as-errors='*' --checks='-*,bugprone-*,'\
'clang-analyzer-*,-clang-analyzer-optin.performance.Padding,'\
'-bugprone-easily-swappable-parameters,'\
'-bugprone-reserved-identifier,-bugprone-implicit-widening-*,'\
'-bugprone-narrowing-conversions,-bugprone-sizeof-expression,'\
'-clang-analyzer-security.insecureAPI.*' \
	    FILE -- -std=c11 $defs 2>/dev/null || bad=1
fi
if [ "${LINT_ANALYZER:-0}" = 1 ] && command -v gcc >/dev/null; then
	# It loses sight of memory that an array or a structure gets, and of
	# what open_copy() in local/command.c leaves open.
	printf '%s\n' $sources | xargs -P 2 -I FILE \
	    gcc -std=c11 $defs -D_FILE_OFFSET_BITS=64 -Werror -fanalyzer \
	    -Wno-analyzer-malloc-leak -c -o /dev/null FILE || bad=1
fi
exit $bad
