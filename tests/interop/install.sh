#!/bin/bash
# install.sh - other people's programs, kept apart from this machine.
# Runs as: root, with network.  Usage: install.sh LAYER
# Promise: the packages are installed in the directory LAYER, to be laid over
# the root by world.sh -l; the machine itself is not changed and no daemon is
# started.  A LAYER that is there and fits the machine is kept.
set -eu

packages="postfix dovecot-core dovecot-lmtpd dovecot-submissiond cron"
packages="$packages bsd-mailx mutt git-email libmailtools-perl python3-dkim"
packages="$packages haproxy unbound ldnsutils procmail mailutils swaks"
packages="$packages alpine nmh php-cli php-symfony-mailer"
packages="$packages rabbitmq-server librabbitmq-dev"
# The programs of callers.py, besides those above; emacs-nox is tried, too,
# if DMA_INTEROP_MORE has it.
packages="$packages anacron at sudo s-nail neomutt mblaze mercurial devscripts"
packages="$packages libphp-phpmailer libemail-sender-perl libmime-lite-perl"
packages="$packages ruby-mail ruby-actionmailer node-nodemailer smartmontools"
packages="$packages mdadm fail2ban logwatch logcheck apticron"
packages="$packages unattended-upgrades cron-apt popularity-contest rss2email"
packages="$packages maildrop fdm vacation dovecot-sieve fetchmail getmail6"
packages="$packages libmail-deliverystatus-bounceparser-perl libsisimai-perl"
packages="$packages python3-flufl.bounce"
packages="$packages monitoring-plugins-standard"
packages="$packages ${DMA_INTEROP_MORE:-}"
# Their files alone, in /unpacked: these cannot be installed beside others, or
# are more than is needed.
unpacked="opensmtpd dma prometheus systemd-cron nagios4-common"
layer=$1

die()
{
	echo "install.sh: $*" >&2
	exit 1
}

fits()
{
	{ echo "$packages $unpacked"; cat /etc/debian_version /var/lib/dpkg/status; } |
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
		cd /tmp
		apt-get -q download $unpacked
		for deb in *.deb; do
			to=/unpacked/\${deb%%_*}
			mkdir -p \$to
			dpkg -x \$deb \$to
			dpkg-deb -f \$deb Version >\$to/version
		done
		mkdir /usr/lib/upstream
		cd /unpacked
		cp -a dma/usr/sbin/dma dma/usr/share/dma/dma.conf \
		    /usr/lib/upstream
		cp -a opensmtpd/usr/sbin/smtpd opensmtpd/usr/sbin/smtpctl \
		    /usr/sbin/
		cp -a opensmtpd/usr/libexec/. /usr/libexec/
		mv prometheus/usr/bin/promtool /usr/bin/
		rm -r dma opensmtpd prometheus
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
