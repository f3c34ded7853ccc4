"""booted.py - a booted system as tests see it: a world with an init.

Everything here runs as root inside of boot.sh.
"""
import json
import os
import pwd
import subprocess

from world import World

UNITS = ("dma.service", "dma.socket", "dma.timer", "dma-submit.socket",
         "dma-submit.service")


class Booted(World):
    """Services of the system, users' sessions, and a journal for the log."""

    default_conf = {"MAILNAME": "host.test"}

    @classmethod
    def as_it_is(cls):
        """The system as this boot found it: nothing is reset."""
        world = cls.__new__(cls)
        world.left = ("queue",)
        world.cursor = None
        return world

    def reset(self):
        super().reset()
        self.cursor = self._cursor()
        done = self.systemctl("start", "dma.socket", "dma.timer",
                              "dma-submit.socket")
        assert done.returncode == 0, done.stderr

    def stop(self):
        self.systemctl("stop", *UNITS)
        super().stop()
        self.systemctl("reset-failed")

    def wait_quiet(self, limit=15):
        """Nothing queued; a runner that init started stays for a while."""
        self.wait_until(lambda: not self.queue(), limit, "empty queue")

    def finish(self):
        try:
            assert self.failed() == []
        finally:
            super().finish()

    def failed(self):
        """Units of ours that have failed for good."""
        return [unit for unit in UNITS
                if self.show(unit, "ActiveState") == "failed"]

    def runner(self):
        """The pid of the runner as init knows it, or 0."""
        return int(self.show("dma.service", "MainPID"))

    def wait_runner(self, other_than=0, limit=15):
        """The pid of a runner that has the lock."""
        self.wait_until(
            lambda: self.runner() not in (0, other_than) and
            self.show("dma.service", "SubState") == "running", limit,
            "another runner than %d" % other_than)
        return self.runner()

    def systemctl(self, *args, **more):
        return self.run(["systemctl", *args], **more)

    def show(self, unit, key):
        """A property of a unit, as text."""
        done = self.systemctl("show", "--value", "-p", key, unit)
        return done.stdout.decode().strip()

    # -- units ---------------------------------------------------------------

    def unit(self, name, *argv, user=None, input=b"Subject: test\n\nhello\n",
             wait=True, **properties):
        """Runs argv as a service with those properties; with wait, its exit
        status is given by the result."""
        args = ["systemd-run", "-q", "--collect", "--unit", name]
        args += ["--wait", "--pipe"] if wait else []
        if user is not None:
            properties["User"] = user
        for key, value in properties.items():
            args += ["-p", "%s=%s" % (key, value)]
        return self.run([*args, "--", *argv], input=input)

    def session(self, user, script, **more):
        """A login of that user, which is over when the script ends."""
        return self.run(["runuser", "-l", user, "-c", script], **more)

    def user_unit(self, user, name, script, wait=True):
        """A service of the user's own manager, in a cgroup of that user."""
        uid = pwd.getpwnam(user).pw_uid
        self.run(["loginctl", "enable-linger", user])
        bus = "/run/user/%d/bus" % uid
        self.wait_until(lambda: os.path.exists(bus), what=bus)
        done = self.session(user, "XDG_RUNTIME_DIR=/run/user/%d exec "
                            "systemd-run --user -q --collect %s -u %s "
                            "sh -c '%s'" % (uid, "--wait" if wait else "",
                                            name, script))
        assert done.returncode == 0, done.stderr
        return "/sys/fs/cgroup/user.slice/user-%d.slice/user@%d.service/" \
            "app.slice/%s.service" % (uid, uid, name)

    def cron(self, job):
        """Has cron run the job at once, as it does at a boot."""
        path = "/etc/cron.d/test"
        self._fresh(path, "MAILTO=bob\n@reboot %s\n" % job, 0o644)
        os.unlink("/run/crond.reboot")
        self.systemctl("restart", "cron")
        message, = self.wait_mail("bob")
        os.unlink(path)
        return message

    # -- the log --------------------------------------------------------------

    def _cursor(self):
        done = subprocess.run(["journalctl", "-n0", "--show-cursor", "-q"],
                              stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().rpartition("cursor: ")[2].strip()

    def journal(self, **fields):
        """What was logged since the test began, as dicts, with that in their
        fields.  (With a match, --after-cursor skips an entry too many.)"""
        subprocess.run(["journalctl", "--sync"], check=True)
        since = ["--after-cursor", self.cursor] if self.cursor else ["-b"]
        done = subprocess.run(["journalctl", "-q", "-o", "json", *since],
                              stdout=subprocess.PIPE, check=True)
        entries = map(json.loads, done.stdout.splitlines())
        return [entry for entry in entries
                if fields.items() <= entry.items()]

    def log(self):
        return "".join("%s\n" % entry["MESSAGE"]
                       for entry in self.journal(SYSLOG_IDENTIFIER="dma"))

    def units_of(self, *words):
        """The units under which lines with these words were logged."""
        return [entry.get("_SYSTEMD_UNIT")
                for entry in self.journal(SYSLOG_IDENTIFIER="dma")
                if all(word in entry["MESSAGE"] for word in words)]
