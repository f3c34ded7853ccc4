"""The block list: what is on it, what is answered, and its reload."""
import os
import time

import pytest

LIST = """# a comment
192.0.2.1
198.51.100.0/24   # a network
2001:db8::/32
127.0.0.66
127.7.0.0/16
helo:evil.test
helo:[192.0.2.9]
sender:spam@from.test
sender:@spammers.test
sender:<>
rcpt:nobody@to.test
rcpt:@closed.test
"""


@pytest.fixture
def blocked(smtpd):
    def make(text=LIST, **keys):
        from intake import new_folder
        folder = new_folder()
        path = folder + "/blocked"
        with open(path, "w") as f:
            f.write(text)
        s = smtpd(folder=folder, BLOCKLIST=path, **keys)
        s.list = path
        return s
    return make


def test_addresses_get_a_banner_and_the_end(blocked):
    s = blocked()
    for source in ("127.0.0.66", "127.7.0.0", "127.7.255.255"):
        with s.client(source=source) as c:
            assert c.banner.startswith("554 5.7.1 "), c.banner
            assert c.wait_closed() == ""
    for source in ("127.0.0.65", "127.0.0.67", "127.6.255.255", "127.8.0.0"):
        with s.client(source=source) as c:
            assert c.banner.startswith("220 ")
            c.quit()


def test_mapped_and_ipv6_addresses(blocked):
    s = blocked("::1\n127.0.0.66\n2001:db8::/32\n", PROXY_FROM="127.0.0.9")
    for address, code in (("2001:db8::1", "554"), ("2001:db9::1", "220"),
                          ("::1", "554"), ("::2", "220"),
                          ("::ffff:127.0.0.66", "554"),
                          ("::ffff:127.0.0.67", "220")):
        with s.client(source="127.0.0.9", proxy=b"PROXY TCP6 %s ::1 1 2\r\n"
                      % address.encode()) as c:
            assert c.banner.startswith(code), address


# Commands after the banner; the last one is refused, or none.
STAGES = [
    (["EHLO evil.test"], True), (["HELO EVIL.Test"], True),
    (["EHLO not.evil.test"], False), (["EHLO evil.test.org"], False),
    (["EHLO [192.0.2.9]"], True),
    (["EHLO c.test", "MAIL FROM:<spam@from.test>"], True),
    (["EHLO c.test", "MAIL FROM:<SPAM@From.Test>"], True),
    (["EHLO c.test", "MAIL FROM:<@a.test:spam@from.test>"], True),
    (["EHLO c.test", "MAIL FROM:<any@spammers.test>"], True),
    (["EHLO c.test", "MAIL FROM:<any@SPAMMERS.test>"], True),
    (["EHLO c.test", "MAIL FROM:<any@sub.spammers.test>"], False),
    (["EHLO c.test", "MAIL FROM:<xspam@from.test>"], False),
    (["EHLO c.test", "MAIL FROM:<a@b>", "RCPT TO:<nobody@to.test>"], True),
    (["EHLO c.test", "MAIL FROM:<a@b>", "RCPT TO:<NoBody@TO.test>"], True),
    (["EHLO c.test", "MAIL FROM:<a@b>", "RCPT TO:<any@closed.test>"], True),
    (["EHLO c.test", "MAIL FROM:<a@b>", "RCPT TO:<somebody@to.test>"],
     False),
]


@pytest.mark.parametrize("commands, is_refused", STAGES)
def test_names_and_paths(blocked, commands, is_refused):
    s = blocked()
    with s.client() as c:
        for line in commands[:-1]:
            c.expect(line, "250")
        reply = c(commands[-1])
        assert reply.startswith("554 5.7.1 " if is_refused else "250"), reply


def test_one_recipient_of_several(blocked):
    s = blocked()
    with s.hello() as c:
        c.expect("MAIL FROM:<a@b>", "250 ")
        for name, code in (("x@to.test", 250), ("nobody@to.test", 554),
                           ("y@closed.test", 554), ("z@to.test", 250)):
            assert c("RCPT TO:<%s>" % name).code == code
        assert c.data("x\r\n").code == 250
        c.quit()
    assert s.only().to == ["x@to.test", "z@to.test"]


def test_a_refused_recipient_is_named_in_the_log(blocked):
    """That one, after however many others, and none of them."""
    s = blocked()
    with s.hello() as c:
        c.envelope(*("u%d@to.test" % i for i in range(20)))
        assert c("RCPT TO:<nobody@to.test>").code == 554
        assert c.data("x\r\n").code == 250
        c.quit()
    line, = s.lines("status=refused")
    assert " to=<nobody@to.test> nrcpt=" in line and "u0@to.test" not in line
    line, = s.lines("status=accepted")
    assert " to=<u9@to.test> nrcpt=20 " in line


