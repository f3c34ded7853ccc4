"""Logins at a real submission server: Dovecot's, with each mechanism that it
has.  What it accepts goes on to a scripted peer, which stores it."""
import json
import os
import re
import signal
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import pytest

import smtp_peer
from test_login import client_certificate, secret_file

USER, PASSWORD = "ann", "s3cret word"
PORT = 10588
BEYOND = "gr\u00fc\u00df e\u20ac \u65e5"      # beyond ASCII, composed
TOKENS = {"good-token": USER, "other-token": "bob"}

CONF = """base_dir = /run/submission
log_path = /var/log/submission.log
auth_verbose = yes
protocols = submission
ssl = required
ssl_cert = <%(cert)s
ssl_key = <%(cert)s
ssl_ca = <%(ca)s
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_username_from_cert = yes
auth_failure_delay = 0
auth_mechanisms = external oauthbearer xoauth2 scram-sha-256 scram-sha-1 \\
  cram-md5 plain login
mail_location = maildir:/tmp/submission
submission_relay_host = 127.0.0.1
submission_relay_port = %(backend)d
hostname = smart.test
passdb {
  driver = static
  mechanisms = external
  args = nopassword=y
}
passdb {
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = /etc/dovecot/oauth2.conf
}
passdb {
  driver = passwd-file
  args = scheme=PLAIN /etc/submission-users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/tmp
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service submission-login {
  inet_listener submission {
    address = 127.0.0.1
    port = %(port)d
  }
}
"""

OAUTH2 = """introspection_url = http://127.0.0.1:%d/introspect
introspection_mode = post
username_attribute = username
active_attribute = active
active_value = true
"""


class Tokens(BaseHTTPRequestHandler):
    """RFC 7662: whose token is this?"""
    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"]))
        user = TOKENS.get(parse_qs(text.decode()).get("token", [""])[0])
        answer = json.dumps({"active": "true" if user else "false",
                             "username": user or ""}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def greets():
    try:
        with socket.create_connection(("127.0.0.1", PORT), 2) as s:
            return s.recv(100).startswith(b"220")
    except OSError:
        return False


class Server:
    def __init__(self, certs):
        self.backend = smtp_peer.Peer(smtp_peer.Script())
        self.tokens = HTTPServer(("127.0.0.1", 0), Tokens)
        threading.Thread(target=self.tokens.serve_forever,
                         daemon=True).start()
        write("/etc/dovecot/submission.conf", CONF % {
            "cert": certs["smart"], "ca": certs["ca"], "port": PORT,
            "backend": self.backend.port})
        write("/etc/dovecot/oauth2.conf", OAUTH2 % self.tokens.server_port)
        write("/etc/submission-users", "%s:{PLAIN}%s\nbob:{PLAIN}b0b\n"
              "zoe:{PLAIN}%s\n" % (USER, PASSWORD, BEYOND))
        self.process = subprocess.Popen(
            ["dovecot", "-F", "-c", "/etc/dovecot/submission.conf"],
            stdin=subprocess.DEVNULL, start_new_session=True)

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(20)
        self.tokens.shutdown()
        self.backend.close()

    def log(self):
        with open("/var/log/submission.log", errors="replace") as f:
            return f.read()

    def logins(self, before=""):
        """(user, mechanism) of those that were let in."""
        return re.findall(r"Login: user=<([^>]*)>, method=([\w-]*)",
                          self.log()[len(before):], re.I)


@pytest.fixture(scope="module")
def server(certs):
    s = Server(certs)
    yield s
    s.stop()


@pytest.fixture
def site(world, server, certs):
    world.wait_until(greets, 20, "Dovecot's greeting")
    del server.backend.connections[:]
    server.before = server.log()

    def configure(auth, **keys):
        world.write_conf({"SMARTHOST": "smart.test:%d" % PORT,
                          "CAFILE": certs["ca"], **keys})
        world.write_auth(auth)
    world.configure = configure
    return world


def goes(site, server, user, mechanism):
    site.send("far@far.test")
    site.wait_quiet()
    assert len(server.backend.taken) == 1
    assert server.logins(server.before) == [(user, mechanism)]


def waits(site, server, words):
    """One try a flush, and the words of the server in log and mailq."""
    site.leaves("queue")
    for i in range(3):
        site.send("-odq", "u%d@far.test" % i)
    site.flush()
    assert len(site.queue()) == 3 and server.backend.taken == []
    # An id may hold the number, too.
    site.wait_until(lambda: site.mailq().count("said: " + words) == 3)
    assert len(site.log_lines("login refused", words)) == 1
    assert server.logins(server.before) == []


@pytest.mark.parametrize("mechanism", ("SCRAM-SHA-256", "SCRAM-SHA-1",
                                       "CRAM-MD5", "PLAIN", "LOGIN"))
def test_password(site, server, mechanism):
    site.configure("%s|smart.test:%s\n" % (USER, PASSWORD),
                   AUTH_MECHS=mechanism)
    goes(site, server, USER, mechanism)


@pytest.mark.parametrize("mechanism", ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN",
                                       "LOGIN"))
