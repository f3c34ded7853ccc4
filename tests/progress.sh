# progress.sh - sourced: shows how far something is that takes minutes.

# show_progress CAPTION: reads a percentage on each line, or "failed".
show_progress()
{
	printf '%s:' "$1"
	shown=0
	while read -r percent; do
		if [ "$percent" = failed ]; then
			echo " failed"
			return 1
		fi
		while [ $((shown + 10)) -le "$percent" ]; do
			shown=$((shown + 10))
			printf ' %d%%' $shown
		done
	done
	[ $shown -eq 100 ] || printf ' done'
	echo
}

# apt_get LOG CAPTION ARGUMENT...: what apt-get says goes to LOG.
apt_get()
{
	log=$1 caption=$2
	shift 2
	{
		DEBIAN_FRONTEND=noninteractive apt-get -q -y \
		    -o APT::Status-Fd=3 "$@" 3>&1 >>"$log" 2>&1 </dev/null ||
		    echo failed
	} | sed -nu 's/^[dp][lm]status:[^ ]*:\([0-9]*\)[.0-9]*:.*/\1/p
	    /^failed$/p' | show_progress "$caption"
}

# build_all LOG CAPTION [MAKE-ARGUMENT...]: "make all"; what it says goes to LOG.
build_all()
{
	log=$1 caption=$2
	shift 2
	make=${MAKE:-make}
	total=$($make -n "$@" all | grep -c -e ' -c ')
	[ "$total" -gt 0 ] || {
		$make "$@" all >>"$log" 2>&1
		return
	}
	{
		$make -j"$(nproc)" "$@" all 2>&1 || echo failed
	} | {
		n=0
		while IFS= read -r line; do
			case $line in
			failed) echo failed; continue ;;
			*" -c "*) echo $(((n += 1) * 100 / total)) ;;
			esac
			printf '%s\n' "$line" >>"$log"
		done
	} | show_progress "$caption"
}
