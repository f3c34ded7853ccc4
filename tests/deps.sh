#!/bin/sh
# deps.sh - installs Debian packages: deps.sh build|deb|try|test.
# Asks the package manager only for what is missing, so that it needs neither
# network nor root where all is there.
build="gcc make libc6-dev libssl-dev libidn2-dev pkg-config bison flex"
deb="debhelper dpkg-dev librabbitmq-dev"
try="python3 openssl iproute2 util-linux mount procps login passwd"
test="clang g++ librabbitmq-dev libclang-rt-14-dev clang-tidy cppcheck mandoc
libcmocka-dev python3-pytest python3-aiosmtpd strace time jq debootstrap bmake
musl-tools lintian devscripts"
case ${1:-build} in
build) want="$build" ;;
deb) want="$build $deb" ;;
try) want="$build $try" ;;
test) want="$build $deb $try $test" ;;
*) echo "usage: deps.sh build|deb|try|test" >&2; exit 64 ;;
esac
command -v dpkg-query >/dev/null || {
	echo "deps.sh: not Debian: install by hand: $want" >&2
	exit 0
}
missing=
for package in $want; do
	case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
	*"ok installed") ;;
	*) missing="$missing $package" ;;
	esac
done
[ -n "$missing" ] || exit 0
[ "$(id -u)" = 0 ] || {
	echo "deps.sh: missing:$missing (run as root to install)" >&2
	exit 1
}
export DEBIAN_FRONTEND=noninteractive
apt-get -q update && apt-get -q -y --no-install-recommends install $missing
