"""resolver.py - a real unbound that validates: signed zones and a broken one.

Zones are written as text, signed by ldns, and served by unbound itself as if
it had them from other name servers; it trusts the key of each one that is
signed.  Listens at 127.0.0.1:53.
"""
import os
import signal
import socket
import subprocess
import time

CONF = """server:
  username: "unbound"
  chroot: ""
  directory: "%(folder)s"
  pidfile: ""
  use-syslog: no
  logfile: ""
  interface: 127.0.0.1
  do-not-query-localhost: no
  module-config: "validator iterator"
  val-log-level: 2
  local-zone: "test." nodefault
%(anchors)s
%(zones)s
remote-control:
  control-enable: no
"""

ZONE = """auth-zone:
  name: "%s."
  zonefile: "%s"
  for-upstream: yes
  for-downstream: no
  fallback-enabled: no
"""

HEAD = """$ORIGIN %s.
$TTL 60
@ SOA ns.%s. root.%s. 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
"""


class Resolver:
    """Zones: name -> text of records; which are signed, and which of those
    are spoilt afterwards by (old, new) in the signed text."""

    def __init__(self, folder):
        self.folder = folder
        self._anchors, self._zones = [], []
        self._process = None

    def add(self, zone, records, signed=True, spoil=None):
        path = os.path.join(self.folder, zone)
        with open(path, "w") as f:
            f.write(HEAD % (zone, zone, zone) + records)
        if signed:
            key = self._run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k",
                            zone)
            self._run("ldns-signzone", path, key)
            path += ".signed"
            self._anchors.append('  trust-anchor-file: "%s.key"'
                                 % os.path.join(self.folder, key))
        if spoil:
            with open(path) as f:
                text = f.read()
            assert spoil[0] in text, text
            with open(path, "w") as f:
                f.write(text.replace(*spoil))
        self._zones.append(ZONE % (zone, path))

    def _run(self, *argv):
        done = subprocess.run(argv, cwd=self.folder, check=True, text=True,
                              stdout=subprocess.PIPE)
        return done.stdout.strip()

    def start(self):
        path = os.path.join(self.folder, "unbound.conf")
        with open(path, "w") as f:
            f.write(CONF % {"folder": self.folder,
                            "anchors": "\n".join(self._anchors),
                            "zones": "".join(self._zones)})
        os.chmod(self.folder, 0o755)
        with open(os.path.join(self.folder, "log"), "w") as log:
            self._process = subprocess.Popen(
                ["unbound", "-d", "-c", path], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)
        end = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", 53), 2):
                return True
        except OSError:
            return False

    def stop(self):
        if self._process:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)

    def log(self):
        with open(os.path.join(self.folder, "log")) as f:
            return f.read()
