#!/bin/sh
# try_smtpd.sh - dma-smtpd at work, on a throw-away copy of this machine.
# Nothing of the machine itself is changed.  Needs root, and a built tree.
here=$(cd "$(dirname "$0")" && pwd)
export PYTHONDONTWRITEBYTECODE=1
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec "$here/system/world.sh" /usr/bin/python3 tests/smtpd/show.py
