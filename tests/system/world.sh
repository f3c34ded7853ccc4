#!/bin/bash
# world.sh - a throw-away copy of this machine, with dma installed in it.
# Runs as: root.  Usage: world.sh [-l LAYER] [-n] COMMAND [ARG...]
#   -l LAYER  a directory to lay over the machine's own root (see ../interop)
#   -n        keep the machine's network (the default is an empty loopback)
# Promise: COMMAND sees its own files, processes and network; nothing that it
# does to any of them is seen outside, and all is gone when it ends.
# DMA_COVERAGE names a directory that is the machine's in there, too.
# DMA_INSTALL names another command that installs the program (default: the
# Makefile of this tree).
set -eu

tree=$(cd "$(dirname "$0")/../.." && pwd)
layer=
net=-n

die()
{
	echo "world.sh: $*" >&2
	exit 1
}

# The inner half: the first process of the new namespaces.
inside()
{
	scratch=$1 root=$1/root
	shift
	mount -t overlay overlay -o \
	    "lowerdir=/,upperdir=$scratch/upper,workdir=$scratch/work" "$root"
	# What the program writes to stands on a real file system.
	mount --bind "$scratch/spool" "$root/var/spool"
	mount --bind "$scratch/mail" "$root/var/mail"
	mount --bind "$scratch/home" "$root/home"
	mount --bind "$scratch/tmp" "$root/tmp"
	mount -t tmpfs -o mode=755 none "$root/run"
	mount -t proc proc "$root/proc"
	private_dev "$root/dev"
	mkdir -p "$root$tree" "$root/.outside"
	mount -t overlay overlay -o \
	    "lowerdir=$tree,upperdir=$scratch/tree,workdir=$scratch/treework" \
	    "$root$tree"
	test -z "${DMA_COVERAGE:-}" || {
		mkdir -p "$root$DMA_COVERAGE"
		mount --bind "$DMA_COVERAGE" "$root$DMA_COVERAGE"
	}
	test "$net" = "" || ip link set lo up
	cd "$root"
	pivot_root . .outside
	cd /
	umount -l /.outside
	rmdir /.outside
	test "$net" = "" || private_names
	cd "$tree"
	private_uids "${scratch##*.}"
	sh -c "${DMA_INSTALL:-make -s install FORCE=1}" </dev/null >/tmp/install.log 2>&1 || {
		cat /tmp/install.log >&2
		die "the installation failed"
	}
	status=0
	"$@" || status=$?
	exit $status
}

# The kernel counts processes and more for each uid, of all worlds together: the
# users made here have uids of this world's own.
private_uids()
{
	sed -E -i "
		s/^#?SYS_UID_MAX.*/SYS_UID_MAX $((999 - $1 * 10))/
		s/^#?SYS_GID_MAX.*/SYS_GID_MAX $((999 - $1 * 10))/
		s/^(UID|GID)_MIN.*/\1_MIN $((20000 + $1 * 500))/" \
	    /etc/login.defs
}

# No /dev/log of the machine is reached from in there.
private_dev()
{
	mount -t tmpfs -o mode=755,nosuid none "$1"
	for node in null zero full random urandom tty; do
		: >"$1/$node"
		mount --bind "/dev/$node" "$1/$node"
	done
	mkdir "$1/pts" "$1/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 none "$1/pts"
	mount -t tmpfs -o mode=1777 none "$1/shm"
	ln -s pts/ptmx "$1/ptmx"
	ln -s /proc/self/fd "$1/fd"
	ln -s /proc/self/fd/0 "$1/stdin"
	ln -s /proc/self/fd/1 "$1/stdout"
	ln -s /proc/self/fd/2 "$1/stderr"
}

# Names are answered at once, from files; nobody listens for DNS.
private_names()
{
	rm -f /etc/resolv.conf /etc/hosts /etc/nsswitch.conf
	echo "nameserver 127.0.0.1" >/etc/resolv.conf
	cat >/etc/hosts <<-'END'
	127.0.0.1 localhost
	127.0.0.1 host.test host
	127.0.0.1 smart.test smart
	127.0.0.1 other.test other
	END
	cat >/etc/nsswitch.conf <<-'END'
	passwd: files
	group: files
	shadow: files
	hosts: files dns
	services: files
	protocols: files
	END
	hostname host.test
	echo host.test >/etc/hostname
	echo host.test >/etc/mailname
}

if [ "${1:-}" = --inside ]; then
	scratch=$2 layer=$3 net=$4
	shift 4
	inside "$scratch" "$@"
fi

while getopts l:n opt; do
	case $opt in
	l) layer=$OPTARG ;;
	n) net= ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || die "usage: world.sh [-l layer] [-n] command [arg ...]"
[ "$(id -u)" = 0 ] || die "must be root (try: sudo $0 ...)"
unshare -m mount -t tmpfs none /tmp ||
    die "may not mount: if this is a container, it must be privileged"

# The number of this world is the lowest that is free, and ends its name.
base=${DMA_WORLD_DIR:-/var/tmp}
n=0
until scratch=$base/dma-world.$n && mkdir -m 700 "$scratch" 2>/dev/null; do
	n=$((n + 1))
	[ $n -lt 80 ] || die "$base has too many dma-world.*, or is read-only"
done
shield=0
trap 'test $shield = 0 || umount -l "$scratch"; rm -rf --one-file-system "$scratch"' EXIT
# An overlay cannot be written to another overlay (a container's root).
if [ "$(stat -f -c %T "$scratch")" = overlayfs ]; then
	mount -t tmpfs -o mode=700 none "$scratch"
	shield=1
fi
mkdir -m 755 "$scratch"/{root,upper,work,spool,mail,home,tree,treework}
mkdir -m 1777 "$scratch/tmp"
# Overlays refuse two lower layers of which one holds the other.
test -z "$layer" || cp -a "$layer/." "$scratch/upper/"
chown 0:8 "$scratch/mail"
chmod 2775 "$scratch/mail"
status=0
unshare -m -u -i -p -f $net --kill-child --propagation private \
    "$0" --inside "$scratch" "$layer" "$net" "$@" || status=$?
exit $status
