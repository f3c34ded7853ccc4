"""TLS and AUTH: nothing secret in the clear, trouble is never the mail's."""
import base64
import grp
import os
import re
import shutil
import ssl
import subprocess

import pytest

import world as worlds
from smtp_peer import Script

USER, PASSWORD = "relay-user", "s3cret|pass:word"
SECRETS = (USER.encode(), PASSWORD.encode(),
           base64.b64encode(PASSWORD.encode()),
           base64.b64encode(USER.encode()),
           base64.b64encode(b"\0%s\0%s" % (USER.encode(), PASSWORD.encode())))


def login(**more):
    return Script(**{**dict(tls="starttls", auth=("CRAM-MD5",), user=USER,
                            password=PASSWORD, require_auth=True), **more})


def configure(world, certs, p, auth=True, **keys):
    world.smarthost(p, **{"CAFILE": certs["ca"], **keys})
    if auth:
        world.write_auth("%s|smart.test:%s\n" % (USER, PASSWORD))


def no_secret_anywhere(world, p):
    texts = [world.log().encode(), world.mailq().encode(), p.clear]
    texts += [x.raw for u in ("alice", "root") for x in world.mailbox(u)]
    for secret in SECRETS:
        for text in texts:
            assert secret not in text


def deferred(world, p, words=None):
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_tried("ann@far.test")
    assert len(world.queue()) == 1
    assert p.taken == []
    assert world.mailbox("alice") == []
    if words:
        assert re.search(words, world.mailq(), re.I), world.mailq()
    no_secret_anywhere(world, p)


@pytest.mark.parametrize("mechanism", ("SCRAM-SHA-256", "SCRAM-SHA-1",
                                       "CRAM-MD5", "PLAIN", "LOGIN"))
@pytest.mark.parametrize("tls", ("starttls", "implicit"))
def test_login_over_tls(world, peer, certs, mechanism, tls):
    p = peer(login(tls=tls, auth=(mechanism,), certificate=certs["smart"]))
    if tls == "implicit":
        configure(world, certs, p, SECURETRANSFER="")
    else:
        configure(world, certs, p, SECURETRANSFER="", STARTTLS="")
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [(mechanism, USER, True)]
    assert len(p.taken) == 1 and p.handshakes == 1
    assert p.connections[0].sni == "smart.test"
    no_secret_anywhere(world, p)


ALL = ("LOGIN", "PLAIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
       "EXTERNAL", "XOAUTH2", "OAUTHBEARER")


@pytest.mark.parametrize("n, best", ((1, "LOGIN"), (2, "PLAIN"),
                                     (3, "CRAM-MD5"), (4, "SCRAM-SHA-1"),
                                     (8, "SCRAM-SHA-256")))
