"""show.py - deliver three messages and print what happens (make try)."""
import os
import sys
import tempfile

import smtp_peer
import world as worlds

NEXT = """
What to do next, with sudo or as root:
    make try-smtpd  the same for dma-smtpd, which accepts mail by SMTP
    make check      all tests, in about 22 minutes
    make deb        packages for this machine; README.md describes how to
                    install and configure dma"""


def say(text=""):
    print(text, flush=True)


def title(n, text):
    say()
    say("%d. %s" % (n, text))


def command(text):
    say("   $ " + text)


def send(w, text, *to):
    """Sends as alice, and prints the command that would do the same."""
    command("printf '%s' | sendmail %s" % (text.replace("\n", "\\n"),
                                           " ".join(to)))
    w.send(*to, input=text.encode())


def shown(data, only=()):
    """Prints text from a mailbox or file, indented; only: these fields."""
    header, _, body = data.decode("utf-8", "replace").partition("\n\n")
    for line in header.split("\n"):
        if not only or line.startswith(only):
            say("     | " + line)
    say("     |")
    for line in body.rstrip("\n").split("\n"):
        say("     | " + line)


def to_a_mailbox(w):
    title(1, "alice sends to bob, who has a mailbox")
    send(w, "Subject: dinner\n\nSee you at six.\n", "bob")
    message, = w.wait_mail("bob")
    st = os.stat("/var/mail/bob")
    say("   /var/mail/bob (mode %o, owner bob) now contains:" % (st.st_mode & 0o777))
    shown(message.raw, ("From", "Return-Path", "To", "Subject", "Date",
                       "Message-ID"))
    assert message.body == b"See you at six.\n"


def to_a_command(w):
    title(2, "alice sends to carol, whose .forward contains a command")
    w.forward("carol", "|id > seen; tty >> seen; pwd >> seen; "
                       "cat >> seen\n")
    command("cat ~carol/.forward")
    say("     | " + w.read_home("carol", ".forward").decode().rstrip())
    send(w, "Subject: alarm\n\nDisk is full.\n", "carol")
    w.wait_quiet()
    say("   The command ran as carol and wrote to /home/carol/seen:")
    seen = w.read_home("carol", "seen")
    shown(seen, ("uid", "not a tty", "/home", "From ", "Subject"))
    assert seen.startswith(b"uid=%d(carol)" % os.stat("/home/carol").st_uid)


def to_a_smarthost(w):
    title(3, "alice sends to three remote recipients, through a smarthost "
             "with TLS and AUTH")
    folder = tempfile.mkdtemp(dir="/etc")
    os.chmod(folder, 0o755)
    certificates = smtp_peer.certificates(folder)
    with smtp_peer.Peer(smtp_peer.Script(
            tls="starttls", certificate=certificates["smart"],
            auth=("CRAM-MD5", "PLAIN"), user="relay-user",
            password="s3cret", require_auth=True)) as p:
        w.write_conf({"SMARTHOST": "smart.test:%d" % p.port,
                      "SECURETRANSFER": "", "STARTTLS": "",
                      "CAFILE": certificates["ca"]})
        w.write_auth("relay-user|smart.test:s3cret\n")
        to = ["ann@far.test", "ben@far.test", "cleo@far.test"]
        send(w, "Subject: greetings\n\nHello all.\n", *to)
        w.wait_quiet()
        c, = p.connections
        say("   The smarthost received one connection%s with one "
            "transaction:" % (
            " (%s)" % c.sock_version if c.sock_version else ""))
        for line in c.commands:
            if not line.startswith("AUTH") and " " not in line and \
                    len(line) > 20:
                line = "(the response to its challenge)"
            say("     < " + line)
        t, = p.taken
        say("   and accepted the message for %s." % ", ".join(t.accepted))
        assert t.accepted == to and t.body == b"Hello all.\r\n"
        assert p.logins == [("CRAM-MD5", "relay-user", True)]


def main():
    say("dma is installed in a private, temporary copy of this machine, where "
        "alice, bob\nand carol are users.  Header fields are shown only in "
        "part.")
    w = worlds.World()
    for part in (to_a_mailbox, to_a_command, to_a_smarthost):
        try:
            part(w)
        except AssertionError as e:
            say("   FAILED: %s" % e)
            say("   log:\n" + w.log())
            return 1
    title(4, "the queue is empty, and the log shows each delivery")
    command("mailq")
    say("     | " + w.mailq().rstrip().replace("\n", "\n     | "))
    command("cat " + worlds.LOG)
    for line in w.log().splitlines():
        say("     | " + line)
    w.finish()
    say()
    say("All deliveries succeeded.  The copy is removed.")
    say(NEXT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
