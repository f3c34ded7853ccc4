#!/bin/sh
# run.sh - builds and runs the unit tests of a tree that is built.
# Usage: run.sh [ROOM...]; CC, CFLAGS, SANITIZE, WERROR as for make.
# Each test links its room and what that room may use: a mistake in the layers
# does not link.  Prints one line "unit: N passed, M failed".
cd "$(dirname "$0")/../.." || exit 1
floor="lib/buf.o lib/io.o lib/log.o"
aliases="aliases_parse.o aliases_scan.o lib/addr.o"
rooms=${*:-$(cd tests/unit && ls ./*_test.c | sed 's|^\./||; s|_test\.c$||')}

objects_of() {
	case $1 in
	buf|io|log) echo "" ;;
	msg) echo lib/msg.o ;;
	compat) echo compat/compat.o ;;
	letter) echo letter.o lib/msg.o ;;
	result) echo result.o ;;
	addr) echo lib/addr.o ;;
	prep) echo lib/prep.o lib/addr.o ;;
	mail) echo lib/mail.o lib/header.o lib/addr.o ;;
	dsn) echo lib/dsn.o lib/addr.o ;;
	smtp) echo lib/smtp.o lib/dsn.o lib/addr.o result.o ;;
	encode) echo lib/encode.o lib/sasl.o lib/prep.o lib/addr.o ;;
	ascii) echo lib/ascii.o lib/addr.o ;;
	mime) echo lib/mime.o lib/encode.o lib/ascii.o lib/header.o \
	    lib/addr.o lib/sasl.o lib/prep.o ;;
	# The test brings digests along.
	sasl) echo lib/sasl.o lib/prep.o lib/addr.o -lcrypto ;;
	conf) echo conf.o ;;
	senders) echo senders.o conf.o ;;
	options) echo options.o conf.o lib/dsn.o lib/addr.o ;;
	aliases) echo "$aliases" ;;
	spool) echo spool.o lib/msg.o lib/dsn.o lib/addr.o result.o ;;
	lists) echo lists.o result.o "$aliases" ;;
	setup) echo setup.o conf.o senders.o "$aliases" ;;
	route) echo route.o spool.o lib/dsn.o lib/msg.o conf.o result.o \
	    "$aliases" ;;
	bounce) echo bounce.o route.o spool.o lib/dsn.o lib/msg.o \
	    lib/mail.o lib/header.o conf.o result.o "$aliases" ;;
	settle) echo settle.o bounce.o route.o spool.o compat/compat.o \
	    lib/dsn.o lib/msg.o lib/mail.o lib/header.o conf.o result.o \
	    "$aliases" ;;
	local|mbox|maildir|lmtp|command) echo local.o mbox.o maildir.o \
	    command.o delivery.o letter.o lists.o lmtp.o sandbox.o lib/mail.o \
	    lib/header.o lib/msg.o conf.o result.o "$aliases" ;;
	crypto) echo crypto.o result.o -lssl -lcrypto ;;
	dns) echo dns.o result.o ;;
	body|hosts|policy|jobs|net) echo net.o body.o jobs.o hosts.o policy.o secret.o crypto.o dns.o \
	    lib/smtp.o lib/sasl.o lib/prep.o lib/mime.o lib/ascii.o \
	    lib/encode.o lib/dsn.o lib/mail.o lib/header.o \
	    lib/addr.o \
	    lib/msg.o conf.o result.o -lssl -lcrypto ;;
	*) return 1 ;;
	esac
}

passed=0 failed=0
for room in $rooms; do
	objects=$(objects_of "$room") || {
		echo "unit: no objects are known for $room" >&2
		failed=$((failed + 1))
		continue
	}
	make -s "tests/unit/${room}_test" OBJECTS="$objects $floor" || {
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