def test_strongest_mechanism_is_taken(world, peer, certs, n, best):
    p = peer(login(auth=ALL[:n], certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [(best, USER, True)]
    assert len(p.taken) == 1


def test_login_bound_to_the_channel(world, peer, certs):
    p = peer(login(auth=ALL + ("SCRAM-SHA-256-PLUS",), tls_max="TLSv1_2",
                   certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("SCRAM-SHA-256-PLUS", USER, True)]
    assert len(p.taken) == 1
    no_secret_anywhere(world, p)


def test_binding_that_is_not_offered_is_missed(world, peer, certs):
    p = peer(login(auth=("SCRAM-SHA-256",), certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.connections[0].gs2 == "y,,"
    assert len(p.taken) == 1


@pytest.mark.parametrize("lie", ("signature", "silent"))
def test_host_that_does_not_know_the_password(world, peer, certs, lie):
    p = peer(login(auth=("SCRAM-SHA-256", "PLAIN"), scram_lie=lie,
                   certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p, "password")
    assert "MAIL" not in p.connections[0].verbs
    assert [x for x in p.connections[0].commands if "PLAIN" in x] == []


@pytest.mark.parametrize("first", (
    "r=%s,s=c2FsdA==,i=4095", "r=%s,s=c2FsdA==,i=1000001", "r=%s,s=,i=4096",
    "m=x,r=%s,s=c2FsdA==,i=4096", "r=other%s,s=c2FsdA==,i=4096",
    "e=other-error%s"))
def test_odd_scram_is_out_and_the_next_is_taken(world, peer, certs, first):
    p = peer(login(auth=("SCRAM-SHA-256", "PLAIN"), scram_first=first,
                   certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("SCRAM-SHA-256", None, False), ("PLAIN", USER, True)]
    assert len(p.taken) == 1


def test_bad_base64_is_out_and_the_next_is_taken(world, peer, certs):
    p = peer(login(auth=("CRAM-MD5", "PLAIN"), challenge="no base64!",
                   certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("CRAM-MD5", None, False), ("PLAIN", USER, True)]


def test_many_iterations(world, peer, certs):
    p = peer(login(auth=("SCRAM-SHA-256",), iterations=300000,
                   certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("SCRAM-SHA-256", USER, True)]
    assert len(p.taken) == 1


def test_wrong_password_with_scram(world, peer, certs):
    p = peer(login(auth=("SCRAM-SHA-256", "PLAIN"), password="other",
                   certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p, "535")
    assert p.logins == [("SCRAM-SHA-256", USER, False)]


def test_mechanisms_of_dma_conf(world, peer, certs):
    p = peer(login(auth=ALL, certificate=certs["smart"]))
    configure(world, certs, p, AUTH_MECHS="login PLAIN")
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("PLAIN", USER, True)]


def test_no_mechanism_that_dma_conf_has(world, peer, certs):
    p = peer(login(auth=("PLAIN", "CRAM-MD5"), certificate=certs["smart"]))
    configure(world, certs, p, AUTH_MECHS="SCRAM-SHA-256")
    deferred(world, p, "no AUTH mechanism that may be used")
    assert p.logins == []


def test_old_line_of_mechanisms(world, peer, certs):
    p = peer(login(auth=("LOGIN", "CRAM-MD5"), auth_old=True,
                   certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("CRAM-MD5", USER, True)]


# -- words in auth.conf ------------------------------------------------------

TOKEN = "ya29.vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="


def secret_file(text, mode=0o640, group=worlds.SPOOL_USER):
    path = "/etc/dma/secret"
    with open(path, "w") as f:
        f.write(text)
    os.chown(path, 0, grp.getgrnam(group).gr_gid)
    os.chmod(path, mode)
    return path


def no_token_anywhere(world, p):
    coded = base64.b64encode(TOKEN.encode())
    for text in (world.log(), world.mailq(), p.clear.decode("latin-1")):
        assert TOKEN not in text and coded.decode() not in text


@pytest.mark.parametrize("mechanism", ("OAUTHBEARER", "XOAUTH2"))
@pytest.mark.parametrize("where", ("line", "file"))
def test_token(world, peer, certs, mechanism, where):
    p = peer(login(auth=("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256",
                         mechanism), password=TOKEN,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s %s\n" % (
        USER, "token " + TOKEN if where == "line" else
        "token-file " + secret_file(TOKEN + "\n")))
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [(mechanism, USER, True)]
    assert len(p.taken) == 1
    no_token_anywhere(world, p)


def test_long_token_waits_for_the_prompt(world, peer, certs):
    p = peer(login(auth=("XOAUTH2",), password="x" * 3000,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s token-file %s\n" % (
        USER, secret_file("x" * 3000)))
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("XOAUTH2", USER, True)]
    assert max(len(x) for x in p.connections[0].lines[:4]) < 512


@pytest.mark.parametrize("mechanism", ("OAUTHBEARER", "XOAUTH2"))
def test_token_that_ran_out_defers(world, peer, certs, mechanism):
    p = peer(login(auth=(mechanism,), password="new",
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s token %s\n" % (USER, TOKEN))
    deferred(world, p, "535")
    assert p.logins == [(mechanism, USER, False)]
    no_token_anywhere(world, p)


@pytest.mark.parametrize("echo", (TOKEN, base64.b64encode(
    b"user=%s\1auth=Bearer %s\1\1" % (USER.encode(),
                                      TOKEN.encode())).decode()))
def test_echoed_token_is_not_kept(world, peer, certs, echo):
    p = peer(login(auth=("XOAUTH2",), password=TOKEN,
                   auth_reply="535 5.7.8 not with " + echo,
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s token %s\n" % (USER, TOKEN))
    deferred(world, p, "not with [*]")
    assert echo not in world.log() + world.mailq()
    no_token_anywhere(world, p)


def test_busy_login_does_not_stop_the_others(world, peer, certs):
    """One connection delivers while another works out its answer."""
    p = peer(login(auth=("SCRAM-SHA-256",), final_delay=0.02,
                   certificate=certs["smart"]),
             login(auth=("SCRAM-SHA-256",), iterations=300000,
                   certificate=certs["smart"]))
    configure(world, certs, p, CONCURRENCY="2")
    for i in range(150):
        world.send("-odq", "u%d@far.test" % i)
    world.flush()
    world.wait_quiet(30)
    assert len(p.taken) == 150
    first, second = p.connections[:2]
    assert second.logins == [("SCRAM-SHA-256", USER, True)]
    asked, answered = second.asked_at
    during = [at for at in first.taken_at if asked < at < answered]
    assert len(during) > 3


def test_password_is_not_shown_as_a_token(world, peer, certs):
    p = peer(login(auth=("XOAUTH2", "OAUTHBEARER"),
                   certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p, "no AUTH mechanism")
    assert p.logins == []


def test_password_from_a_file(world, peer, certs):
    p = peer(login(auth=("PLAIN",), certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s password-file %s\n" % (
        USER, secret_file(PASSWORD + "\n")))
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("PLAIN", USER, True)]
    no_secret_anywhere(world, p)


@pytest.mark.parametrize("mode, words", (
    (0o644, "readable by everybody"), (0o660, "is writable"),
    (0o600, "Permission denied")))
def test_file_that_is_not_kept_well_defers(world, peer, certs, mode, words):
    p = peer(login(auth=("PLAIN",), certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s password-file %s\n" % (
        USER, secret_file(PASSWORD, mode)))
    deferred(world, p, words)
    assert p.connections == []
    # mail of this host does not care
    world.send("bob", user="alice")
    world.wait_mail("bob")


def test_line_that_can_not_be_read_closes_the_way(world, peer, certs):
    p = peer(Script())
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test user %s pasword %s\n" % (
        USER, PASSWORD))
    deferred(world, p, "unknown keyword")
    assert p.connections == []
    assert world.log_lines("auth.conf:1")


def test_passwords_for_everybody_are_reported(world, peer, certs):
    p = peer(login(certificate=certs["smart"]))
    configure(world, certs, p)
    os.chmod("/etc/dma/auth.conf", 0o644)
    world.send("ann@far.test")
    world.wait_quiet()
    assert world.log_lines("auth.conf", "writable by others")


# -- certificates of ours ------------------------------------------------------

def client_certificate(certs):
    path = "/etc/dma/client.pem"
    shutil.copy(certs["client"], path)
    shutil.chown(path, "root", worlds.SPOOL_USER)
    os.chmod(path, 0o640)
    return path


@pytest.mark.parametrize("line", ("host smart.test external\n",
                                  "%s|smart.test:%s\n" % (USER, PASSWORD)))
def test_certificate_logs_in(world, peer, certs, line):
    p = peer(login(auth=ALL, client_ca=certs["ca"],
                   certificate=certs["smart"]))
    configure(world, certs, p, auth=False,
              CERTFILE=client_certificate(certs))
    world.write_auth(line)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("EXTERNAL", "client.test", True)]
    assert len(p.taken) == 1


def test_certificate_nobody_asked_for_is_no_login(world, peer, certs):
    p = peer(login(auth=ALL, certificate=certs["smart"]))
    configure(world, certs, p, CERTFILE=client_certificate(certs))
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("SCRAM-SHA-256", USER, True)]


def test_certificate_alone_but_not_asked_for(world, peer, certs):
    p = peer(login(auth=ALL, certificate=certs["smart"]))
    configure(world, certs, p, auth=False)
    world.write_auth("host smart.test external\n")
    deferred(world, p, "no AUTH mechanism")
    assert p.logins == []


def test_credentials_alone_mean_verified_tls(world, peer, certs):
    """No TLS key in the configuration: login is enough to ask for it."""
    p = peer(login(certificate=certs["lone"]))
    configure(world, certs, p)
    deferred(world, p, "certificate|verif|self")
    assert p.logins == []


CERTIFICATES = {"self-signed": "lone", "other name": "other"}


@pytest.mark.parametrize("case", CERTIFICATES)
@pytest.mark.parametrize("tls", ("starttls", "implicit"))
def test_wrong_certificate_defers(world, peer, certs, case, tls):
    p = peer(login(tls=tls, certificate=certs[CERTIFICATES[case]]))
    keys = {"SECURETRANSFER": ""}
    if tls == "starttls":
        keys["STARTTLS"] = ""
    configure(world, certs, p, TLS="verify", **keys)
    deferred(world, p, "certificate|verif|self|name|host")
    assert p.logins == []


def test_fingerprint_stands_for_the_ca(world, peer, certs):
    out = subprocess.run(["openssl", "x509", "-in", certs["lone"], "-noout",
                          "-fingerprint", "-sha256"], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    p = peer(login(certificate=certs["lone"]))
    configure(world, certs, p, FINGERPRINT=out.partition("=")[2]
          .strip().replace(":", ""))
    world.send("ann@far.test")
    world.wait_quiet()
    assert len(p.taken) == 1


def test_wrong_fingerprint_defers(world, peer, certs):
    p = peer(login(certificate=certs["lone"]))
    configure(world, certs, p, FINGERPRINT="ab" * 32)
    deferred(world, p)
    assert p.logins == []


def test_no_starttls_offered_means_no_login(world, peer, certs):
    p = peer(login(tls=None, auth=("PLAIN", "LOGIN", "CRAM-MD5")))
    configure(world, certs, p)
    deferred(world, p)
    assert p.logins == []


def test_starttls_refused_means_no_login(world, peer, certs):
    p = peer(login(starttls_reply="454 4.7.0 not today", auth_in_clear=True,
                   auth=("PLAIN", "LOGIN"), certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p)
    assert p.logins == []
    assert "MAIL" not in p.connections[0].verbs


def test_opportunistic_tls_still_never_logs_in_in_the_clear(world, peer,
                                                            certs):
    p = peer(login(tls=None, auth=("PLAIN", "LOGIN")))
    configure(world, certs, p, TLS="opportunistic")
    deferred(world, p)
    assert p.logins == []


def test_insecure_allows_login_in_the_clear(world, peer, certs):
    p = peer(login(tls=None, auth=("PLAIN",)))
    configure(world, certs, p, INSECURE="", TLS="off")
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.logins == [("PLAIN", USER, True)]


def test_bytes_behind_starttls_end_the_session(world, peer, certs):
    p = peer(login(after_starttls="250 2.0.0 injected\r\n",
                   certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p)
    assert p.logins == []


@pytest.mark.parametrize("reply", (
    "535 5.7.8 wrong password", "454 4.7.0 temporary", "530 5.7.0 no",
    "534 5.7.9 too weak", "538 5.7.11 encrypt", "421 4.7.0 bye"))
def test_refused_login_defers(world, peer, certs, reply):
    p = peer(login(auth_reply=reply, certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p, reply[:3])


def test_wrong_password_is_tried_once_per_flush(world, peer, certs):
    p = peer(login(certificate=certs["smart"], password="other"))
    configure(world, certs, p, CONCURRENCY="1")
    world.leaves("queue")
    for i in range(5):
        world.send("-odq", "u%d@far.test" % i)
    world.flush()
    assert len(world.queue()) == 5
    assert len(p.logins) <= 2
    assert world.log_lines("535")


def test_server_that_offers_no_login_gets_no_mail(world, peer, certs):
    p = peer(login(auth=(), require_auth=False, certificate=certs["smart"]))
    configure(world, certs, p)
    deferred(world, p)
    assert "MAIL" not in p.connections[0].verbs


def test_echoed_secret_is_not_kept(world, peer, certs):
    p = peer(login(auth=("PLAIN",), certificate=certs["smart"],
                   auth_reply="535 5.7.8 not " + base64.b64encode(
                       b"\0%s\0%s" % (USER.encode(),
                                      PASSWORD.encode())).decode()))
    configure(world, certs, p)
    deferred(world, p)


def test_required_tls_accepts_any_certificate_but_not_none(world, peer,
                                                           certs):
    p = peer(Script(tls="starttls", certificate=certs["lone"]), Script())
    configure(world, certs, p, auth=False, TLS="required")
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.connections and p.connections[0].ended)
    assert p.handshakes == 1 and len(p.taken) == 1
    world.send("eve@far.test")
    world.wait_tried("eve@far.test")
    assert len(p.taken) == 1


def test_opportunistic_tls_is_used_when_offered(world, peer, certs):
    p = peer(Script(tls="starttls", certificate=certs["lone"]))
    configure(world, certs, p, auth=False)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.handshakes == 1 and len(p.taken) == 1


def test_opportunistic_tls_falls_back_to_the_clear(world, peer, certs):
    p = peer(Script(tls="starttls", starttls_reply="454 4.7.0 no"),
             Script())
    configure(world, certs, p, auth=False)
    world.send("ann@far.test")
    world.wait_quiet()
    assert len(p.taken) == 1


def test_tls_off_does_not_ask(world, peer, certs):
    p = peer(Script(tls="starttls", certificate=certs["smart"]))
    configure(world, certs, p, auth=False, TLS="off")
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.handshakes == 0 and len(p.taken) == 1


def test_capabilities_from_before_tls_are_forgotten(world, peer, certs):
    p = peer(login(auth_in_clear=True, auth=("PLAIN", "CRAM-MD5"),
                   certificate=certs["smart"]))
    configure(world, certs, p)
    world.send("ann@far.test")
    world.wait_quiet()
    assert p.connections[0].verbs.count("EHLO") == 2


def test_fifty_messages_one_handshake(world, peer, certs):
    p = peer(login(certificate=certs["smart"]))
    configure(world, certs, p, CONCURRENCY="1")
    for i in range(50):
        world.send("-odq", "u%d@far.test" % i)
    world.flush()
    world.wait_quiet()
    assert (len(p.connections), p.handshakes, len(p.logins)) == (1, 1, 1)
    assert len(p.taken) == 50


def test_no_credentials_in_processes_that_can_be_looked_at(world, peer,
                                                           certs):
    p = peer(login(mute_at="MAIL", certificate=certs["smart"]))
    configure(world, certs, p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.logins)
    for pid in world.processes():
        for name in ("cmdline", "environ"):
            with open("/proc/%d/%s" % (pid, name), "rb") as f:
                data = f.read()
            assert PASSWORD.encode() not in data
        assert os.stat("/proc/%d/maps" % pid).st_uid == 0


def test_openssl_is_in_the_remote_program_only(world, peer, certs):
    p = peer(login(mute_at="MAIL", certificate=certs["smart"]))
    configure(world, certs, p)
    world.leaves("queue")
    world.send("ann@far.test")
    world.wait_until(lambda: p.logins)
    with_tls = []
    for pid in world.processes():
        with open("/proc/%d/maps" % pid) as f:
            maps = f.read()
        if "libssl" in maps or "libcrypto" in maps:
            with_tls.append(pid)
    assert len(with_tls) == 1
    pid, = with_tls
    assert os.readlink("/proc/%d/exe" % pid).endswith("dma-remote")
    assert "0" not in world.status_of(pid, "Uid")
    assert world.status_of(pid, "Groups") == []
    assert world.status_of(pid, "NoNewPrivs") == ["1"]


def test_ca_file_may_stand_anywhere(world, peer, certs):
    shutil.copy(certs["ca"], "/srv/ca.pem")
    p = peer(login(certificate=certs["smart"]))
    configure(world, certs, p, CAFILE="/srv/ca.pem")
    world.send("ann@far.test")
    world.wait_quiet()
    assert len(p.taken) == 1


@pytest.mark.parametrize("place", ("directory", "file"))
def test_relay_is_verified_by_the_system(world, peer, certs, place):
    """Without CAFILE: by a file that is named for the issuer, or by the one
    file of all."""
    system = ssl.get_default_verify_paths()
    path = os.path.realpath(system.openssl_cafile)
    if place == "directory":
        name = subprocess.check_output(["openssl", "x509", "-noout", "-hash",
                                        "-in", certs["ca"]], text=True)
        path = "%s/%s.0" % (system.openssl_capath, name.strip())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    had_file = os.path.exists(path)
    with open(path, "ab") as f, open(certs["ca"], "rb") as ca:
        size = f.tell()
        f.write(ca.read())
    p = peer(login(certificate=certs["smart"]))
    configure(world, certs, p, CAFILE=None)
    world.send("ann@far.test")
    world.wait_quiet()
    if had_file:
        os.truncate(path, size)
    else:
        os.unlink(path)     # an empty one would hide those that follow it
    assert len(p.taken) == 1
    assert len(world.log_lines(' verified"')) == 1


def test_sender_does_not_read_paths_of_this_host(world, peer, certs):
    p = peer(login(certificate=certs["smart"]))
    configure(world, certs, p, CAFILE="/srv/none.pem")
    deferred(world, p, "/srv/none.pem")
    assert "CAFILE" in world.mailq("alice")
    assert "/srv" not in world.mailq("alice")
