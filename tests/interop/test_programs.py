"""Other people's programs: they send as they always do, through us, to a
mailbox, to a command of a .forward, and through a real Postfix."""
import base64
import glob
import json
import os
import pwd
import re
import shutil
import subprocess
import time

import dkim
import pytest

import message_corpus as corpus
import relay as relays
from report import Report
from smtp_peer import Peer, Script
from test_forward import SEE

REPO = "/tmp/repo"


@pytest.fixture(scope="session")
def relay(certs):
    r = relays.Relay(certs["smart"])
    r.start()
    yield r
    r.stop()


@pytest.fixture
def site(world, relay, certs):
    """Our machine with that relay as its smarthost; carol has a command."""
    relay.empty()
    world.configure = lambda **keys: world.write_conf({
        "SMARTHOST": "smart.test:%d" % relays.PORT, "CAFILE": certs["ca"],
        "SECURETRANSFER": "", "STARTTLS": "", **keys})
    world.configure()
    world.write_auth("%s|smart.test:%s\n" % (relays.USER, relays.PASSWORD))
    path = world.write_home("carol", "see.py", SEE)
    world.forward("carol", "|/usr/bin/python3 %s\n" % path)
    world.relay = relay
    return world


def by_mailx(site, to, word):
    run(site, ["bsd-mailx", "-s", word, to], "text by mailx\n")


def by_mutt(site, to, word):
    run(site, ["mutt", "-n", "-F", "/dev/null", "-s", word, "--", to],
        "text by mutt\n")


def by_git(site, to, word):
    """A patch of a small repository of alice's."""
    script = """set -e
    rm -rf {0}; git init -q {0}; cd {0}
    git config user.name Alice; git config user.email alice@host.test
    echo one >file; git add file; git commit -q -m first
    echo two >>file; git commit -q -a -m '{1}'
    git -c sendemail.smtpserver=/usr/sbin/sendmail send-email --quiet \
        --confirm=never --suppress-cc=all --to={2} -1
    rm -rf {0}""".format(REPO, word, to)
    run(site, ["sh", "-c", script], "")


def by_cron(site, to, word):
    """The daemon of the package runs a job of alice's; MAILTO says where."""
    path = "/var/spool/cron/crontabs/alice"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.chmod(os.path.dirname(path), 0o1730)
    with open(path, "w") as f:
        # A job at the daemon's start takes the same way as any other.
        f.write("MAILTO=%s\n@reboot echo text by cron %s\n" % (to, word))
    os.chown(path, pwd.getpwnam("alice").pw_uid, -1)
    os.chmod(path, 0o600)
    if os.path.exists("/run/crond.reboot"):
        os.unlink("/run/crond.reboot")
    cron = subprocess.Popen(["cron", "-f"], stdin=subprocess.DEVNULL,
                            start_new_session=True)
    try:
        site.wait_until(lambda: site.log_lines("id="), 30, "mail from cron")
    finally:
        cron.terminate()
        cron.wait(10)
        os.unlink(path)


def run(site, argv, text):
    done = site.run(argv, user="alice", input=text)
    assert done.returncode == 0, done.stderr


CALLERS = {"bsd-mailx": by_mailx, "mutt": by_mutt,
           "git send-email": by_git, "cron": by_cron}


