"""smtp_clients.py - real programs that send mail to dma-smtpd: a Postfix and an
OpenSMTPD that relay, and a real HAProxy before it."""
import os
import pwd
import shutil
import signal
import smtplib
import subprocess
import time

import relay

QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
         "stderr": subprocess.DEVNULL}

POSTFIX = """compatibility_level = 3.6
myhostname = postfix.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mail_owner = postfix
setgid_group = postdrop
queue_directory = /var/spool/postfix-relay
data_directory = /var/lib/postfix-relay
maillog_file = /var/log/postfix-relay.log
relayhost = [127.0.0.1]:%(port)d
smtp_tls_security_level = %(tls)s
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_limit = 2000
smtputf8_enable = yes
"""

OPENSMTPD = """listen on 127.0.0.1 port %(own)d hostname opensmtpd.test
action out relay host %(scheme)s://127.0.0.1:%(port)d helo opensmtpd.test%(tls)s
match from any for any action out
"""

HAPROXY = """defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
listen intake
  bind 127.0.0.1:%(own)d
  server intake 127.0.0.1:%(port)d source 127.0.0.9 %(how)s check inter 100ms
"""


def greets(port):
    try:
        return smtplib.SMTP("127.0.0.1", port, timeout=5).noop()[0] == 250
    except (OSError, smtplib.SMTPException):
        return False


def wait_until(condition, what, limit=60):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


class Relay:
    """A mail agent that relays all it gets at own to port."""
    def send(self, sender, recipients, text, options=(), rcpt_options=()):
        with smtplib.SMTP("127.0.0.1", self.own, timeout=60) as s:
            s.sendmail(sender, recipients, text, options, rcpt_options)

    def __enter__(self):
        self.start()
        wait_until(lambda: greets(self.own), "greeting of the relay")
        return self

    def __exit__(self, *_):
        self.stop()


class Postfix(Relay):
    def __init__(self, own, port, tls="none"):
        self.own = own
        self._conf = "/etc/postfix-relay"
        owner = pwd.getpwnam("postfix")
        for path in (self._conf, "/var/spool/postfix-relay",
                     "/var/lib/postfix-relay"):
            shutil.rmtree(path, ignore_errors=True)
            os.makedirs(path)
        os.chown("/var/lib/postfix-relay", owner.pw_uid, owner.pw_gid)
        with open(self._conf + "/main.cf", "w") as f:
            f.write(POSTFIX % {"port": port, "tls": tls})
        with open(self._conf + "/master.cf", "w") as f:
            f.write(relay.MASTER % ("127.0.0.1:%d" % own))

    def start(self):
        subprocess.run(["postfix", "-c", self._conf, "start"], check=True,
                       **QUIET)

    def stop(self):
        subprocess.run(["postfix", "-c", self._conf, "stop"], **QUIET)

    def is_empty(self):
        return not any(
            files for folder in ("maildrop", "incoming", "active", "deferred")
            for _, _, files in os.walk("/var/spool/postfix-relay/" + folder))


class OpenSMTPD(Relay):
    def __init__(self, own, port, tls=False):
        self.own = own
        for name in ("opensmtpd", "opensmtpq"):
            try:
                pwd.getpwnam(name)
            except KeyError:
                subprocess.run(["useradd", "-r", "-U", "-M", "-d",
                                "/var/lib/opensmtpd/empty", "-s",
                                "/usr/sbin/nologin", name], check=True)
        queue = pwd.getpwnam("opensmtpq")
        os.makedirs("/var/lib/opensmtpd/empty", exist_ok=True)
        shutil.rmtree("/var/spool/smtpd", ignore_errors=True)
        os.mkdir("/var/spool/smtpd", 0o711)
        for name in ("queue", "corrupt", "incoming", "purge", "temporary"):
            os.mkdir("/var/spool/smtpd/" + name, 0o700)
            os.chown("/var/spool/smtpd/" + name, queue.pw_uid, 0)
        os.mkdir("/var/spool/smtpd/offline")
        os.chmod("/var/spool/smtpd/offline", 0o770)
        os.chown("/var/spool/smtpd/offline", 0, queue.pw_gid)
        os.chown("/usr/sbin/smtpctl", 0, queue.pw_gid)
        os.chmod("/usr/sbin/smtpctl", 0o2555)
        with open("/etc/smtpd-relay.conf", "w") as f:
            f.write(OPENSMTPD % {
                "own": own, "port": port, "tls": " tls no-verify" if tls
                else "", "scheme": "smtp+tls" if tls
                    else "smtp+notls"})
        os.chmod("/etc/smtpd-relay.conf", 0o600)
        self._process = None

    def start(self):
        with open("/var/log/opensmtpd.log", "ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd-relay.conf"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def is_empty(self):
        return not any(files for _, _, files in os.walk(
            "/var/spool/smtpd/queue"))


class HAProxy:
    """how: "send-proxy" or "send-proxy-v2"."""
    def __init__(self, own, port, how):
        self.own = own
        self._conf = "/etc/haproxy-intake.cfg"
        with open(self._conf, "w") as f:
            f.write(HAPROXY % {"own": own, "port": port, "how": how})

    def __enter__(self):
        self._process = subprocess.Popen(["haproxy", "-db", "-f", self._conf],
                                         **QUIET)
        wait_until(lambda: greets(self.own), "HAProxy")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)
