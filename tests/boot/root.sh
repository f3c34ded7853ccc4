#!/bin/bash
# root.sh - a root directory with systemd in it, for boot.sh.
# Runs as: root, with network.  Usage: root.sh DIRECTORY
# Promise: the DIRECTORY holds a minimal Debian of this machine's release and
# the packages below; one that is there and complete is kept.
set -eu

packages="systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd"
packages="$packages,libnss-systemd,cron,procps,iproute2,login,passwd,make"
packages="$packages,ca-certificates,openssl,python3,python3-pytest,keyutils"
packages="$packages,libcap2-bin,adduser"
dir=$1

die()
{
	echo "root.sh: $*" >&2
	exit 1
}

. "$(dirname "$0")/suite.sh"

# A host of its own, which does nothing at boot but what the tests want.
configure()
{
	echo host.test >"$dir/etc/hostname"
	echo host.test >"$dir/etc/mailname"
	cat >"$dir/etc/hosts" <<-'END'
	127.0.0.1 localhost
	127.0.0.1 host.test host
	127.0.0.1 smart.test smart
	127.0.0.1 other.test other
	END
	sed -i 's/^hosts:.*/hosts: files/' "$dir/etc/nsswitch.conf"
	: >"$dir/etc/fstab"
	: >"$dir/etc/machine-id"
	rm -f "$dir/etc/resolv.conf"
	echo "nameserver 127.0.0.1" >"$dir/etc/resolv.conf"
	mkdir -p "$dir/var/log/journal"
	for unit in apt-daily.timer apt-daily-upgrade.timer fstrim.timer \
	    dpkg-db-backup.timer e2scrub_all.timer systemd-resolved.service \
	    systemd-networkd-wait-online.service systemd-timesyncd.service; do
		ln -sf /dev/null "$dir/etc/systemd/system/$unit"
	done
}

begin_root "$dir"
debootstrap --variant=minbase --include="$packages" "$release" "$dir" \
    "$mirror" >"$dir.log" 2>&1 9>&- || {
	tail -30 "$dir.log" >&2
	die "debootstrap failed"
}
configure
rm -f "$dir"/var/cache/apt/archives/*.deb
echo "$stamp" >"$dir.fits"
