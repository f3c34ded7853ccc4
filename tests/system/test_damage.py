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


def defer(world, peer, retry):
    """A message that waits, in a file with checksums, as its runner does."""
    world.send("carol")
    world.wait_mail("carol")
    world.wait_quiet()
    p = peer(Script(rcpt_rules=((".", "450 4.2.1 later"),)))
    world.smarthost(p, RETRY=retry)
    world.send("ann@far.test", input=TEXT)
    ident, = world.queue()
    world.wait_tried("ann@far.test")
    return p, ident


@pytest.fixture
def deferred(world, peer):
    return defer(world, peer, "3s 3s 5d")


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


@pytest.mark.parametrize("command", ("sendmail -q", "dma queue bounce %s"))
def test_a_text_is_read_when_it_is_used(world, peer, command):
    """Not at each start: most of a long queue is not due then."""
    p, ident = defer(world, peer, "1h 1h 5d")
    world.leaves("corrupt")
    world.stop()
    EDITS["text"](path_of(ident))
    world.send("bob")
    world.wait_mail("bob")
    world.wait_until(lambda: world.queue() == [ident])
    assert not is_kept(world, ident)
    world.run(("/usr/sbin/" + command.replace("%s", ident)).split())
    world.wait_until(lambda: is_kept(world, ident))
    world.wait_quiet()
    assert world.log_lines(ident, "queue file is damaged: the text")
    assert p.taken == [] and world.mailbox("alice") == []
    os.unlink("%s/corrupt/%s" % (SPOOL, ident))


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
