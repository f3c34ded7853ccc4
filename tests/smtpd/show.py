"""show.py - accept mail, block it, drain it, and print what happens (make
try-smtpd)."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(__file__)
sys.path.insert(0, os.path.join(HERE, "..", "system"))

import intake   # noqa: E402
import world as worlds  # noqa: E402

ROOT = "/home/intake/root"
TEXT = "From: Ann <ann@example.org>\r\nSubject: dinner\r\n\r\nSee you at six.\r\n"

NEXT = """
What to do next, with sudo or as root:
    make try        the same for dma, the mail agent
    make check      all tests, in about 22 minutes
    make deb        packages for this machine; README.md, "Mail intake from the
                    network", and dma-smtpd(8) describe how to run dma-smtpd"""


def say(text=""):
    print(text, flush=True)


def title(n, text):
    say()
    say("%d. %s" % (n, text))


def command(text):
    say("   $ " + text)


def shown(text):
    for line in text.rstrip("\n").split("\n"):
        say("     | " + line.rstrip("\r"))


def exchange(c, *lines):
    """Sends commands, and prints both sides; gives the last reply."""
    for line in lines:
        say("     C: " + line)
        reply = c(line)
        for one in reply.split("\n"):
            say("     S: " + one)
    return reply


def send(c, sender, *recipients):
    exchange(c, "MAIL FROM:<%s>" % sender,
             *("RCPT TO:<%s>" % r for r in recipients), "DATA")
    for line in TEXT.split("\r\n")[:-1] + ["."]:
        say("     C: " + line)
        c.send(line + "\r\n")
    reply = c.reply()
    say("     S: " + reply)
    assert reply.code == 250
    return reply


def processes(s):
    title(1, "dma-smtpd is started as root; its processes give that up")
    command("dma-smtpd -f -l 127.0.0.1:%d -d %s &" % (s.port, ROOT))
    command("ps -o pid,ppid,user:12,rss,args")
    done = subprocess.run(["ps", "-o", "pid,ppid,user:12,rss,args", "-p",
                           ",".join(map(str, intake.our_processes(s.root)))],
                          stdout=subprocess.PIPE)
    text = re.sub(r"(dma-smtpd) -f .*", r"\1", done.stdout.decode())
    shown(text)
    assert "root" not in text.replace("/root", "")


def a_message(s):
    title(2, "a client sends a message to three recipients in two domains")
    with s.client() as c:
        say("     S: " + c.banner)
        exchange(c, "EHLO client.example")
        send(c, "ann@example.org", "alice@host.test", "bob@HOST.test",
             "carol@example.net")
        exchange(c, "QUIT")
    title(3, "before the 250, it was on disk: a file, with a link for each "
             "domain")
    command("find %s -type f -links 2" % ROOT)
    paths = s.tree.paths()
    for path in paths:
        say("     | %s/%s" % (ROOT, path))
    assert len(paths) == 2 and len(s.tree.files()) == 1
    command("cat %s/%s" % (ROOT, paths[-1]))
    shown(s.only().raw.decode())


def a_blocked_client(s):
    title(4, "the block list, read anew at SIGHUP")
    command("echo 127.0.0.66 >> /home/intake/blocked; kill -HUP %d"
            % s.pid())
    with open("/home/intake/blocked", "a") as f:
        f.write("127.0.0.66\n")
    s.hup()
    with s.client(source="127.0.0.66") as c:
        say("   A client with this address is now greeted by:")
        say("     S: " + c.banner)
        assert c.banner.code == 554


def counters(s):
    title(5, "the counters, as text (and for Prometheus by GET /metrics)")
    command("nc -U %s" % s.status)
    shown(s.query())
    assert s.counters()["accepted"] == 1


def the_end(s):
    title(6, "SIGTERM: a transaction in progress is finished, then the "
             "session ends")
    with s.client() as c:
        c.ehlo()
        exchange(c, "MAIL FROM:<ann@example.org>")
        command("kill -TERM %d" % s.pid())
        s.signal(signal.SIGTERM)
        s.wait_until(lambda: not s.is_listening(), "the end of listening")
        exchange(c, "RCPT TO:<alice@host.test>", "DATA")
        c.send(TEXT + ".\r\n")
        say("     C: (the text, and a dot)")
        reply = c.reply()
        say("     S: " + reply)
        assert reply.code == 250
        say("     S: " + c.reply())
    s.wait_end()


def the_drain(s, w):
    title(7, "dma-smtpd-drain gives closed minutes to dma, which delivers")
    say("   (The minutes are made older, and the message to example.net is "
        "put aside.)")
    now = time.time()
    for i, minute in enumerate(sorted(os.listdir(ROOT))):
        # As if it were three minutes later.
        os.rename(ROOT + "/" + minute, ROOT + "/" + time.strftime(
            "%Y%m%d%H%M", time.gmtime(now - 60 * (4 - i))))
    w.write_conf({"MAILNAME": "host.test"})
    shutil.rmtree(next(
        ROOT + "/" + m + "/example.net" for m in os.listdir(ROOT)
        if os.path.isdir(ROOT + "/" + m + "/example.net")))
    command("dma-smtpd-drain " + ROOT)
    done = subprocess.run([intake.DRAIN, ROOT], stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, b""), done.stderr
    got = w.wait_mail("alice", 2) + w.wait_mail("bob", 1)
    command("ls %s | wc -l" % ROOT)
    say("     | %d" % len(os.listdir(ROOT)))
    command("cat /var/mail/bob")
    shown(got[-1].raw.decode())


def main():
    say("dma-smtpd is installed in a private, temporary copy of this "
        "machine.")
    w = worlds.World()
    os.mkdir("/home/intake")
    with open("/home/intake/blocked", "w") as f:
        f.write("# nobody yet\n")
    s = intake.Intake("/home/intake", {"BLOCKLIST": "/home/intake/blocked"},
                      port=2525)
    s.start()
    try:
        for part in (processes, a_message, a_blocked_client, counters,
                     the_end):
            part(s)
        the_drain(s, w)
    except AssertionError as e:
        say("   FAILED: %s" % e)
        say("   log:\n" + s.log())
        s.finish()
        return 1
    title(8, "the log")
    for line in s.log().splitlines():
        say("     | " + line)
    s.finish()
    w.finish()
    say()
    say("All messages were delivered.  The copy is removed.")
    say(NEXT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
