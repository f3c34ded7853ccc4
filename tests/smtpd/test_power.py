"""The power goes off under load.

The tree is on an ext4 file system in an image: what the image has at a moment
is what a disk would have, journal and all.  Every acknowledged message is in
it; of the others, those that have a name are complete.
"""
import os
import shutil
import signal
import subprocess
import time

import pytest

import disks
import intake
from load import Load, idents

SMALL = {"MIN_SPARE": "2", "MAX_SPARE": "2", "MAX_CHILDREN": "3"}


def states(pid):
    """Of all threads."""
    found = set()
    for name in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/stat" % (pid, name)) as f:
            found.add(f.read().rpartition(")")[2].split()[0])
    return found


def cut(s, load, number):
    """A copy of the disk at a moment, and what was acknowledged then."""
    pids = intake.our_processes(s.root)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        intake.wait_until(lambda: states(pid) == {"T"}, "the stop")
    time.sleep(0.05)        # clients read what was sent to them
    acknowledged = set(load.acknowledged)
    image = s.folder + "/cut%d" % number
    shutil.copyfile(s.folder + "/image", image)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    return image, acknowledged


def after_boot(image):
    """The messages that are on that disk."""
    where = image + ".mounted"
    os.mkdir(where)
    disks.mount_image(image, where)
    try:
        found = idents(intake.Tree(where))
    finally:
        subprocess.run(["umount", where], check=True)
    return found


@pytest.fixture
def disk(smtpd, monkeypatch):
    monkeypatch.setattr(disks, "IMAGE_BYTES", 48 << 20)
    monkeypatch.setattr(disks, "INODES", "6000")

    def make(**keys):
        s = smtpd(start=False, **keys, **SMALL)
        return s, disks.mounted(s, "ext4")
    return make


@pytest.mark.seconds(8)
def test_power_cuts(disk):
    s, mounted = disk(DURABLE="full")
    with mounted:
        s.start()
        cuts = []
        with Load(s.port, 10, domains=5) as load:
            for i in range(5):
                load.wait(40 * (i + 1))
                cuts.append(cut(s, load, i))
        s.stop()
        for image, acknowledged in cuts:
            found = after_boot(image)
            assert len(found) == len(set(found)), "doubles"
            lost = acknowledged - set(found)
            assert not lost, (image, len(lost), len(acknowledged))


def test_durable_none_shows_that_this_test_can_fail(disk):
    s, mounted = disk(DURABLE="none")
    with mounted:
        s.start()
        with Load(s.port, 4) as load:
            load.wait(20)
            image, acknowledged = cut(s, load, 0)
        s.stop()
        assert acknowledged - set(after_boot(image))
