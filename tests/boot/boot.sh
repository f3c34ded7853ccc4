#!/bin/bash
# boot.sh - boots a root directory with its own systemd and runs a command.
# Runs as: root.  Usage: boot.sh [-b PATH] [-u UPPER] ROOT COMMAND [ARG...]
#   -b PATH   show that directory of the machine, read-only, at the same place
#   -u UPPER  keep what the system writes there: with the same UPPER the next
#             call is its next boot (default: all is forgotten)
# COMMAND is a service of the booted system, with our descriptors 0 to 2; its
# exit status is ours, and 125 is: the system did not come up.
# Promise: ROOT is only read.  The system has its own files, processes, users'
# sessions, cgroups and loopback network; nothing that it does is seen outside,
# and it is gone when this ends.
set -u

BOOT_LIMIT_S=60		# on a loaded machine; 3 s on an idle one
STOP_LIMIT_S=30
keep_out=-sys_module,-sys_rawio,-sys_time,-syslog,-mac_admin,-mac_override

die()
{
	echo "boot.sh: $*" >&2
	exit 125
}

# ---- inside: what a boot loader and a kernel would have prepared ----

mount_devices()
{
	mount -t tmpfs -o mode=755,nosuid,noexec none "$1"
	for node in null zero full random urandom tty; do
		: >"$1/$node"
		mount --bind "/dev/$node" "$1/$node"
	done
	mkdir "$1/pts" "$1/shm" "$1/mqueue"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 none \
	    "$1/pts"
	mount -t tmpfs -o mode=1777,nosuid,nodev none "$1/shm"
	ln -s pts/ptmx "$1/ptmx"
	ln -s /proc/self/fd "$1/fd"
	ln -s /proc/self/fd/0 "$1/stdin"
	ln -s /proc/self/fd/1 "$1/stdout"
	ln -s /proc/self/fd/2 "$1/stderr"
}

mount_kernel()
{
	mount -t tmpfs -o mode=755,nosuid,nodev none "$1/run"
	mount -t proc -o nosuid,nodev,noexec none "$1/proc"
	# The machine's own settings are out of reach, and each boot has its id.
	mount --bind "$1/proc/sys" "$1/proc/sys"
	mount -o remount,bind,ro "$1/proc/sys"
	cat /proc/sys/kernel/random/uuid >"$1/run/boot_id"
	mount --bind "$1/run/boot_id" "$1/proc/sys/kernel/random/boot_id"
	mount -t sysfs -o ro,nosuid,nodev,noexec none "$1/sys"
	mount -t cgroup2 -o nosuid,nodev,noexec none "$1/sys/fs/cgroup"
	mount_devices "$1/dev"
}

# The first process of the new namespaces, until it becomes systemd.
become_init()
{
	set -e
	top=$1 root=$1/root
	read -r _ <"$top/go"
	# Options of an overlay hold no path with a comma or a colon.
	mount --bind "$2" "$top/lower"
	test -z "$3" || mount --bind "$3" "$top/upper"
	mkdir -p "$top/upper/files" "$top/upper/work"
	mount -t overlay overlay -o "lowerdir=$top/lower,upperdir=$top/upper/"\
"files,workdir=$top/upper/work" "$root"
	mount_kernel "$root"
	ip link set lo up
	if [ -n "$4" ]; then
		mkdir -p "$root$4"
		mount --bind "$4" "$root$4"
		mount -o remount,bind,ro "$root$4"
	fi
	mkdir "$root/run/outside"
	cd "$root"
	pivot_root . run/outside
	# systemd leaves it to a container's maker; units need it shared.
	exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=boot-test \
	    chroot . /bin/sh -c "umount -l /run/outside; rmdir /run/outside
	    mount --make-rshared /
	    exec setpriv --bounding-set=$keep_out \
	        /lib/systemd/systemd --show-status=no" <&-
}

if [ "${1:-}" = --inside ]; then
	shift
	become_init "$@"
fi

# ---- outside ----

shown='' upper=''
while getopts b:u: opt; do
	case $opt in
	b) shown=$OPTARG ;;
	u) upper=$OPTARG ;;
	*) exit 64 ;;
	esac