@pytest.mark.parametrize("caller", CALLERS)
def test_caller_reaches_mailbox_command_and_relay(site, caller):
    """One call per program, to an alias with all three behind it."""
    site.write_aliases("everywhere: bob, carol, ann@far.test\n")
    word = "word%d" % time.monotonic_ns()
    CALLERS[caller](site, "everywhere@host.test", word)

    message, = site.wait_mail("bob", limit=30)
    assert word.encode() in message.text
    assert message["From"] and message["Date"] and message["Message-ID"]
    assert message["Return-Path"] == "<alice@host.test>"
    if caller == "cron":
        assert "Cron Daemon" in message["From"]

    site.wait_quiet()
    seen = json.loads(site.read_home("carol", "seen.json"))
    carol = pwd.getpwnam("carol")
    assert seen["uids"] == [carol.pw_uid] * 3
    assert seen["gids"] == [carol.pw_gid] * 3
    assert seen["groups"] == [carol.pw_gid]
    assert set(seen["fds"]) <= {0, 1, 2, 3}
    assert seen["env"]["SENDER"] == "alice@host.test"
    assert word in seen["input"]

    site.wait_until(lambda: site.relay.has(1), 20, "mail at Postfix")
    far, = site.relay.box()
    assert word.encode() in far.text
    assert far["Return-Path"] == "<alice@host.test>"
    assert far["X-Original-To"] == "ann@far.test"
    log = site.relay.log()
    assert "sasl_method=SCRAM-SHA-256, sasl_username=" + relays.USER in log
    assert re.search(r"TLSv1\.[23]", far["Received"])


@pytest.mark.parametrize("mechanism", ("SCRAM-SHA-256", "SCRAM-SHA-1",
                                       "CRAM-MD5", "PLAIN", "LOGIN"))
def test_login_at_dovecot(site, certs, mechanism):
    before = len(site.relay.log())
    site.write_conf({"SMARTHOST": "smart.test:%d" % relays.PORT,
                     "CAFILE": certs["ca"], "AUTH_MECHS": mechanism})
    site.send("ann@far.test")
    site.wait_quiet()
    site.wait_until(lambda: site.relay.has(1), 20, "mail at Postfix")
    assert ("sasl_method=%s, sasl_username=%s" % (mechanism, relays.USER)
            in site.relay.log()[before:])


@pytest.mark.parametrize("mechanism", ("SCRAM-SHA-256", "SCRAM-SHA-1"))
def test_wrong_password_at_dovecot(site, certs, mechanism):
    site.write_conf({"SMARTHOST": "smart.test:%d" % relays.PORT,
                     "CAFILE": certs["ca"], "AUTH_MECHS": mechanism})
    site.write_auth("%s|smart.test:not it\n" % relays.USER)
    site.leaves("queue")
    site.send("ann@far.test")
    site.wait_tried("ann@far.test")
    assert "535" in site.mailq()
    assert site.relay.box() == []


KEPT = "/var/relay/kept"


def postfix_with(**keys):
    subprocess.run(["postconf", "-c", "/etc/postfix"] +
                   ["%s=%s" % kv for kv in keys.items()], check=True)
    subprocess.run(["postfix", "-c", "/etc/postfix", "reload"], check=True,
                   stderr=subprocess.DEVNULL)


@pytest.fixture(params=("all that it offers", "a 7-bit host"))
def keeper(site, request):
    """Postfix stores what it gets as it is, a file for each."""
    is_7bit = request.param == "a 7-bit host"
    shutil.rmtree(KEPT, ignore_errors=True)
    postfix_with(
        virtual_mailbox_maps="static:kept/", local_header_rewrite_clients="",
        smtpd_discard_ehlo_keywords="8bitmime, smtputf8"
        if is_7bit else "")
    site.is_7bit = is_7bit
    yield site
    postfix_with(virtual_mailbox_maps="static:box",
                 smtpd_discard_ehlo_keywords="")


def kept():
    """By name, without what Postfix and we have put on top."""
    found = {}
    for path in glob.glob(KEPT + "/new/*"):
        with open(path, "rb") as f:
            data = f.read().replace(b"\n", b"\r\n")
        top = (rb"(?:(?:Received|Return-Path|X-Original-To|Delivered-To): "
               rb".*\r\n(?:[ \t].*\r\n)*)*")
        data = re.sub(rb"\A" + top, b"", data)
        name = re.search(rb"(?m)^X-Case: (\S+?)\r$", data).group(1)
        assert name.decode() not in found
        found[name.decode()] = data
    return found


