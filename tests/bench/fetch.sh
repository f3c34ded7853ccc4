#!/bin/bash
# fetch.sh - the peers, unpacked from their packages: fetch.sh CACHE
# Several MTAs cannot be installed together, and none shall be installed here:
# each is unpacked into CACHE/NAME, to be laid over the root by world.sh -l.
# Runs as: root, with network; once: a CACHE that has them all is kept.
set -eu
cache=$1
declare -A needs=(
	[dma]="dma"
	[nullmailer]="nullmailer"
	[msmtp]="msmtp libgsasl18 libntlm0 libsecret-1-0 libidn12 libgssglue1"
	[postfix]="postfix libdb5.3 libnsl2 libtirpc3 libsasl2-2
	    libsasl2-modules libsasl2-modules-db"
	[opensmtpd]="opensmtpd libdb5.3 libevent-2.1-7"
	[exim]="exim4-daemon-light exim4-base libdb5.3 libgnutls-dane0
	    libidn12 libnsl2 libtirpc3 libunbound8 libevent-2.1-7"
)

mkdir -p "$cache"
for name in "${!needs[@]}"; do
	layer=$cache/$name
	test ! -e "$layer.done" || continue
	echo "fetching $name" >&2
	rm -rf "$layer" "$layer.debs"
	mkdir -p "$layer" "$layer.debs"
	chmod 755 "$cache" "$layer"
	# Some machines do not have the lists yet; that is seen by the failure.
	(cd "$layer.debs" && {
		apt-get -qq download ${needs[$name]} || {
			apt-get -qq update
			apt-get -qq download ${needs[$name]}
		}
	}) >"$layer.log" 2>&1 || {
		cat "$layer.log" >&2
		exit 1
	}
	for deb in "$layer.debs"/*.deb; do
		dpkg -x "$deb" "$layer"
	done
	# A directory /lib would hide the root's link to /usr/lib.
	if [ -d "$layer/lib" ] && [ -L /lib ]; then
		cp -a "$layer/lib/." "$layer/usr/lib/"
		rm -rf "$layer/lib"
	fi
	rm -rf "$layer/usr/share/doc" "$layer/usr/share/man"
	set -- ${needs[$name]}
	dpkg-deb -f "$(ls "$layer.debs/${1}"_*.deb)" Version >"$layer.version"
	rm -rf "$layer.debs"
	: >"$layer.done"
done
