"""Other people's programs that speak SMTP with us: sendmail -bs."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

import pytest

from world import HOST

MAILER = """<?php
require "/usr/share/php/Symfony/Component/Mailer/autoload.php";
use Symfony\\Component\\Mailer\\Mailer;
use Symfony\\Component\\Mailer\\Transport\\SendmailTransport;
use Symfony\\Component\\Mime\\Email;
$mailer = new Mailer(new SendmailTransport());
for ($i = 0; $i < 2; $i++)
    $mailer->send((new Email())->from("alice@host.test")
        ->to("bob@host.test")->bcc("carol@host.test")->subject($argv[1])
        ->text(".dot\\r\\n..two\\n.\\nJosé\\n"));
try {
    $mailer->send((new Email())->from("alice@host.test")
        ->to("nobody-at-all@host.test")->text("x"));
    exit(1);
} catch (Symfony\\Component\\Mailer\\Exception\\TransportException $e) {
    exit($e->getCode() == 550 ? 0 : 2);
}
"""

PINERC = """personal-name=Alice
user-domain=host.test
smtp-server=
sendmail-path=
feature-list=no-quit-without-confirm,no-enable-suspend
last-time-prune-questioned=400.1
"""


def by_symfony(world, word):
    world.write_home("alice", "send.php", MAILER)
    done = world.run(["php", "send.php", word], user="alice")
    assert done.returncode == 0, (done.stdout, done.stderr)
    return 2


def by_nmh(world, word):
    world.write_home("alice", ".mh_profile", "Path: Mail\n")
    world.write_home("alice", "draft", "From: alice@host.test\n"
                     "To: bob\nBcc: carol@host.test\nSubject: %s\n\n"
                     ".dot\n..two\n.\nend\n" % word)
    done = world.run(["sh", "-c", "mkdir Mail && /usr/bin/mh/send "
                      "-mts sendmail/smtp ~/draft"], user="alice")
    assert done.returncode == 0, (done.stdout, done.stderr)
    return 1


def press(fd, keys):
    """Each key once the screen asks for it; gives what was shown."""
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end and not is_sent(shown):
        if not select.select([fd], [], [], 0.2)[0]:
            continue
        try:
            shown += os.read(fd, 65536).replace(b"\0", b"")
        except OSError:     # it has ended
            break
        if keys and keys[0][0] in shown:
            os.write(fd, keys.pop(0)[1])
    return shown


def is_sent(shown):
    """What alpine shows before it ends may be overwritten at once."""
    return b"Message sent" in shown or b"Alpine finished" in shown


def by_alpine(world, word):
    world.write_home("alice", ".pinerc", PINERC)
    pid, fd = pty.fork()
    if pid == 0:
        who = world.identity("alice")
        os.setgroups([])
        os.setgid(who["group"])
        os.setuid(who["user"])
        os.chdir(who["cwd"])
        os.closerange(3, 1024)
        os.execve("/usr/bin/alpine", [
            "alpine", "-url", "mailto:bob@host.test?subject=" + word +
            "&body=.dot%0a..two%0a.%0aend"],
            {**who["env"], "TERM": "vt100", "LINES": "24", "COLUMNS": "80"})
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    shown = press(fd, [(b"end", b"\x18"), (b"Send message", b"y"),
                       (b"Create?", b"y")])
    os.close(fd)        # as if the terminal had been closed
    os.waitpid(pid, 0)
    assert is_sent(shown), shown[-3000:]
    return 1


CALLERS = {"Symfony Mailer": by_symfony, "nmh": by_nmh, "alpine": by_alpine}


@pytest.mark.parametrize("caller", CALLERS)
def test_programs_that_speak_smtp(world, caller):
    word = "word%d" % time.monotonic_ns()
    n = CALLERS[caller](world, word)
    for message in world.wait_mail("bob", n, limit=30):
        assert message["Subject"] == word
        assert message["Return-Path"] == "<alice@%s>" % HOST
        assert b".dot" in message.body and b"..two" in message.body
        assert not message["Bcc"]
    if caller != "alpine":
        assert len(world.wait_mail("carol", n, limit=30)) == n
    world.wait_quiet()
