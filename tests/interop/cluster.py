"""cluster.py - some real Postfix instances that are one relay together, and a
real HAProxy that can stand before them.

Each has an address, a queue and a mailbox of its own; all mail that it takes
goes into that mailbox.  One can be killed with all its processes, and started
again: then it delivers what it had taken.
"""
import glob
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time

from relay import MASTER

PORT = 2525

MAIN = """compatibility_level = 3.6
myhostname = %(name)s.cluster.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mail_owner = postfix
setgid_group = postdrop
queue_directory = /var/spool/postfix-%(name)s
data_directory = /var/lib/postfix-%(name)s
maillog_file = /var/log/postfix-%(name)s.log
virtual_mailbox_domains = far.test
virtual_mailbox_base = %(folder)s
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""

HAPROXY = """defaults
  mode tcp
  timeout connect 2s
  timeout client 1m
  timeout server 1m
  option redispatch
  retries 3
listen relays
  bind 127.0.0.1:%d
  balance roundrobin
  default-server check inter 200 fall 1 rise 1
"""


def wait_until(condition, what, limit=30):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def greets(host, port):
    try:
        with socket.create_connection((host, port), 2) as s:
            return s.recv(100).startswith(b"220")
    except OSError:
        return False


class Postfix:
    def __init__(self, name, host):
        self.name, self.host = name, host
        self.folder = "/var/relay-" + name
        self._conf = "/etc/postfix-" + name
        who = pwd.getpwnam("nobody")
        owner = pwd.getpwnam("postfix")
        for path in (self.folder, self._conf, "/var/spool/postfix-" + name,
                     "/var/lib/postfix-" + name):
            os.makedirs(path)
        os.chown(self.folder, who.pw_uid, who.pw_gid)
        os.chown("/var/lib/postfix-" + name, owner.pw_uid, owner.pw_gid)
        with open(self._conf + "/main.cf", "w") as f:
            f.write(MAIN % {"name": name, "host": host, "uid": who.pw_uid,
                            "gid": who.pw_gid, "folder": self.folder})
        with open(self._conf + "/master.cf", "w") as f:
            f.write(MASTER % ("%s:%d" % (host, PORT)))

    def _postfix(self, verb, check=True):
        subprocess.run(["postfix", "-c", self._conf, verb], check=check,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def start(self):
        self._postfix("start")
        wait_until(lambda: greets(self.host, PORT), "greeting of " + self.name)

    def stop(self):
        self._postfix("stop", check=False)

    def kill(self):
        """The master and all that it has started, in the midst of it."""
        with open("/var/spool/postfix-%s/pid/master.pid" % self.name) as f:
            master = int(f.read())
        os.kill(master, signal.SIGSTOP)     # or it would start others
        for pid in [master] + self._children(master):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:      # it ended by itself
                pass
        wait_until(lambda: not greets(self.host, PORT),
                   "the end of " + self.name)

    def _children(self, parent):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/status" % pid) as f:
                    if "\nPPid:\t%d\n" % parent in f.read():
                        found.append(int(pid))
            except OSError:
                continue
        return found

    def flush(self):
        self._postfix("flush", check=False)

    def ids(self):
        """Message-IDs of what it took, each time that it did: a message that
        is there twice by its own doing has the same queue id."""
        found = set()
        for path in glob.glob(self.folder + "/box/new/*"):
            with open(path, encoding="utf-8") as f:
                head = f.read().partition("\n\n")[0]
            found.add((re.search(r"(?m)^Message-ID: (.*)$", head).group(1),
                       re.search(r"\bid (\w+)", head).group(1)))
        return [message for message, _ in found]

    def empty(self):
        shutil.rmtree(self.folder + "/box", ignore_errors=True)

    def is_empty(self):
        """Nothing that it has taken waits; what it was still writing when it
        was killed has not the mode of a whole file."""
        for folder in ("incoming", "active", "deferred"):
            for path, _, files in os.walk("/var/spool/postfix-%s/%s" % (
                    self.name, folder)):
                if any(self._is_whole(os.path.join(path, x)) for x in files):
                    return False
        return True

    def _is_whole(self, path):
        try:
            return os.stat(path).st_mode & 0o100
        except FileNotFoundError:
            return False


class HAProxy:
    def __init__(self, port, members):
        self.port = port
        self._conf = "/etc/haproxy-test.cfg"
        with open(self._conf, "w") as f:
            f.write(HAPROXY % port + "".join(
                "  server %s %s:%d\n" % (m.name, m.host, PORT)
                for m in members))
        self._process = None

    def start(self):
        self._process = subprocess.Popen(
            ["haproxy", "-db", "-f", self._conf], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: greets("127.0.0.1", self.port), "HAProxy")

    def stop(self):
        self._process.terminate()
        self._process.wait(20)
