"""The tree: names, links, modes, owners, minutes."""
import os
import pwd
import re
import stat
import threading
import time

import pytest

LONG = ".".join(["a" * 63] * 3)

# Recipients, and below which names the message is.
DOMAINS = {
    "in lower case": (["bob@To.TEST"], ["to.test"]),
    "one label": (["bob@localhost"], ["localhost"]),
    "U-labels": (["bob@Müller.test"], ["xn--mller-kva.test"]),
    "A-labels": (["bob@XN--MLLER-KVA.test"], ["xn--mller-kva.test"]),
    "an IPv4 literal": (["bob@[192.0.2.1]"], ["_invalid"]),
    "an IPv6 literal": (["bob@[IPv6:::1]"], ["_invalid"]),
    "postmaster alone": (["Postmaster"], ["_invalid"]),
    "the longest": (["b@%s.%s" % (LONG, "b" * 61)],
                    ["%s.%s" % (LONG, "b" * 61)]),
    "an @ in quotes": (['"bob@evil.test"@to.test'], ["to.test"]),
    "a way out in the local part": (['"../../x"@to.test', '"/"@to.test'],
                                    ["to.test"]),
    "a source route": (["@evil.test,@evil.test:bob@to.test"], ["to.test"]),
    "several": (["a@one.test", "b@two.test", "c@ONE.test", "d@[192.0.2.1]"],
                ["_invalid", "one.test", "two.test"]),
    "digits and hyphens": (["a@1-2.3--4"], ["1-2.3--4"]),
}


@pytest.fixture(scope="module")
def server(module_smtpd):
    return module_smtpd(DURABLE="none", MAX_ERRORS="1000")


@pytest.fixture(autouse=True)
def emptied(request):
    yield
    if "server" in request.fixturenames:
        request.getfixturevalue("server").tree.empty()


@pytest.mark.parametrize("name", DOMAINS)
def test_names_of_domains(server, name):
    recipients, domains = DOMAINS[name]
    with server.hello() as c:
        c.message(*recipients, more=" SMTPUTF8")
        c.quit()
    assert server.tree.domains() == domains
    m = server.only()
    assert len(m.forward) == len(recipients)
    assert len(server.tree.paths()) == len(domains)
    assert os.stat(m.path).st_nlink == len(domains)


@pytest.mark.parametrize("recipient", [
    "bob@..", "bob@.", "bob@../..", "bob@/etc", "bob@a/b", "bob@a\\b",
    "bob@to.test/..", "bob@.to.test", "bob@to..test", "bob@-a.test",
    "bob@_invalid", "bob@a_b.test", "bob@%2e%2e", "bob@to.test\t",
    "bob@" + "a" * 64 + ".test", "bob@x.%s.%s" % (LONG, "b" * 62),
    "bob@xn--\u00fc.test", "bob@\u2024\u2024/x", "bob@a\u2215b.test",
    "bob@xn--0000h.test", "bob@\u202e.test"])
def test_no_domain_leaves_the_tree(server, recipient):
    """Refused, or below the name for those that are no names."""
    with server.hello() as c:
        c.expect("MAIL FROM:<ann@from.test> SMTPUTF8", "250 ")
        if c("RCPT TO:<%s>" % recipient).code == 250:
            assert c.data("x\r\n").code == 250
            assert len(server.tree.paths()) == 1
            name, = server.tree.domains()
            assert name == "_invalid" or re.fullmatch(
                r"[a-z0-9-]+(\.[a-z0-9-]+)*", name)
        c.quit()
    assert server.tree.litter() == []
    assert sorted(os.listdir(server.folder)) == sorted(
        ("root", "run", "dma-smtpd.conf", "stderr", "notify"))


def test_a_thousand_domains_of_one_message(server):
    with server.hello() as c:
        c.message(*("u@d%d.test" % i for i in range(1000)))
        c.quit()
    paths = server.tree.paths()
    assert len(paths) == 1000 and len(server.tree.domains()) == 1000
    assert {os.stat(server.root + "/" + p).st_ino for p in paths} == {
        os.stat(server.root + "/" + paths[0]).st_ino}


def test_owners_modes_and_the_name(server):
    server.send()
    owner = pwd.getpwnam("_dma-smtpd")
    path, = server.tree.paths()
    minute, domain, name = path.split("/")
    for below, mode in ((minute, 0o750), (minute + "/" + domain, 0o750),
                        (path, 0o640)):
        st = os.lstat(server.root + "/" + below)
        assert (st.st_uid, st.st_gid) == (owner.pw_uid, owner.pw_gid)
        assert stat.S_IMODE(st.st_mode) == mode, below
    pid, sequence = re.fullmatch(r"(\d+)-([0-9A-Za-z]+)\.msg",
                                 name).groups()
    assert int(pid) in server.children()
    assert os.path.getmtime(server.root + "/" + path) == pytest.approx(
        time.mktime(time.strptime(minute, "%Y%m%d%H%M")) - time.timezone,
        abs=75)
    # Of a fixed width: names sort as they were made.
    server.send()
    names = sorted(server.tree.paths())
    assert len({len(x) for x in names}) == 1 or len(
        {x.split("-")[0] for x in names}) == 2