def test_wrong_password(site, server, mechanism):
    site.configure("%s|smart.test:%s not\n" % (USER, PASSWORD),
                   AUTH_MECHS=mechanism)
    waits(site, server, "535")
    for text in (site.log(), site.mailq()):
        assert PASSWORD not in text


@pytest.mark.parametrize("mechanism", ("SCRAM-SHA-256", "PLAIN"))
def test_password_beyond_ascii(site, server, mechanism):
    """Also one that has a mark which SCRAM leaves out."""
    site.configure("zoe|smart.test:%s\n" % BEYOND.replace("e", "e\u00ad")
                   if mechanism != "PLAIN" else
                   "zoe|smart.test:%s\n" % BEYOND, AUTH_MECHS=mechanism)
    site.send("far@far.test")
    site.wait_quiet()
    assert len(server.backend.taken) == 1
    assert len(server.logins(server.before)) == 1


@pytest.mark.parametrize("mechanism", ("OAUTHBEARER", "XOAUTH2"))
def test_token(site, server, mechanism):
    site.configure("host smart.test user %s token-file %s\n" % (
        USER, secret_file("good-token\n")), AUTH_MECHS=mechanism)
    goes(site, server, USER, mechanism)


@pytest.mark.parametrize("token", ("gone-token", "other-token"))
@pytest.mark.parametrize("mechanism", ("OAUTHBEARER", "XOAUTH2"))
def test_wrong_token(site, server, mechanism, token):
    site.configure("host smart.test user %s token %s\n" % (USER, token),
                   AUTH_MECHS=mechanism)
    waits(site, server, "535")
    assert token not in site.log() + site.mailq()


def test_token_that_ran_out_is_fetched_anew(site, server):
    script = "/usr/local/bin/token"
    write("/etc/dma/now", "gone-token\n")
    write(script, "#!/bin/sh\ncat /etc/dma/now\n", 0o755)
    site.configure('host smart.test user %s token-command "%s"\n'
                   % (USER, script))
    site.leaves("queue")
    site.send("far@far.test")
    site.wait_tried("far@far.test")
    write("/etc/dma/now", "good-token\n")
    site.flush()
    site.wait_quiet()
    assert len(server.backend.taken) == 1
    assert len(server.logins(server.before)) == 1


def test_certificate(site, server, certs):
    site.configure("host smart.test external\n",
                   CERTFILE=client_certificate(certs))
    goes(site, server, "client.test", "EXTERNAL")


def test_two_accounts(site, server):
    site.configure("%s|smart.test:%s\nbob|smart.test:b0b\n"
                   % (USER, PASSWORD), SENDER_RELAY="/etc/dma/senders")
    write("/etc/dma/senders", "@corp.test smart.test:%d user %s\n"
          % (PORT, USER))
    site.send("-f", "x@corp.test", "far@far.test")
    site.send("far@far.test")
    site.wait_quiet()
    assert sorted(server.logins(server.before)) == [
        (USER, "SCRAM-SHA-256"), ("bob", "SCRAM-SHA-256")]
    assert len(server.backend.taken) == 2
