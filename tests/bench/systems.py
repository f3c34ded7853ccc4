"""systems.py - how each mail program is set up, called and looked at.

All of it happens in a throw-away world of its own (tests/system/world.sh), so
the paths are the real ones and nobody else's.
"""
import os
import pwd
import grp
import shutil
import subprocess
import time

SENDER = "alice@host.test"
REMOTE = "bench@smart.test"
PORT = 2525                     # of the proxy, as clients see it
LOGIN, PASSWORD = "bench", "secret"
BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                     "build", "bench")
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL,
         "stderr": subprocess.DEVNULL}


class Trouble(Exception):
    """Why there is no figure."""


def tool(name):
    return os.path.realpath(os.path.join(BUILD, name))


def write(path, text, mode=0o644, uid=0, gid=0):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    with open(path, "w") as f:
        f.write(text)
    os.chown(path, uid, gid)
    os.chmod(path, mode)
    # Postfix waits for a file that was just changed to "cool down".
    os.utime(path, (time.time() - 3600,) * 2)


def folder(path, mode, user="root", group="root"):
    if not os.path.exists(path):
        os.makedirs(path)
    os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid)
    os.chmod(path, mode)


def system_user(name, home):
    """Unless the machine has it."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        subprocess.run(["useradd", "-r", "-U", "-M", "-d", home, "-s",
                        "/usr/sbin/nologin", name], check=True, **QUIET)


def files_below(*paths):
    return sum(len(files) for path in paths
               for _, _, files in os.walk(path))


class System:
    """A scenario is "submit", "local", "remote" (a relay with STARTTLS and
    AUTH), "plain" (one without) or "direct" (no relay)."""
    folders = ()                # where it keeps what is queued
    daemons = ()                # Popen objects, ours to end
    is_daemon = False           # stays when all is delivered
    log = "/tmp/system.log"     # what it said, if anything
    rights = ("root", "root")   # as whom its instructions are counted

    def __init__(self, world):
        self.world = world      # .ca: path of the certification authority

    def install(self):
        """Once for each world."""

    def configure(self, scenario):
        """Before each measurement; the queue is empty then."""

    def program(self):
        return "/usr/sbin/sendmail"

    def command(self, recipients):
        return [self.program(), "-i", "-f", SENDER, *recipients]

    def start(self):
        """Daemons, where it needs them to deliver."""

    def stop(self):
        """Ends them."""

    def flush(self):
        """What has it send now all that is queued; start() comes before."""
        return ["/usr/sbin/sendmail", "-q"]

    def queued(self):
        return files_below(*self.folders)

    def stored_bytes(self):
        return sum(os.path.getsize(os.path.join(base, name))
                   for path in self.folders
                   for base, _, files in os.walk(path) for name in files)

    def last_words(self):
        try:
            with open(self.log, errors="replace") as f:
                return f.read()[-300:]
        except FileNotFoundError:
            return ""

    def clear(self):
        for path in self.folders:
            for base, _, files in os.walk(path):
                for name in files:
                    os.unlink(os.path.join(base, name))


def write_logins(scenario, group):
    """auth.conf of both dma; a relay without AUTH has no login."""
    write("/etc/dma/auth.conf", "" if scenario == "plain" else
          "%s|smart.test:%s\n" % (LOGIN, PASSWORD), 0o640, 0,
          grp.getgrnam(group).gr_gid)


class Ours(System):
    folders = tuple("/var/spool/dma/" + x
                    for x in ("queue", "tmp", "corrupt", "dead"))

    def configure(self, scenario):
        text = "MAILNAME host.test\n"
        if scenario == "submit":
            text += "DEFER\n"
        if scenario == "remote":
            text += "SMARTHOST smart.test:%d\nCAFILE %s\n" % (
                PORT, self.world.ca)
        if scenario == "plain":
            text += "SMARTHOST smart.test:%d\n" % PORT
        write("/etc/dma/dma.conf", text)
        write_logins(scenario, "_dma")


class Upstream(System):
    folders = ("/var/spool/dma",)
    rights = ("alice", "mail")  # it is set-gid

    def install(self):
        folder("/var/spool/dma", 0o2770, "root", "mail")

    def configure(self, scenario):
        text = "MAILNAME host.test\nAUTHPATH /etc/dma/auth.conf\n"
        if scenario == "submit":
            text += "DEFER\n"
        if scenario == "remote":
            text += ("SMARTHOST smart.test\nPORT %d\nSECURETRANSFER\n"
                     "STARTTLS\n" % PORT)
        if scenario == "plain":
            text += "SMARTHOST smart.test\nPORT %d\n" % PORT
        write("/etc/dma/dma.conf", text, 0o644)
        write_logins(scenario, "mail")

    def queued(self):
        return sum(1 for x in os.listdir("/var/spool/dma") if x[0] in "MQt")


class Nullmailer(System):
    folders = ("/var/spool/nullmailer/queue", "/var/spool/nullmailer/tmp",
               "/var/spool/nullmailer/failed")
    is_daemon = True

    def install(self):
        folder("/var/spool/nullmailer", 0o755, "mail")
        for path in self.folders:
            folder(path, 0o750, "mail")
        trigger = "/var/spool/nullmailer/trigger"
        os.mkfifo(trigger)
        os.chown(trigger, pwd.getpwnam("mail").pw_uid, 0)
        os.chmod(trigger, 0o622)
        for name, text in (("me", "host.test"), ("defaultdomain", "test"),
                           ("defaulthost", "host.test"), ("adminaddr", "")):
            write("/etc/nullmailer/" + name, text + "\n")

    def configure(self, scenario):
        self.scenario = scenario
        mail = pwd.getpwnam("mail")
        words = "--starttls --user=%s --pass=%s --x509cafile=%s" % (
            LOGIN, PASSWORD, self.world.ca)
        write("/etc/nullmailer/remotes", "smart.test smtp --port=%d %s\n" % (
            PORT, "" if scenario == "plain" else words),
            0o600, mail.pw_uid, mail.pw_gid)

    def start(self):
        if self.scenario == "submit":
            return
        mail = pwd.getpwnam("mail")
        self.daemons = [subprocess.Popen(
            ["/usr/sbin/nullmailer-send"], user=mail.pw_uid,
            group=mail.pw_gid, extra_groups=[], stdin=subprocess.DEVNULL,
            stdout=open(self.log, "wb"), stderr=subprocess.STDOUT)]
        time.sleep(0.1)

    def flush(self):
        return ["true"]         # its start

    def stop(self):
        for daemon in self.daemons:
            daemon.terminate()
        self.daemons = ()


class Msmtp(System):
    """No queue: the caller waits for the server."""
    def configure(self, scenario):
        user = pwd.getpwnam("alice")
        write("/home/alice/.msmtprc",
              "account default\nhost smart.test\nport %d\ntls on\n"
              "tls_starttls on\ntls_trust_file %s\nauth plain\nuser %s\n"
              "password %s\ndomain host.test\n" % (
                  PORT, self.world.ca, LOGIN, PASSWORD),
              0o600, user.pw_uid, user.pw_gid)

    def command(self, recipients):
        return ["/usr/bin/msmtp", "-f", SENDER, "--", *recipients]


class Postfix(System):
    folders = tuple("/var/spool/postfix/" + x for x in
                    ("maildrop", "incoming", "active", "deferred", "hold",
                     "corrupt", "bounce", "defer"))
    is_daemon = True
    running = False

    def install(self):
        subprocess.run(["groupadd", "-f", "-r", "postdrop"], check=True,
                       **QUIET)
        system_user("postfix", "/var/spool/postfix")
        shared = "/usr/share/postfix/"
        for name in ("dynamicmaps.cf", "makedefs.out"):
            # Where the machine has Postfix, one is a link to the other.
            target = "/etc/postfix/" + name
            if os.path.lexists(target):
                os.unlink(target)
            if os.path.exists(shared + name):
                shutil.copy(shared + name, target)
        with open(shared + "master.cf.dist") as f:
            lines = [x for x in f.read().splitlines()
                     if not x.startswith(("#", "smtp      inet"))]
        # Nothing in a chroot: its files would have to be copied there.
        table = []
        for line in lines:
            words = line.split(None, 7)
            if len(words) == 8 and not line[0].isspace():
                words[4] = "n"
                line = "\t".join(words)
            table.append(line)
        write("/etc/postfix/master.cf", "\n".join(table) + "\n")
        write("/etc/postfix/sasl_passwd", "[smart.test]:%d %s:%s\n" % (
            PORT, LOGIN, PASSWORD), 0o600)
        self.configure("submit")
        folder("/var/lib/postfix", 0o755, "postfix")
        folder("/var/spool/postfix", 0o755)
        # It misses some files that only the installation makes.
        subprocess.run(
            ["/usr/sbin/postfix", "set-permissions", "create-missing"],
            **QUIET)
        folder("/var/spool/postfix/maildrop", 0o1730, "postfix", "postdrop")
        folder("/var/spool/postfix/public", 0o2710, "postfix", "postdrop")
        for name in ("postdrop", "postqueue"):
            folder("/usr/sbin/" + name, 0o2555, "root", "postdrop")

    def configure(self, scenario):
        self.scenario = scenario
        text = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = /var/lib/postfix
shlib_directory = /usr/lib/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = host.test
myorigin = host.test
mydestination = host.test
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
alias_database =
biff = no
mailbox_size_limit = 0
mail_spool_directory = /var/mail
smtp_host_lookup = native
smtp_dns_support_level = disabled
"""
        if scenario == "remote":
            text += """relayhost = [smart.test]:%d
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:/etc/postfix/sasl_passwd
smtp_sasl_security_options = noanonymous
smtp_sasl_tls_security_options = noanonymous
smtp_tls_security_level = secure
smtp_tls_CAfile = %s
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
""" % (PORT, self.world.ca)
        write("/etc/postfix/main.cf", text)

    def start(self):
        if self.scenario == "submit":
            return
        subprocess.run(["/usr/sbin/postfix", "start"], check=True, **QUIET)
        self.running = True
        time.sleep(0.3)

    def flush(self):
        return ["true"]         # its start

    def stop(self):
        if self.running:
            subprocess.run(["/usr/sbin/postfix", "stop"], **QUIET)
        self.running = False


