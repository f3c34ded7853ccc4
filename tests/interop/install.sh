#!/bin/bash
# install.sh - other people's programs, kept apart from this machine.
# Runs as: root, with network.  Usage: install.sh LAYER
# Promise: the packages are installed in the directory LAYER, to be laid over
# the root by world.sh -l; the machine itself is not changed and no daemon is
# started.  A LAYER that is there and fits the machine is kept.
set -eu

packages="postfix dovecot-core dovecot-lmtpd dovecot-submissiond cron"
packages="$packages bsd-mailx mutt git-email libmailtools-perl python3-dkim"
packages="$packages haproxy unbound ldnsutils procmail mailutils"
packages="$packages ${DMA_INTEROP_MORE:-}"
layer=$1

die()
{
	echo "install.sh: $*" >&2
	exit 1
}

fits()
{
	{ echo "$packages"; cat /etc/debian_version /var/lib/dpkg/status; } |
	    sha256sum | cut -d' ' -f1
}

# The inner half: in a mount namespace of its own.
inside()
{
	root=$layer.root
	mkdir -p "$root"
	mount -t overlay overlay -o \
	    "lowerdir=/,upperdir=$layer,workdir=$layer.work" "$root"
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs none "$root/run"
	mkdir -p "$root/run/lock" "$root/tmp"
	mount -t tmpfs -o mode=1777 none "$root/tmp"
	# The resolver's file may be a link into /run.
	rm -f "$root/etc/resolv.conf"
	cp -L /etc/resolv.conf "$root/etc/resolv.conf"
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	chroot "$root" /bin/sh -ec "
		export DEBIAN_FRONTEND=noninteractive
		echo 'postfix postfix/main_mailer_type select No configuration' |
		    debconf-set-selections
		apt-get -q update
		apt-get -q -y --no-install-recommends install $packages
		apt-get clean
	" </dev/null >"$layer.log" 2>&1 || {
		tail -30 "$layer.log" >&2
		die "the packages could not be installed"
	}
}

if [ "${2:-}" = --inside ]; then
	inside
	exit 0
fi
[ "$(id -u)" = 0 ] || die "must be root"
stamp=$(fits)
if [ -d "$layer" ] && [ "$(cat "$layer.fits" 2>/dev/null)" = "$stamp" ]; then
	exit 0
fi
rm -rf --one-file-system "$layer" "$layer.work" "$layer.root" "$layer.fits"
mkdir -p "$layer" "$layer.work"
chmod 755 "$layer"
unshare -m --propagation private "$0" "$layer" --inside
rm -rf --one-file-system "$layer.work" "$layer.root"
echo "$stamp" >"$layer.fits"
