"""Fixtures of the story, crash and peer tests."""
import glob
import os
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import smtp_peer    # noqa: E402
import world as worlds  # noqa: E402


def pytest_sessionstart(session):
    if not os.path.exists(worlds.BINARY):
        pytest.exit("no %s here: run tests through tests/story/run.sh"
                    % worlds.BINARY, 1)


@pytest.fixture
def world():
    w = worlds.World()
    yield w
    w.finish()
    # A build with sanitizers leaves its reports there (tests/sanitize.c).
    assert glob.glob("/tmp/sanitizer.*") == []


@pytest.fixture(scope="session")
def certs():
    folder = tempfile.mkdtemp(prefix="certs", dir="/etc")
    os.chmod(folder, 0o755)
    return smtp_peer.certificates(folder)


@pytest.fixture
def peer():
    """Makes peers that are closed when the test is over."""
    made = []

    def make(*scripts, **more):
        if scripts and isinstance(scripts[0], dict):
            scripts = [smtp_peer.Script(**s) for s in scripts]
        p = smtp_peer.Peer(*scripts, **more)
        made.append(p)
        return p
    yield make
    for p in made:
        p.close()


@pytest.fixture
def exchangers(world):
    """Servers at port 25 (or another) of an address, by its last octet or
    in full."""
    made = []

    def make(where, script=None, port=25):
        host = "127.0.0.%d" % where if isinstance(where, int) else where
        made.append(smtp_peer.Peer(script or smtp_peer.Script(), port=port,
                                   host=host))
        return made[-1]
    yield make
    for p in made:
        p.close()
