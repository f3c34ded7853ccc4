#!/bin/sh
# deps.sh - installs Debian packages: build|deb|try|test|bench|coverage.
# Asks the package manager only for what is missing, so that it needs neither
# network nor root where all is there.  Shows how far it is; what the package
# manager says is printed only if it fails.
. "$(dirname "$0")/progress.sh"
build="gcc make libc6-dev libssl-dev libidn2-dev pkg-config bison flex"
deb="build-essential debhelper dpkg-dev librabbitmq-dev"
try="python3 openssl iproute2 util-linux mount procps login passwd"
test="clang g++ librabbitmq-dev libclang-rt-14-dev clang-tidy cppcheck mandoc
libcmocka-dev python3-pytest python3-aiosmtpd strace time jq debootstrap bmake
musl-tools lintian devscripts valgrind"
bench="strace valgrind librsvg2-bin fonts-dejavu-core"
coverage="llvm acl"
case ${1:-build} in
build) want="$build" ;;
deb) want="$build $deb" ;;
try) want="$build $try" ;;
test) want="$build $deb $try $test" ;;
bench) want="$build $bench" ;;
coverage) want="$build $deb $try $test $coverage" ;;
*) echo "usage: deps.sh build|deb|try|test|bench|coverage" >&2; exit 64 ;;
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
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT
echo "Installing packages on this machine, and those that they depend on:"
echo $missing | fold -s -w 74 | sed 's/^/    /'
apt_get "$said" "    reading lists" update &&
    apt_get "$said" "    downloading" --no-install-recommends --download-only \
	install $missing &&
    apt_get "$said" "    installing" --no-install-recommends install $missing || {
	tail -20 "$said" >&2
	echo "deps.sh: the packages cannot be installed: see above" >&2
	exit 1
}
