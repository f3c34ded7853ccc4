"""conftest.py - fixtures of all tests of the installed program."""
import ctypes
import glob
import inspect
import itertools
import os
import signal
import stat
import sys
import tempfile
import zlib

import pytest
from _pytest import runner

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "system"))

import smtp_peer    # noqa: E402
import world as worlds  # noqa: E402


DEFAULT_S = 0.7         # what a test without a mark takes


def pytest_addoption(parser):
    parser.addoption("--shard", metavar="I/N", default="1/1",
                     help="run the Ith of N parts of the tests")
    parser.addoption("--sample", metavar="N", type=int, default=1,
                     help="run one in N of the tests that a build with "
                     "sanitizers runs, too; DMA_CHECK_SEED chooses them")
    parser.addoption("--times", metavar="N", type=int, default=1,
                     help="run each test N times, or until it fails")


def pytest_configure(config):
    config.addinivalue_line("markers", "seconds(n): what the test takes; "
                            "from about 4, for shards that take equally long")
    # Whoever ignores them in a test says so; a background job does not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def shards(seconds, n):
    """For each test, by what it takes, the number of its shard: the longest
    first, each into the shard that has least."""
    loads, where = [0] * n, {}
    for i in sorted(range(len(seconds)), key=lambda i: -seconds[i]):
        where[i] = loads.index(min(loads))
        loads[where[i]] += seconds[i]
    return [where[i] for i in range(len(seconds))]


def seconds_of(item):
    mark = item.get_closest_marker("seconds")
    return mark.args[0] if mark else DEFAULT_S


def chosen(items, n):
    """One in n, and all of a file that tells one build from the other."""
    seed = os.environ.get("DMA_CHECK_SEED", "1")
    plain = {m: "is_sanitized" in inspect.getsource(m)
             for m in {x.module for x in items}}
    return [x for x in items if plain[x.module] or
            zlib.crc32((seed + x.nodeid).encode()) % n == 0]


def pytest_collection_modifyitems(config, items):
    if config.getoption("sample") > 1:
        wanted = chosen(items, config.getoption("sample"))
        config.hook.pytest_deselected(
            items=[x for x in items if x not in wanted])
        items[:] = wanted
    i, n = map(int, config.getoption("shard").split("/"))
    if not 1 <= i <= n:
        raise pytest.UsageError("--shard: not one of 1/%d to %d/%d" % (n, n, n))
    where = shards([seconds_of(item) for item in items], n)
    config.hook.pytest_deselected(
        items=[x for x, k in zip(items, where) if k != i - 1])
    items[:] = [x for x, k in zip(items, where) if k == i - 1]


def pytest_sessionfinish(session, exitstatus):
    # Of few tests, a shard may get none.
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and \
            not session.config.getoption("shard").endswith("/1"):
        session.exitstatus = pytest.ExitCode.OK


def pytest_runtest_protocol(item, nextitem):
    times = item.config.getoption("times")
    if times == 1:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid,
                                       location=item.location)
    for _ in range(times):
        item._initrequest()
        reports = runner.runtestprotocol(item, log=False, nextitem=nextitem)
        if any(report.failed for report in reports):
            break
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid,
                                        location=item.location)
    return True


def pytest_terminal_summary(terminalreporter):
    """Each skipped test with its reason, for tests/check.sh."""
    config = terminalreporter.config
    for report in terminalreporter.stats.get("skipped", []):
        reason = str(report.longrepr[-1]).replace("Skipped: ", "", 1)
        terminalreporter.write_line("SKIPPED %s: %s" % (
            config.cwd_relative_nodeid(report.nodeid), " ".join(reason.split())))


def sanitizer_reports():
    """Errors alone: without /proc, the sanitizer warns that it cannot tell
    where the stack is.  Each is told to one test."""
    texts = []
    for name in glob.glob("/tmp/sanitizer.*"):
        with open(name, errors="replace") as f:
            texts.append(f.read())
        os.unlink(name)
    return [text for text in texts
            if "ERROR" in text or "runtime error" in text]


@pytest.fixture
def world():
    if not os.path.exists(worlds.BINARY):
        pytest.exit("no %s here: run tests through tests/system/run.sh"
                    % worlds.BINARY, 1)
    w = worlds.World()
    yield w
    w.finish()
    # A build with sanitizers leaves its reports there (tests/sanitize.c).
    assert sanitizer_reports() == []


@pytest.fixture
def fuse():
    """A mount at /mnt/dead that nobody serves: what the kernel asks."""
    if "\tfuse\n" not in open("/proc/filesystems").read():
        pytest.skip("this kernel has no FUSE")
    libc = ctypes.CDLL(None, use_errno=True)
    if not os.path.exists("/dev/fuse"):
        os.mknod("/dev/fuse", stat.S_IFCHR | 0o666, os.makedev(10, 229))
    os.makedirs("/mnt/dead", exist_ok=True)
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % fd
    if libc.mount(b"dead", b"/mnt/dead", b"fuse", 0, options) == -1:
        os.close(fd)
        pytest.skip("FUSE cannot be mounted here")
    yield fd
    libc.umount2(b"/mnt/dead", 2)       # MNT_DETACH
    os.close(fd)


@pytest.fixture
def dead(fuse):
    """A directory where every look-up hangs: a server that is away."""
    return "/mnt/dead"


@pytest.fixture
def mallory(world, dead):
    """Spellings of a user's name whose home hangs, more than the runner has
    questions; the first is the name."""
    world.add_user("mallory")
    world.run(["usermod", "-d", dead + "/mallory", "mallory"])
    yield ["".join(x) for x in itertools.islice(itertools.product(
        *zip("mallory", "MALLORY")), 80)]
    ctypes.CDLL(None).umount2(dead.encode(), 1)     # MNT_FORCE: lets all go
    world.stop()
    world.run(["usermod", "-d", "/home/mallory", "mallory"])
    world.remove_user("mallory")


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