class Opensmtpd(System):
    folders = tuple("/var/spool/smtpd/" + x for x in
                    ("queue", "incoming", "offline", "corrupt"))
    is_daemon = True

    def install(self):
        for name in ("opensmtpd", "opensmtpq"):
            system_user(name, "/var/lib/opensmtpd/empty")
        folder("/usr/sbin/smtpctl", 0o2555, "root", "opensmtpq")
        folder("/var/spool/smtpd", 0o711)
        for name in ("queue", "corrupt", "incoming", "purge", "temporary"):
            folder("/var/spool/smtpd/" + name, 0o700, "opensmtpq")
        folder("/var/spool/smtpd/offline", 0o770, "root", "opensmtpq")
        write("/etc/smtpd.secrets", "bench %s:%s\n" % (LOGIN, PASSWORD),
              0o640, 0, grp.getgrnam("opensmtpd").gr_gid)
        write("/etc/aliases", "")

    def configure(self, scenario):
        self.scenario = scenario
        action = "mbox"
        if scenario == "remote":
            # It has no way to name another authority.
            action = ("relay host smtp+tls://bench@smart.test:%d "
                      "auth <secrets> tls no-verify" % PORT)
        write("/etc/smtpd.conf", "table secrets file:/etc/smtpd.secrets\n"
              "listen on socket\naction out %s\n"
              "match from any for any action out\n" % action, 0o600)

    def start(self):
        if self.scenario == "submit":
            return
        self.daemons = [subprocess.Popen(["/usr/sbin/smtpd", "-d"],
                                         stdin=subprocess.DEVNULL,
                                         stdout=open(self.log, "wb"),
                                         stderr=subprocess.STDOUT)]
        end = time.monotonic() + 5
        while time.monotonic() < end and subprocess.run(
                ["smtpctl", "show", "status"], **QUIET).returncode:
            time.sleep(0.05)

    def flush(self):
        return ["true"]         # its start

    def stop(self):
        for daemon in self.daemons:
            daemon.terminate()
        self.daemons = ()