@pytest.fixture(scope="session")
def domain_key():
    """A key to sign with, and its record."""
    key = subprocess.run(["openssl", "genrsa", "-traditional", "1024"],
                         check=True, capture_output=True).stdout
    public = subprocess.run(["openssl", "rsa", "-pubout", "-outform", "DER"],
                            input=key, check=True, capture_output=True).stdout
    return key, b"v=DKIM1; p=" + base64.b64encode(public)


def signature(message, key, form):
    """For the top of the message, as a caller that signs has it."""
    return dkim.sign(message.wire(), b"sel", b"host.test", key[0],
                     canonicalize=(form, form),
                     include_headers=[b"from", b"to", b"date", b"message-id",
                                      b"x-case", b"subject"])


def test_difficult_messages_at_postfix(keeper, domain_key):
    """As they were, with signatures that hold, or read as the same."""
    offers = set() if keeper.is_7bit else {"8", "u"}
    messages = [x for x in corpus.MESSAGES.values()
               if set(x.needs) <= offers or not x.refused]
    marks = {}
    for n, message in enumerate(messages):
        mark = b""
        if set(message.needs) <= offers:
            mark = signature(message, domain_key,
                             (b"simple", b"relaxed")[n % 2])
        marks[message.name] = mark
        keeper.send("-odq", "-i", "ben@far.test",
                    input=mark.replace(b"\r\n", b"\n") + message.raw)
    keeper.flush(120)
    keeper.wait_quiet(60)
    keeper.wait_until(lambda: len(kept()) == len(messages), 30, "all of them")
    got = kept()
    for message in messages:
        data, mark = got[message.name], marks[message.name]
        if mark:
            assert data == mark + message.wire(), message.name
            assert dkim.verify(data, dnsfunc=lambda *_, **__: domain_key[1])
        elif not set(message.needs) & {"b", "f"}:
            assert corpus.content(data) == corpus.content(message.raw)
        if keeper.is_7bit:
            assert not re.search(rb"[\x80-\xff]", data)


def test_refusals_in_a_row_at_postfix(site):
    """The messages before and after a refused one go through, by the same
    connection."""
    site.configure(CONCURRENCY="1")
    with open("/etc/postfix/recipients", "w") as f:
        f.write("/^no/ 550 5.1.1 no such person\n"
                "/^later/ 450 4.2.1 come back later\n")
    before = site.relay.log()
    postfix_with(smtpd_recipient_restrictions="check_recipient_access "
                 "regexp:/etc/postfix/recipients, "
                 "permit_sasl_authenticated, reject")
    site.leaves("queue")
    names = ["ann0", "no1", "ann2", "later3", "ann4", "no5", "ann6"]
    for name in names:
        site.send("-odq", name + "@far.test",
                  input=b"Subject: %s\n\n.dot\n" % name.encode())
    site.flush(60)
    for word, status in (("ann", "sent"), ("no", "failed"),
                       ("later", "deferred")):
        for name in names:
            if name.startswith(word):
                site.wait_until(lambda: site.log_lines(
                    "to=<%s@far.test>" % name, "status=" + status), 30, name)
    site.wait_until(lambda: site.relay.has(4), 30, "4 messages")
    assert sorted(x["Subject"] for x in site.relay.box()) == [
        "ann0", "ann2", "ann4", "ann6"]
    log = site.relay.log()      # of several files: older lines may follow
    for words, n in ((": connect from", 1), ("improper command pipelining", 0)):
        assert log.count(words) == before.count(words) + n, words


