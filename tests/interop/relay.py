"""relay.py - a real Postfix with Dovecot's SASL, as somebody's smarthost.

Listens at a port of its own on 127.0.0.1 with STARTTLS and those AUTH
mechanisms that Dovecot has for passwords, takes mail only from who has logged in over TLS, and puts all of it into one
mbox.  All its files are on the throw-away machine.
"""
import os
import pwd
import signal
import socket
import subprocess
import time

import world as worlds

USER, PASSWORD = "relay-user", "s3cret word"
BOX = "/var/relay/box"
PORT = 10587
NEXT = 10589            # a scripted host behind it: next.test

MAIN = """compatibility_level = 3.6
myhostname = smart.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
mail_owner = postfix
setgid_group = postdrop
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
maillog_file = /var/log/postfix.log
transport_maps = inline:{ nowhere.test=error:there_is_no_such_place, next.test=smtp:[127.0.0.1]:%(next)d, host.test=smtp:[127.0.0.1]:%(next)d }
smtputf8_enable = yes
smtpd_reject_unlisted_recipient = no
virtual_mailbox_domains = far.test
virtual_mailbox_base = /var/relay
virtual_mailbox_maps = static:box
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
smtpd_tls_security_level = encrypt
smtpd_tls_chain_files = %(cert)s
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = /run/dovecot/relay-auth
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_limit = 2000
%(more)s
"""

MASTER = """%s inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
smtp unix - - n - - smtp
relay unix - - n - - smtp
postlog unix-dgram n - n - 1 postlogd
"""

DOVECOT = """protocols =
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
auth_mechanisms = scram-sha-256 scram-sha-1 cram-md5 plain login
ssl = no
passdb {
  driver = passwd-file
  args = scheme=PLAIN /etc/relay-users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/
}
service auth {
  unix_listener relay-auth {
    mode = 0666
  }
}
"""


class Relay:
    """Started by start(), ended by stop(); box() is what has arrived."""

    def __init__(self, certificate, more=""):
        who = pwd.getpwnam("nobody")
        os.makedirs("/var/relay", exist_ok=True)
        os.chown("/var/relay", who.pw_uid, who.pw_gid)
        self._write("/etc/postfix/main.cf", MAIN % {
            "next": NEXT, "uid": who.pw_uid, "gid": who.pw_gid, "cert": certificate,
            "more": more})
        self._write("/etc/postfix/master.cf", MASTER % PORT)
        self._write("/etc/dovecot/relay.conf", DOVECOT)
        self._write("/etc/relay-users", "%s:{PLAIN}%s\n" % (USER, PASSWORD))
        os.chmod("/etc/relay-users", 0o644)
        self._dovecot = None

    def _write(self, path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)

    def start(self):
        os.makedirs("/var/spool/postfix", exist_ok=True)
        self._dovecot = subprocess.Popen(
            ["dovecot", "-F", "-c", "/etc/dovecot/relay.conf"],
            stdin=subprocess.DEVNULL)
        subprocess.run(["postfix", "-c", "/etc/postfix", "start"],
                       check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while not (os.path.exists("/run/dovecot/relay-auth")
                   and self._greets()):
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)

    def _greets(self):
        try:
            with socket.create_connection(("127.0.0.1", PORT), 2) as s:
                return s.recv(100).startswith(b"220")
        except OSError:
            return False

    def stop(self):
        subprocess.run(["postfix", "-c", "/etc/postfix", "stop"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if self._dovecot:
            self._dovecot.send_signal(signal.SIGTERM)
            self._dovecot.wait(10)

    def empty(self):
        if os.path.exists(BOX):
            os.unlink(BOX)

    def box(self):
        if not os.path.exists(BOX):
            return []
        with open(BOX, "rb") as f:
            return worlds.messages(f.read())

    def has(self, n):
        try:
            return len(self.box()) == n
        except AssertionError:      # read in the middle of a write
            return False

    def log(self):
        text = ""
        for path in ("/var/log/postfix.log", "/var/log/dovecot.log"):
            if os.path.exists(path):
                with open(path, errors="replace") as f:
                    text += f.read()
        return text
