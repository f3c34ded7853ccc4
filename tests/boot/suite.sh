# suite.sh - sourced by what makes root directories with debootstrap.

# "suite mirror" of the first source of this machine with its own release.
source_of_release()
{
	. /etc/os-release
	apt-get indextargets --format '$(RELEASE) $(REPO_URI) $(COMPONENT)' \
	    'Created-By: Packages' | awk -v suite="${VERSION_CODENAME:-}" \
	    '$1 == suite && $3 == "main" { print $1, $2; exit }'
}

# begin_root DIR: ends the script if DIR was made by this version of it; else
# sets release, mirror and stamp, and removes DIR.  Needs die().
begin_root()
{
	[ "$(id -u)" = 0 ] || die "must be root"
	exec 9>"$1.lock"
	flock 9
	stamp=$(cat "$0" /etc/debian_version | sha256sum | cut -d' ' -f1)
	[ "$(cat "$1.fits" 2>/dev/null)" != "$stamp" ] || exit 0
	command -v debootstrap >/dev/null ||
	    die "debootstrap is missing: run \"make test-deps\""
	read -r release mirror <<<"$(source_of_release)" || true
	[ -n "${mirror:-}" ] ||
	    die "no source of this Debian release in apt's list"
	rm -rf --one-file-system "$1" "$1.fits"
}