def test_a_refused_name_of_a_client_is_in_the_log(blocked):
    s = blocked()
    with s.client() as c:
        assert c("EHLO evil.test").code == 554
        assert c("HELO EVIL.test").code == 554
        c.quit()
    assert len(s.lines("client=127.0.0.1 helo=evil.test status=refused")) == 1
    assert len(s.lines("client=127.0.0.1 helo=EVIL.test status=refused")) == 1


def test_drop_accepts_and_discards(blocked):
    s = blocked(BLOCK_REPLY="drop")
    with s.hello(source="127.0.0.66") as c:
        c.message()
        c.message("a@to.test", "b@to.test")
        c.quit()
    with s.hello() as c:
        c.message(sender="spam@from.test")
        c.message("nobody@to.test", "x@closed.test")
        assert s.tree.paths() == []
        c.message("nobody@to.test", "good@to.test")
        c.quit()
    with s.client() as c:
        c.expect("EHLO evil.test", "250")
        c.message()
        c.quit()
    assert s.only().to == ["good@to.test"]
    assert s.counters()["accepted"] >= 1


def test_reload(blocked):
    s = blocked("127.0.0.66\n")
    before = s.client(source="127.0.0.65")
    with open(s.list, "w") as f:
        f.write("127.0.0.65\n")
    s.hup()
    with s.client(source="127.0.0.65") as c:
        assert c.banner.startswith("554 ")
    with s.client(source="127.0.0.66") as c:
        assert c.banner.startswith("220 ")
    # What began before goes on.
    before.ehlo()
    before.message()
    before.quit()
    # A list that cannot be read: the old one stays.
    os.rename(s.list, s.list + ".away")
    s.signal(1)
    s.wait_until(lambda: s.lines(s.list), "the error")
    time.sleep(0.1)
    with s.client(source="127.0.0.65") as c:
        assert c.banner.startswith("554 ")
    os.rename(s.list + ".away", s.list)
    with open(s.list, "w") as f:
        f.write("")
    s.hup()
    with s.client(source="127.0.0.65") as c:
        assert c.banner.startswith("220 ")


BAD_LINES = ["192.0.2.256", "192.0.2.1/33", "192.0.2.1/24", "2001:db8::/129",
             "helo:", "sender:", "rcpt:", "who:is@this", "example.test",
             "192.0.2.1 192.0.2.2", "1.2.3"]


def test_bad_lines_are_named_and_skipped(blocked):
    text = "# first\n" + "".join(
        "%s\n127.3.0.%d\n" % (bad, i) for i, bad in enumerate(BAD_LINES))
    s = blocked(text)
    for i, bad in enumerate(BAD_LINES):
        line = 2 + 2 * i
        assert s.lines("%s:%d: " % (s.list, line)), (bad, s.log())
        assert not s.lines("%s:%d: " % (s.list, line + 1))
        with s.client(source="127.3.0.%d" % i) as c:
            assert c.banner.startswith("554 ")


def test_a_hundred_thousand_entries(blocked):
    """They are read at the start, and answer as few do; the list is in
    memory once, not once a child."""
    text = "".join("10.%d.%d.%d\n" % (i >> 16, i >> 8 & 255, i & 255)
                   for i in range(0, 120000, 3))
    text += "".join("11.%d.%d.0/24\n" % (i >> 8, i & 255)
                    for i in range(20000))
    text += "".join("sender:user%d@from%d.test\n" % (i, i)
                    for i in range(20000))
    text += "".join("rcpt:@d%d.test\nhelo:h%d.test\n" % (i, i)
                    for i in range(10000))
    s = blocked(text + "127.0.0.66\n", PROXY_FROM="127.0.0.9", MIN_SPARE="4",
                MAX_SPARE="4")
    for address, code in (("10.0.0.0", "554"), ("10.0.0.1", "220"),
                          ("10.1.212.189", "554"), ("11.0.1.255", "554"),
                          ("12.0.0.1", "220"), ("11.78.31.9", "554"),
                          ("11.78.32.9", "220")):
        with s.client(source="127.0.0.9", proxy=b"PROXY TCP4 %s 1.2.3.4 1 2"
                      b"\r\n" % address.encode()) as c:
            assert c.banner.startswith(code), address
    with s.hello() as c:
        c.expect("MAIL FROM:<user19999@from19999.test>", "554 ")
        c.expect("MAIL FROM:<user19999@from19998.test>", "250 ")
        c.expect("RCPT TO:<a@d9999.test>", "554 ")
        c.expect("RCPT TO:<a@d10000.test>", "250 ")
        c.quit()
    if s.is_sanitized:
        return
    for pid in s.children():
        with open("/proc/%d/smaps_rollup" % pid) as f:
            private = sum(int(line.split()[1]) for line in f
                          if line.startswith("Private"))
        assert private < 4000, private
