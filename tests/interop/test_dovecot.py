"""A real Dovecot stores what MAILBOX lmtp gives it."""
import os
import signal
import subprocess

import pytest

CONF = """base_dir = /run/dovecot
log_path = /var/log/store.log
protocols = lmtp
ssl = no
mail_location = maildir:~/store
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = passwd
}
service lmtp {
  unix_listener lmtp {
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = 2424
  }
}
recipient_delimiter = +
"""


@pytest.fixture
def dovecot(world):
    world._fresh("/etc/dovecot/store.conf", CONF, 0o644)
    if os.path.exists("/run/dovecot/lmtp"):
        os.unlink("/run/dovecot/lmtp")
    p = subprocess.Popen(["dovecot", "-F", "-c", "/etc/dovecot/store.conf"],
                         stdin=subprocess.DEVNULL, start_new_session=True)
    world.wait_until(lambda: os.path.exists("/run/dovecot/lmtp"), 20,
                     "Dovecot's socket")
    yield p
    os.killpg(p.pid, signal.SIGTERM)
    p.wait(20)


def stored(user):
    where = "/home/%s/store/new" % user
    if not os.path.isdir(where):
        return []
    return [open(os.path.join(where, x), "rb").read()
            for x in os.listdir(where)]


@pytest.mark.parametrize("where", ("/run/dovecot/lmtp", "127.0.0.1:2424"))
def test_store(world, dovecot, where):
    world.write_conf({"MAILBOX": "lmtp:" + where})
    body = b"From here\n.\n..\n" + b"x" * 900 + b"\n" + b"line\n" * 20000
    world.send("-i", "bob+ext", "carol", input=b"Subject: s\n\n" + body)
    world.wait_quiet(30)
    for user in ("bob", "carol"):
        text, = stored(user)
        assert text.replace(b"\r\n", b"\n").endswith(b"\n\n" + body)
        assert b"Return-Path: <alice@host.test>" in text
    assert world.mailbox("bob") == []