done
if [ $(($# - OPTIND)) -lt 1 ]; then
	die "usage: boot.sh [-b path] [-u upper] root command [arg ...]"
fi
[ "$(id -u)" = 0 ] || die "must be root"
if [ -z "${DMA_BOOT_IN:-}" ]; then
	DMA_BOOT_IN=1 exec unshare -m --propagation private "$0" "$@"
fi
shift $((OPTIND - 1))
root=$1
shift
[ -x "$root/lib/systemd/systemd" ] || die "$root: no systemd in it"

keeper='' init='' cgroup=''
top=$(mktemp -d "${DMA_WORLD_DIR:-/var/tmp}/dma-boot.XXXXXX") || exit 125

# Waits up to $1 seconds for a command to succeed.
await()
{
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

remove_cgroup()
{
	find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -d "$cgroup" ]
}

clean_up()
{
	[ -z "$init" ] || kill -KILL "$init" 2>/dev/null
	[ -z "$keeper" ] || kill -KILL "$keeper" 2>/dev/null
	wait
	[ -z "$cgroup" ] || await 10 remove_cgroup ||
	    echo "boot.sh: cannot remove $cgroup" >&2
	umount -l "$top"
	rmdir "$top"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mount -t tmpfs -o mode=755,size=75% none "$top" || exit 125
mkdir "$top/root" "$top/lower" "$top/upper" "$top/cgroup"
mkfifo "$top/go"
mount -t cgroup2 none "$top/cgroup" || die "no cgroup2"
for old in "$top"/cgroup/dma-boot.*; do		# of one that was killed
	[ -d "/proc/${old##*.}" ] ||
	    find "$old" -depth -type d -exec rmdir {} + 2>/dev/null
done
mkdir "$top/cgroup/dma-boot.$$" || exit 125
cgroup=$top/cgroup/dma-boot.$$

# Whoever makes a cgroup namespace gets his own cgroup as its root.
(
	echo 0 >"$cgroup/cgroup.procs" &&
	exec setpriv --pdeathsig KILL unshare -m -p -n -u -i -C -f \
	    --kill-child=KILL --propagation private "$0" --inside "$top" "$root" "$upper" "$shown"
) </dev/null >"$top/log" 2>&1 &
keeper=$!

find_init()
{
	init=$(grep -ls '^NSpid:.*[[:space:]]1$' $(sed \
	    's|.*|/proc/&/status|' "$cgroup/cgroup.procs") | cut -d/ -f3)
	[ -n "$init" ]
}
await 10 find_init || { cat "$top/log" >&2; die "no namespaces"; }
# The one that waits outside does not belong to the system.
echo $keeper >"$top/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/cgroup.procs"
echo go >"$top/go"

# A command in the system, beside its init.
inside()
{
	(
		echo 0 >"$cgroup/init.scope/cgroup.procs" || exit 125
		exec nsenter -t "$init" -m -p -n -u -i -C -r -w env -i \
		    PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 "$@"
	) 2>&1
}

state=none
has_booted()
{
	kill -0 "$init" 2>/dev/null || die "systemd ended: $(cat "$top/log")"
	[ -d "$cgroup/init.scope" ] || return 1
	state=$(inside timeout 10 systemctl is-system-running </dev/null)
	case $state in running | degraded) return 0 ;; esac
	return 1
}
await $BOOT_LIMIT_S has_booted || {
	inside systemctl --no-pager list-jobs </dev/null >&2
	inside journalctl --no-pager -b -n 30 </dev/null >&2
	die "not up after $BOOT_LIMIT_S s: $state"
}

status=0
inside systemd-run -q --wait --collect --pipe -p KillMode=mixed \
    -p TimeoutStopSec=5 --unit=boot-test --working-directory=/ \
    -E PATH=/usr/sbin:/usr/bin:/sbin:/bin -E LANG=C.UTF-8 -E HOME=/root \
    -- "$@" || status=$?
inside systemctl poweroff --no-block </dev/null >/dev/null
is_off()
{
	! kill -0 "$init" 2>/dev/null
}
await $STOP_LIMIT_S is_off || echo "boot.sh: it did not power off" >&2
exit $status
