"""memcheck on a sample of what each process does.  Root starts them: valgrind
runs no set-uid program."""
import glob
import os
import shutil

import pytest

from smtp_peer import Script
from world import BINARY, SENDMAIL

REPORTS = "/tmp/memcheck"


@pytest.fixture
def memcheck(world):
    """The words before a command; whatever memcheck reports, fails."""
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    if world.is_sanitized() or os.environ.get("DMA_COVERAGE"):
        pytest.skip("a build with sanitizers or counters is not for valgrind")
    shutil.rmtree(REPORTS, ignore_errors=True)
    os.mkdir(REPORTS)
    os.chmod(REPORTS, 0o1777)
    mode = os.stat(BINARY).st_mode
    os.chmod(BINARY, 0o755)
    yield ["valgrind", "-q", "--vgdb=no", "--trace-children=yes",
           "--trace-children-skip=*/bin/*", "--log-file=%s/%%p" % REPORTS]
    os.chmod(BINARY, mode)
    names, found = glob.glob(REPORTS + "/*"), []
    for name in names:
        with open(name, errors="replace") as f:
            # Warnings, of system calls that it does not know, begin with "--".
            found += [line for line in f if line.startswith("==")]
    assert names and found == []


def run_queue(world, memcheck):
    """By a runner that ends when all is delivered."""
    done = world.run([*memcheck, BINARY, "--runner"], limit=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not world.queue()


@pytest.mark.seconds(8)
def test_submission_and_mailq(world, memcheck):
    text = "Subject: x\nTo: bob, ann@far.test (Ann)\nBcc: carol\n\nhello\n"
    done = world.run([*memcheck, SENDMAIL, "-odq", "-t", "-fbob"], input=text)
    assert (done.returncode, done.stderr) == (0, b"")
    done = world.run([*memcheck, SENDMAIL, "-bp"])
    assert done.returncode == 0 and b"ann@far.test" in done.stdout
    world.leaves("queue")


@pytest.mark.seconds(8)
def test_local_delivery(world, memcheck):
    """Aliases, a .forward, a mailbox, a Maildir, a command, a bounce."""
    world.write_aliases("list: bob, carol, nobody-here\n")
    world.forward("bob", "/home/bob/Maildir/\n")
    world.forward("carol", '\\carol\n"| cat >mail"\n')
    world.send("-odq", "-falice", "list", "alice", user=None)
    run_queue(world, memcheck)
    assert len(os.listdir("/home/bob/Maildir/new")) == 1
    assert b"hello" in world.read_home("carol", "mail")
    assert len(world.mailbox("carol")) == 1
    assert len(world.mailbox("alice")) == 2


@pytest.mark.seconds(8)
def test_remote_delivery(world, memcheck, peer, certs):
    p = peer(Script(tls="starttls", certificate=certs["smart"],
                    auth=("SCRAM-SHA-256",), user="me", password="geheim",
                    require_auth=True))
    world.smarthost(p, CAFILE=certs["ca"])
    world.write_auth("me|smart.test:geheim\n")
    world.send("-odq", "ann@far.test", "ben@far.test", user=None)
    world.send("-odq", "ann@far.test", user=None)
    run_queue(world, memcheck)
    assert len(p.taken) == 2
    assert p.connections[0].handshakes == 1
