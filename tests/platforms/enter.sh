#!/bin/bash
# enter.sh - runs a command in a root directory, with the tree in it.
# Runs as: root.  Usage: enter.sh [-q CPU] ROOT SCRATCH TREE COMMAND [ARG...]
#   -q CPU    programs for that processor run too, set-uid ones included (qemu)
# Promise: ROOT is only read.  COMMAND starts in TREE, which has the same place
# as outside and can be written; all else that it writes goes to SCRATCH, and
# its users, processes, network and kinds of programs are its own.
set -eu

die()
{
	echo "enter.sh: $*" >&2
	exit 1
}

# The kinds of programs that a user namespace knows are its own since Linux 6.7,
# and are known while this is mounted.  C: a set-uid program runs as its owner.
emulate()
{
	cd "$2"		# where the interpreter is looked for
	mount -t binfmt_misc none proc/sys/fs/binfmt_misc 2>/dev/null ||
	    die "this kernel has no binfmt_misc in user namespaces"
	sed 's|:/usr/libexec/qemu-binfmt/.*|:usr/bin/qemu-'"$1"'-static:OCPF|' \
	    "usr/lib/binfmt.d/qemu-$1.conf" >proc/sys/fs/binfmt_misc/register
}

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
}

# The first process of the new namespaces, once it has users.
inside()
{
	cpu=$1 lower=$2 scratch=$3 tree=$4 root=$3/root
	shift 4
	read -r _ <"$scratch/go"
	mount -t overlay overlay -o \
	    "lowerdir=$lower,upperdir=$scratch/upper,workdir=$scratch/work" \
	    "$root"
	mkdir -p "$root$tree"
	mount --bind "$tree" "$root$tree"
	private_dev "$root/dev"
	mount -t proc proc "$root/proc"
	test -z "$cpu" || emulate "$cpu" "$root"
	ip link set lo up
	cd "$root"
	pivot_root . mnt
	cd "$tree"
	umount -l /mnt
	# A shell's background job ignores these two.
	exec env -i --default-signal=INT,QUIT \
	    PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root \
	    ${cpu:+DMA_EMULATED=1} "$@"
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
fi

cpu=
while getopts q: opt; do
	case $opt in
	q) cpu=$OPTARG ;;
	*) exit 64 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 3 ] ||
    die "usage: enter.sh [-q cpu] root scratch tree command [arg ...]"
root=$1 scratch=$2 tree=$3
mkdir -p "$scratch"/{root,upper,work}
mkfifo "$scratch/go"
unshare -U -m -p -n -u -i -f --kill-child --propagation private "$0" \
    --inside "$cpu" "$@" &
pid=$!
# unshare has left our user namespace when it starts its child.
until first=$(cat "/proc/$pid/task/$pid/children") && [ -n "$first" ]; do
	kill -0 "$pid" 2>/dev/null || die "no user namespaces"
	sleep 0.05
done
echo 0 0 65536 >"/proc/$pid/uid_map"
echo 0 0 65536 >"/proc/$pid/gid_map"
echo go >"$scratch/go"
status=0
wait $pid || status=$?
exit $status
