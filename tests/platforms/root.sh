#!/bin/bash
# root.sh - a root directory with compilers and what the tests need.
# Runs as: root, with network.  Usage: root.sh DIRECTORY [SUITE]
# Promise: the DIRECTORY holds a minimal Debian with the packages below; one
# that is there and complete is kept.  It is of SUITE, or else of this machine's
# release with cross compilers, and with the libraries for their processors.
set -eu

packages="gcc,make,libc6-dev,pkg-config,bison,flex,python3,python3-pytest"
packages="$packages,python3-aiosmtpd,openssl,iproute2,procps,login,passwd"
packages="$packages,mount,ca-certificates,util-linux-extra"
libraries="libssl-dev libidn2-dev libcmocka-dev librabbitmq-dev"
compilers="gcc-i686-linux-gnu gcc-aarch64-linux-gnu gcc-s390x-linux-gnu"
processors="i386 arm64 s390x"
dir=$1 suite=${2:-}
here=$(dirname "$0")

die()
{
	echo "root.sh: $*" >&2
	exit 1
}

. "$here/../boot/suite.sh"

# In the new root; no service is started in it.
in_root()
{
	unshare -m -p -u -i -f --kill-child --propagation private chroot \
	    "$dir" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C \
	    DEBIAN_FRONTEND=noninteractive "$@"
}

install_packages()
{
	local want="$libraries" processor library
	echo "#!/bin/sh
exit 101" >"$dir/usr/sbin/policy-rc.d"
	chmod 755 "$dir/usr/sbin/policy-rc.d"
	cp /etc/resolv.conf "$dir/etc/resolv.conf"
	if [ -z "$suite" ]; then
		want="$want $compilers qemu-user-static"
		for processor in $processors; do
			in_root dpkg --add-architecture "$processor" || return
			for library in libc6-dev $libraries; do
				want="$want $library:$processor"
			done
		done
	fi
	# A mirror of testing may stand still.
	in_root apt-get -q -o Acquire::Check-Valid-Until=false update &&
	in_root apt-get -q -y --no-install-recommends install $want &&
	rm -f "$dir"/var/cache/apt/archives/*.deb
}

begin_root "$dir"
{
	debootstrap --variant=minbase --include="$packages" \
	    "${suite:-$release}" "$dir" "$mirror" && install_packages
} >"$dir.log" 2>&1 9>&- || {
	tail -30 "$dir.log" >&2
	die "no root directory of ${suite:-$release}"
}
echo "$stamp" >"$dir.fits"