def test_names_sort_in_the_order_of_one_child(smtpd):
    s = smtpd(DURABLE="none", MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    with s.hello() as c:
        for i in range(50):
            c.message(text="%d\r\n" % i)
        c.quit()
    order = [int(m.text) for m in sorted(s.tree.messages(),
                                         key=lambda m: m.path)]
    assert order == list(range(50))


def test_directories_that_are_removed_under_load(smtpd):
    """The minute is the one of the commit, by UTC; directories are made anew
    when somebody takes them away."""
    s = smtpd(DURABLE="full", more={"env": {"TZ": "Asia/Kolkata",
                                            "PATH": "/usr/bin"}})
    ends = threading.Event()
    taken = []

    def remove():
        """As rm -r of a minute: nothing acknowledged may be put into a
        directory that is gone."""
        while not ends.is_set():
            for minute in os.listdir(s.root):
                for domain in os.listdir(s.root + "/" + minute):
                    try:
                        os.rmdir("%s/%s/%s" % (s.root, minute, domain))
                    except OSError:
                        pass
                try:
                    os.rmdir(s.root + "/" + minute)
                except OSError:
                    pass
            time.sleep(0.002)
    thread = threading.Thread(target=remove)
    thread.start()
    try:
        with s.hello() as c:
            for i in range(60):
                before = time.time()
                c.message("u%d@d%d.test" % (i, i))
                taken.append((before, time.time()))
            c.quit()
    finally:
        ends.set()
        thread.join()
    got = {m.to[0]: m for m in s.tree.messages()}
    assert len(got) == 60
    for i, times in enumerate(taken):
        minute = got["u%d@d%d.test" % (i, i)].path.split("/")[-3]
        assert minute in [time.strftime("%Y%m%d%H%M", time.gmtime(t))
                          for t in times]


def test_a_child_with_the_pid_and_the_clock_of_another(smtpd):
    """Names that are taken are not replaced: the next sequence is used."""
    s = smtpd(DURABLE="none", MIN_SPARE="1", MAX_SPARE="1", MAX_CHILDREN="1")
    s.send(text="first\r\n")
    path, = s.tree.paths()
    head, sequence = re.fullmatch(r"(.*-)([0-9A-Za-z]+)\.msg", path).groups()
    is_hex = "a" in sequence.lower() or len(sequence) == 16
    base = 16 if is_hex else 10
    for i in range(1, 20):
        name = head + ("%x" if is_hex else "%d") % (
            int(sequence, base) + i)
        width = len(sequence) - len(name[len(head):])
        with open("%s/%s.msg" % (s.root, head + "0" * width +
                                 name[len(head):]), "x") as f:
            f.write("another's")
    for i in range(5):
        s.send(text="later %d\r\n" % i)
    texts = []
    for p in s.tree.files():
        with open(p) as f:
            texts.append(f.read())
    assert texts.count("another's") == 19
    assert sum("later" in x for x in texts) == 5


def test_a_user_who_is_not_root(smtpd):
    s = smtpd(is_root=False)
    s.send()
    assert os.stat(s.only().path).st_uid == pwd.getpwnam("alice").pw_uid
    for pid in s.children() + s.generations() + [s.pid()]:
        with open("/proc/%d/status" % pid) as f:
            assert "\nUid:\t%d\t" % pwd.getpwnam("alice").pw_uid in f.read()


def test_root_is_given_up_for_good(server):
    owner = pwd.getpwnam("_dma-smtpd")
    server.send()
    for pid in server.children() + server.generations() + [server.pid()]:
        with open("/proc/%d/status" % pid) as f:
            text = f.read()
        assert "\nUid:" + ("\t%d" % owner.pw_uid) * 4 + "\n" in text
        assert "\nGid:" + ("\t%d" % owner.pw_gid) * 4 + "\n" in text
        assert re.search(r"\nGroups:\t(%d )?\n" % owner.pw_gid, text)
        for kind in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            assert "\n%s:\t%016x\n" % (kind, 0) in text
        # Not dumpable: its memory is root's alone.
        assert os.stat("/proc/%d/mem" % pid).st_uid == 0
    for pid in server.children():
        with open("/proc/%d/status" % pid) as f:
            assert "\nNoNewPrivs:\t1\n" in f.read()


def test_nothing_but_its_descriptors(server):
    """A child has its sockets, the tree and the log open, nothing else."""
    for pid in server.children():
        for name in os.listdir("/proc/%d/fd" % pid):
            where = os.readlink("/proc/%d/fd/%s" % (pid, name))
            assert re.match(r"socket:|pipe:|anon_inode:|/dev/null$|"
                            r"/home/intake\.[^/]*/(root|stderr|run)|"
                            r"/dev/(log|urandom)", where), where