class Exim(System):
    folders = ("/var/spool/exim4/input", "/var/spool/exim4/msglog")

    def install(self):
        system_user("Debian-exim", "/var/spool/exim4")
        for path in ("/var/spool/exim4", "/var/log/exim4"):
            folder(path, 0o750, "Debian-exim", "Debian-exim")
        os.chmod("/usr/sbin/exim4", 0o4755)
        if not os.path.lexists("/usr/sbin/sendmail"):
            os.symlink("exim4", "/usr/sbin/sendmail")

    def configure(self, scenario):
        write("/etc/exim4/exim4.conf", """primary_hostname = host.test
qualify_domain = host.test
local_interfaces = <; 127.0.0.1
trusted_users = alice
queue_list_requires_admin = false
split_spool_directory = true
log_file_path = /var/log/exim4/%%slog
%s
begin routers
local:
  driver = accept
  domains = host.test
  check_local_user
  transport = mailbox
relay:
  driver = manualroute
  route_list = * smart.test byname
  self = send
  transport = relay
begin transports
mailbox:
  driver = appendfile
  file = /var/mail/$local_part
  create_file = anywhere
relay:
  driver = smtp
  port = %d
  hosts_require_auth = *
  hosts_require_tls = *
  tls_verify_certificates = %s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^%s^%s
begin retry
* * F,1h,1m
""" % ("queue_only" if scenario == "submit" else "", PORT, self.world.ca,
       LOGIN, PASSWORD))

    def program(self):
        return "/usr/sbin/exim4"

    def flush(self):
        return ["/usr/sbin/exim4", "-qff"]

    def queued(self):
        return sum(name.endswith("-H") for path in self.folders
                   for _, _, files in os.walk(path) for name in files)


class Limit(System):
    """The floor: a few lines of C that do only what is necessary."""
    folders = ("/var/spool/limit",)
    single = "/usr/local/sbin/limit_submit"

    def install(self):
        folder("/var/spool/limit", 0o700, "bin", "bin")
        shutil.copy(tool("limit_submit"), self.single)
        os.chmod(self.single, 0o4755)

    def command(self, recipients):
        return [self.single, "/var/spool/limit"]


class Sink(System):
    """smtp-sink of the Postfix package; only takes mail: see intake.py."""


SYSTEMS = {"ours": Ours, "dma": Upstream, "nullmailer": Nullmailer,
           "msmtp": Msmtp, "postfix": Postfix, "opensmtpd": Opensmtpd,
           "exim": Exim, "limit": Limit, "smtp-sink": Sink}
