"""disks.py - file systems of their own for trees."""
import contextlib
import os
import pwd
import stat
import subprocess

import pytest

IMAGE_BYTES = 12 << 20
INODES = "600"


def loop_devices():
    """The nodes that mount(8) needs; a loop device ends with its mount."""
    for name, kind, major, minor in [
            ("loop-control", stat.S_IFCHR, 10, 237)] + [
            ("loop%d" % i, stat.S_IFBLK, 7, i) for i in range(16)]:
        with contextlib.suppress(FileExistsError):
            os.mknod("/dev/" + name, kind | 0o600, os.makedev(major, minor))


def mount_image(image, where):
    loop_devices()
    done = subprocess.run(["mount", "-o", "loop,commit=600", image, where],
                          capture_output=True)
    if done.returncode:
        pytest.skip("no loop devices here: %s" % done.stderr)


@contextlib.contextmanager
def mounted(s, kind, *options):
    """A file system of its own for the tree."""
    owner = pwd.getpwnam(s.user)
    image = s.folder + "/image"
    if kind == "ext4":
        with open(image, "wb") as f:
            f.truncate(IMAGE_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-N", INODES, image], check=True)
        mount_image(image, s.root)
    else:
        subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options),
                        "none", s.root], check=True)
    os.chown(s.root, owner.pw_uid, owner.pw_gid)
    os.chmod(s.root, 0o750)
    try:
        yield
    finally:
        if s.process is not None and s.process.poll() is None:
            s.stop()
        litter = s.tree.litter()
        subprocess.run(["umount", "-l", s.root], check=True)
        assert litter == []