def test_thousand_recipients_at_postfix(site):
    """995 taken, 3 refused, 2 put off, in one transaction."""
    with open("/etc/postfix/recipients", "w") as f:
        f.write("/^(u7|u500|u999)@/ 550 5.1.1 no such person\n"
                "/^(u0|u998)@/ 450 4.2.1 come back later\n")
    before = site.relay.log()
    subprocess.run(
        ["postconf", "-c", "/etc/postfix", "smtpd_recipient_restrictions="
         "check_recipient_access regexp:/etc/postfix/recipients, "
         "permit_sasl_authenticated, reject"], check=True)
    subprocess.run(["postfix", "-c", "/etc/postfix", "reload"], check=True,
                   stderr=subprocess.DEVNULL)
    site.leaves("queue")
    site.send(*("u%d@far.test" % i for i in range(1000)))
    bounce, = site.wait_mail("alice", limit=60)
    for n in (7, 500, 999):
        assert b"u%d@far.test" % n in bounce.text
    assert b"u1@far.test" not in bounce.text
    site.wait_until(lambda: site.relay.has(995), 60, "995 messages")
    listing = site.mailq()
    assert listing.count("To\t: ") == 2
    assert "u0@far.test" in listing and "u998@far.test" in listing
    log = site.relay.log()[len(before):]
    assert log.count(": connect from") == 1
    assert len(re.findall(r"client=.*sasl_method", log)) == 1


def test_postfix_reports_what_we_pass_on(site):
    """It has ENVID, NOTIFY and ORCPT from us, and tells the sender of its
    delivery; we tell nothing."""
    site.write_aliases("chief: ann@far.test\n")
    site.send("-f", "sue@far.test", "-N", "success,failure", "-R", "hdrs",
              "-V", "QQ 1+1=2", "chief")
    site.wait_quiet()
    site.wait_until(lambda: site.relay.has(2), 20, "mail and its report")
    message, = [x for x in site.relay.box() if x["Return-Path"] == "<>"]
    report = Report(message)
    assert report.actions() == {"ann@far.test": "delivered"}
    assert report.message["Original-Envelope-Id"] == "QQ 1+1=2"
    assert "smart.test" in report.message["Reporting-MTA"]
    assert report.recipients["ann@far.test"]["Original-Recipient"].replace(
        " ", "") == "rfc822;chief@host.test"
    assert not site.log_lines("bounce=")
    assert site.mailbox("alice") == [] and site.mailbox("root") == []


def test_postfix_is_silent_where_we_say_so(site):
    """Both fail behind its queue: of one nobody wants to hear."""
    site.send("-f", "sue@far.test", "-N", "never", "gone@nowhere.test")
    site.send("-f", "sue@far.test", "lost@nowhere.test")
    site.wait_quiet()
    for name in ("gone", "lost"):
        site.wait_until(lambda: re.search(
            r"%s@nowhere.test.*status=bounced" % name, site.relay.log()),
            20, "a failure at Postfix")
    site.wait_until(lambda: site.relay.has(1), 20, "one report")
    report = Report(site.relay.box()[0])
    assert report.actions() == {"lost@nowhere.test": "failed"}


# -- a next hop without SMTPUTF8 ------------------------------------------------

def test_c3_next_hop_without_smtputf8(site):
    """The relay has it; what did not need it arrives, and so do reports."""
    text = ("From: J\u00fcrg M\u00fcller <alice@host.test>\n"
            "To: Zo\u00eb <ben@next.test>\nSubject: Gr\u00fc\u00dfe aus K\u00f6ln\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
            "\nGr\u00fc\u00dfe\n").encode()
    with Peer(Script(capabilities=("PIPELINING", "8BITMIME", "SIZE 0"),
                     rcpt_rules=(("^bad@", "550 5.1.1 nobody"),)),
              port=relays.NEXT) as p:
        site.send("ben@next.test", input=text)
        site.send("bad@next.test", input=text)
        site.wait_until(lambda: len(p.taken) == 2, 30, site.relay.log())
    got, = (t for t in p.taken if t.accepted == ["ben@next.test"])
    assert corpus.text_of(re.search(rb"(?m)^Subject: (.*(?:\r\n[ \t].*)*)",
                                    got.data).group(1).decode()) == (
        "Gr\u00fc\u00dfe aus K\u00f6ln")
    report, = (t for t in p.taken if t.accepted == ["alice@host.test"])
    assert report.sender == "" and b"5.1.1 nobody" in report.data
    assert "SMTPUTF8 is required" not in site.relay.log()
