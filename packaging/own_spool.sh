#!/bin/sh
# own_spool.sh - makes the spool directory the spool user's.
# Runs as: root.  Usage: own_spool.sh SPOOLDIR USER, at each installation
#          own_spool.sh SPOOLDIR USER check, to see if that is possible now
# Promise: of what is in it, only the queue files of upstream dma are changed,
# and only as long as the directory is not yet the user's: they become readable
# for the user's group, and keep their owners, who submitted them.
set -eu

spool=$1 user=$2

# The names of files that may be upstream's: Q or M, then two numbers.
queue_files()
{
	for f in Q*.* M*.*; do
		case ${f#?} in
		*[!0-9a-f.]* | *.*.* | .* | *.) continue ;;
		esac
		if [ -f "$f" ] && [ ! -L "$f" ]; then
			echo "$f"
		fi
	done
}

# A process of upstream locks what it delivers.
check()
{
	for f in $(queue_files); do
		flock -n "$f" true 2>/dev/null && continue
		echo "$spool/$f is being delivered by upstream dma: wait, or" \
		    "run \"pkill -x 'dma|sendmail'\": undelivered mail" \
		    "stays in the queue" >&2
		exit 1
	done
}

# Those of which all names are here: no file of others has a name that was put
# here.  A name is the last word of a line.
hand_over()
{
	queue_files | xargs -r ls -din | awk '
	    { names[$1]++; links[$1] = $3; files[$1] = files[$1] " " $NF }
	    END { for (i in names) if (names[i] == links[i]) print files[i] }' |
	    xargs -r sh -c 'chgrp -h "$0" "$@" && chmod 640 "$@"' "$user"
}

[ -d "$spool" ] || exit 0
# The directory itself, if the path is a link.
cd "$spool/."
if [ -n "$(find . -prune -user "$user" 2>/dev/null)" ]; then
	chmod u=rwx,go=,g-s .
	exit 0
fi
if command -v flock >/dev/null; then
	check
fi
[ "${3:-}" != check ] || exit 0
# From here on, nobody else changes a name.
chown root:root .
chmod u=rwx,go=,g-s .
hand_over
chown "$user:$user" .
