"""Queue files that change on the disk, under a living runner and before a
start: the message goes out as it was, or is kept; the others go on."""
import os

import pytest

from smtp_peer import Script
from world import SPOOL

TEXT = b"Subject: precious\n\n" + b"".join(b"line %d\n" % i
                                         for i in range(2000))


def path_of(ident):
    return "%s/queue/%s" % (SPOOL, ident)


def change(what):
    """One bit of the first such byte."""
    def edit(path):
        with open(path, "r+b") as f:
            at = f.read().index(what)
            f.seek(at)
            byte = f.read(1)[0]
            f.seek(at)
            f.write(bytes([byte ^ 1]))
    return edit


def cut(size):
    def edit(path):
        os.truncate(path, size if size > 0 else os.stat(path).st_size + size)
    return edit


def zero(at):
    def edit(path):
        with open(path, "r+b") as f:
            f.seek(at)
            f.write(bytes(512))
    return edit


EDITS = {
    "text": change(b"line 1999"),
    "header": change(b"precious"),
    "sender": change(b"alice@"),
    "recipient": change(b"ann@far"),
    "journal": change(b"\nD\t0"),
    "half the text": cut(9000),
    "half the preamble": cut(500),
    "zeros in the text": zero(4096),
    "zeros in the preamble": zero(512),
}


def is_kept(world, ident):
    return os.path.exists("%s/corrupt/%s" % (SPOOL, ident))


def check(world, p, ident):
    world.leaves("corrupt")
    world.send("bob")
    world.wait_mail("bob")
    world.wait_until(lambda: is_kept(world, ident))
    world.wait_until(lambda: world.log_lines(ident, "queue file is damaged"))
    world.wait_quiet()
    assert p.taken == []
    os.unlink("%s/corrupt/%s" % (SPOOL, ident))


@pytest.fixture
def deferred(world, peer):
    """A message that waits, in a file with checksums, as its runner does."""
    world.send("carol")
    world.wait_mail("carol")
    world.wait_quiet()
    p = peer(Script(rcpt_rules=((".", "450 4.2.1 later"),)))
    world.smarthost(p, RETRY="3s 3s 5d")
    world.send("ann@far.test", input=TEXT)
    ident, = world.queue()
    world.wait_tried("ann@far.test")
    return p, ident


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.seconds(4)
def test_under_a_living_runner(world, deferred, edit):
    p, ident = deferred
    edit(path_of(ident))
    check(world, p, ident)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.seconds(2)
def test_before_a_start(world, deferred, edit):
    p, ident = deferred
    world.stop()
    edit(path_of(ident))
    check(world, p, ident)


@pytest.mark.seconds(4)
def test_a_file_that_is_removed_or_replaced(world, deferred):
    p, ident = deferred
    os.unlink(path_of(ident))
    os.symlink("/etc/passwd", path_of(ident))
    world.send("bob")
    world.wait_mail("bob")
    world.wait_quiet()
    assert p.taken == []
    for folder in "queue", "corrupt":
        path = "%s/%s/%s" % (SPOOL, folder, ident)
        if os.path.islink(path):
            os.unlink(path)
