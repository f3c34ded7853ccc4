#!/bin/sh
# The system tests: run.sh [-j N] [PYTEST-ARGUMENT...]
# Paths are given from the top of the tree; without one, all of tests/system.
#   -j N           N shards of the tests side by side, each in its own world
#   --shard I/N    the Ith of these shards alone
# With WORLD_SUBMIT=socket the users' calls have no set-uid program, and go
# through the submit socket.
here=$(cd "$(dirname "$0")" && pwd)

# all_shards N PYTEST-ARGUMENT...: the output of each in turn, those that
# failed last, and then "N passed, M failed".
all_shards()
{
	n=$1 i=0 good= bad=
	shift
	out=$(mktemp -d) || exit 1
	trap 'rm -rf "$out"' EXIT
	while [ $((i += 1)) -le "$n" ]; do
		{
			"$here/run.sh" --shard "$i/$n" "$@" >"$out/$i" 2>&1 &&
			    touch "$out/$i.passed"
		} &
	done
	wait
	i=0
	while [ $((i += 1)) -le "$n" ]; do
		if [ -e "$out/$i.passed" ]; then
			good="$good $i"
		else
			bad="$bad $i"
		fi
	done
	for i in $good $bad; do
		echo "shard $i/$n:"
		cat "$out/$i"
		tail -n 1 "$out/$i" >>"$out/ends"
	done
	awk '{
		for (i = 2; i <= NF; i++)
			n[substr($i, 1, 4)] += $(i - 1)
	}
	END {
		printf "%d skipped\n", n["skip"]
		printf "%d passed, %d failed\n", n["pass"], n["fail"] + n["erro"]
	}' "$out/ends"
	[ -z "$bad" ]
}

if [ "${1:-}" = -j ]; then
	shift
	all_shards "$@"
	exit
fi
paths=tests/system
for arg in "$@"; do
	case $arg in
	tests/*) paths= ;;
	esac
done
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
through=
test "${WORLD_SUBMIT:-}" != socket ||
    through="/usr/bin/python3 $here/acceptor.py"
exec "$here/world.sh" $through /usr/bin/python3 -m pytest -q -p no:cacheprovider \
    --rootdir tests $paths "$@"
