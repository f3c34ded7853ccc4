"""callers.py - the programs that call sendmail, and how each is set off.

Run as a program it prints docs/callers.md: callers.py [NAME...].
"""
import glob
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../system"), os.path.join(HERE, "..")]

import calls as recorder    # noqa: E402
import smtp_peer            # noqa: E402
import test_bs_programs     # noqa: E402
import world as worlds      # noqa: E402
from stage import BOTH, TEXT, Caller, Stage     # noqa: E402

AND_CAROL = BOTH + ("carol",)
FROM_ALICE = """\
From: Alice Ash <alice@host.test>
To: both@host.test
Subject: %(word)s"""
# The same, where the program asks for no name of the sender.
TO_BOTH = FROM_ALICE.partition("\n")[2]
FROM_ANN = """\
From: Ann <ann@far.test>
To: carol@host.test
Subject: %(word)s"""
FROM_ZOE = """\
From: Zoe <zoe@far.test>
To: carol@elsewhere.test
Subject: %(word)s"""

# A file with a message, for programs that send one as it is.
READY = FROM_ALICE + """
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

""" + TEXT

# A server with one message, for one client.
POP3 = r"""
import socket
mail = open("mail", "rb").read().split(b"\n")[:-1]
size = sum(len(x) + 2 for x in mail)
listener = socket.create_server(("127.0.0.1", 1110))
print("ready", flush=True)
f = listener.accept()[0].makefile("rwb")
def say(*lines):
    f.write(b"".join(x + b"\r\n" for x in lines))
    f.flush()
say(b"+OK")
for line in f:
    verb, *rest = line.split()
    if verb == b"CAPA": say(b"+OK", b"USER", b"UIDL", b"TOP", b".")
    elif verb == b"STAT": say(b"+OK 1 %d" % size)
    elif verb == b"LIST" and rest: say(b"+OK 1 %d" % size)
    elif verb == b"LIST": say(b"+OK", b"1 %d" % size, b".")
    elif verb == b"UIDL": say(b"+OK", b"1 one", b".")
    elif verb in (b"RETR", b"TOP"):
        say(b"+OK", *(b"." * x.startswith(b".") + x for x in mail), b".")
    elif verb in (b"LAST", b"APOP"): say(b"-ERR")
    else: say(b"+OK")
    if verb == b"QUIT": break
"""
MAIL_OF_ZOE = "Return-Path: <zoe@far.test>\n" + FROM_ZOE + (
    "\nMessage-ID: <1@far.test>\n\n") + TEXT

PHPMAILER = """\
cat >mail.php <<'END'
<?php
require "/usr/share/php/libphp-phpmailer/autoload.php";
$m = new PHPMailer\\PHPMailer\\PHPMailer(true);
$m->%s();
$m->CharSet = "utf-8";
$m->Encoding = "8bit";
$m->setFrom("alice@host.test", "Alice Ash");
$m->addAddress("both@host.test");
$m->addBCC("carol@host.test");
$m->Subject = "%%(word)s";
$m->Body = file_get_contents("text");
$m->send();
END
php mail.php"""

SYMFONY = """\
cat >mail.php <<'END'
<?php
require "/usr/share/php/Symfony/Component/Mailer/autoload.php";
use Symfony\\Component\\Mailer\\Mailer;
use Symfony\\Component\\Mailer\\Transport\\SendmailTransport;
use Symfony\\Component\\Mime\\Email;
$mailer = new Mailer(new SendmailTransport("/usr/sbin/sendmail %s"));
$mailer->send((new Email())->from("Alice Ash <alice@host.test>")
    ->to("both@host.test")->bcc("carol@host.test")
    ->subject("%%(word)s")->text(file_get_contents("text")));
END
php mail.php"""

SIEVE = {
    ".forward": "|/usr/lib/dovecot/dovecot-lda -c /home/carol/.lda.conf "
                '-f "$SENDER"\n',
    ".lda.conf": "log_path=/home/carol/log\nmail_location=maildir:~/Maildir\n"
                 "stats_writer_socket_path=\n"
                 "postmaster_address=root@host.test\n"
                 "protocol lda {\n mail_plugins = sieve\n}\n"
                 "plugin {\n sieve = ~/script.sieve\n}\n",
}


def by_cron(stage):
    """A job at the daemon's start takes the same way as any other."""
    for path in glob.glob("/etc/cron.d/*") + glob.glob("/run/crond.reboot"):
        os.unlink(path)
    tabs = "/var/spool/cron/crontabs"
    os.makedirs(tabs, exist_ok=True)
    os.chmod(tabs, 0o1730)
    stage.write("alice", "/home/alice", "tab",
                stage.fill("@reboot cat text; echo %(word)s\n"))
    os.chmod("/home/alice/tab", 0o600)
    subprocess.run(["cp", "-p", "/home/alice/tab", tabs + "/alice"],
                   check=True)
    try:
        stage.daemon(["/usr/sbin/cron", "-f"])
    finally:
        os.unlink(tabs + "/alice")


def by_at(stage):
    stage.shell("""
    for d in atjobs atspool; do
        install -d -o daemon -g daemon -m 1770 /var/spool/cron/$d
    done
    install -o daemon -g daemon -m 600 /dev/null /var/spool/cron/atjobs/.SEQ
    """, "root")
    stage.shell("cd; echo cat text | at -m now 2>/dev/null", "alice")
    stage.daemon(["/usr/sbin/atd", "-f"])


def by_alpine(stage):
    test_bs_programs.by_alpine(stage.world, stage.word)


def to_carol(stage):
    """carol's .forward runs the program."""
    done = stage.world.run(
        [worlds.BINARY, "-i", "-f", "ann@far.test", "carol"], user="alice",
        input=stage.fill(FROM_ANN) + READY[len(FROM_ALICE):])
    assert done.returncode == 0, done.stderr


def fetched_by(*argv):
    """carol runs the program, which gets a message by POP3."""
    def script(stage):
        server = stage.world.start(["/usr/bin/python3", "pop3.py"],
                                   user="carol", stdout=subprocess.PIPE)
        try:
            assert server.stdout.readline() == b"ready\n"
            done = stage.world.run(argv, user="carol")
            assert done.returncode == 0, (done.stdout, done.stderr)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
    return script


JOBS = (
    Caller("cron", "cron", by_cron, """\
        From: root@host.test (Cron Daemon)
        To: alice@host.test
        Subject: Cron <alice@host> cat text; echo %(word)s"""),
    # Its script alone; what it asks of systemctl is answered here.
    Caller("systemd-cron", "systemd-cron", r"""
        mkdir -p /tmp/bin
        cat >/tmp/bin/systemctl <<'END'
        #!/bin/sh
        case "$*" in
        *User*) echo User=alice ;;
        status*) cat /root/text; exit 3 ;;
        esac
        END
        chmod 755 /tmp/bin/systemctl
        mailer=/unpacked/systemd-cron/lib/systemd-cron/mail_on_failure
        PATH=/tmp/bin:$PATH $mailer %(word)s.service""", """\
        From: root@host.test (systemd-cron)
        To: alice@host.test
        Subject: [host.test] job %(word)s.service failed""",
        user="root", sender="root@host.test"),
    # It passes no -i, so the lone dot of the text ends the message.
    Caller("anacron", "anacron", r"""
        mkdir -p spool
        echo '1 0 %(word)s cat /root/text' >tab
        anacron -d -f -n -t tab -S spool""", """\
        From: Anacron <root@host.test>
        To: root@host.test
        Subject: Anacron job '%(word)s' on host.test""",
        user="root", sender="root@host.test", body="above\n"),
    Caller("at", "at", by_at, """\
        From: Alice Ash <alice@host.test>
        To: alice@host.test"""),
    Caller("sudo", "sudo", """\
        echo 'Defaults !authenticate' >/etc/sudoers.d/test
        chmod 440 /etc/sudoers.d/test
        ! setpriv --reuid alice --regid alice --clear-groups \\
            sudo -n echo %(word)s 2>/dev/null""", """\
        From: alice@host.test
        To: root@host.test
        Subject: *** SECURITY information for host.test ***""",
        user="root", body=""),
)

MAIL_PROGRAMS = (
    Caller("bsd-mailx", "bsd-mailx", "bsd-mailx -s %(word)s both <text",
           FROM_ALICE),
    Caller("s-nail", "s-nail", "s-nail -n -s %(word)s both <text", TO_BOTH),
    # It takes the lone dot itself for the end.
    Caller("GNU mailutils", "mailutils",
           "mail.mailutils -s %(word)s both <text", FROM_ALICE,
           body="above\n"),
    Caller("mutt", "mutt",
           "mutt -n -F /dev/null -s %(word)s -b carol both <text",
           FROM_ALICE, to=AND_CAROL),
    Caller("neomutt", "neomutt", """\
        neomutt -n -F muttrc -s %(word)s both <text""", """\
        From: Alice Ash <alice@far.test>
        To: both@host.test
        Subject: %(word)s""", sender="alice@far.test",
        files={"muttrc": "set from=alice@far.test use_envelope_from\n"
                         "set dsn_notify=failure,delay dsn_return=hdrs\n"}),
    Caller("mblaze", "mblaze",
           "mcom -body text -send -to both -subject %(word)s", TO_BOTH),
    Caller("nmh, sendmail/smtp", "nmh", """\
        mkdir Mail; cp draft Mail/
        /usr/bin/mh/send -mts sendmail/smtp draft""", FROM_ALICE,
        files={".mh_profile": "Path: Mail\n", "draft": READY}),
    Caller("nmh, sendmail/pipe", "nmh", """\
        mkdir Mail; cp draft Mail/
        /usr/bin/mh/send -mts sendmail/pipe draft""", FROM_ALICE,
        files={".mh_profile": "Path: Mail\n", "draft": READY}),
    Caller("alpine", "alpine", by_alpine, """\
        From: Alice <alice@host.test>
        To: bob@host.test
        Subject: %(word)s""", to=("bob",), body=".dot\n..two\n.\nend\n"),
    Caller("Emacs", "emacs-nox", """\
        cat >mail.el <<'END'
        (setq user-full-name "Alice Ash" user-mail-address "alice@host.test"
              message-send-mail-function 'message-send-mail-with-sendmail)
        (compose-mail "both@host.test" "%(word)s"
                      '(("Bcc" . "carol@host.test")))
        (message-goto-body)
        (insert-file-contents "text")
        (message-send)
        END
        emacs -Q --batch -l message -l mail.el""", FROM_ALICE, to=AND_CAROL,
        is_optional=True),
    Caller("git send-email", "git-email", """\
        git init -q patch; cd patch
        git config user.name 'Alice Ash'
        git config user.email alice@host.test
        cp ../text file; git add file; git commit -q -m first
        echo 'José' >>file; git commit -q -a -m %(word)s
        git send-email --quiet --confirm=never --suppress-cc=all \\
            --transfer-encoding=8bit --to=both@host.test -1""", """\
        From: Alice Ash <alice@host.test>
        To: both@host.test
        Subject: [PATCH] %(word)s""", body="+José\n"),
    Caller("hg email", "mercurial", """\
        hg init patch; cp hgrc patch/.hg/; cd patch
        cp ../text file; hg commit -q -A -u alice -m %(word)s
        hg email -q --to both@host.test -r tip --cc ''""", """\
        From: Alice Ash <alice@host.test>
        To: both@host.test
        Subject: [PATCH] %(word)s""", body="+.dot\n",
        files={"hgrc": "[extensions]\npatchbomb=\n[email]\nmethod="
                       "/usr/sbin/sendmail\nfrom=Alice Ash "
                       "<alice@host.test>\n"}),
    Caller("bts", "devscripts", """\
        DEBEMAIL=alice@host.test DEBFULLNAME='Alice Ash' \\
        bts --no-conf --no-interactive --no-use-default-cc --cc-addr= \\
            --sendmail=/usr/sbin/sendmail severity 1 normal""",
        "From: Alice Ash <alice@host.test>\nTo: control@bugs.debian.org",
        to=("control@bugs.debian.org",), body="severity 1 normal\n"),
    Caller("swaks --pipe", "swaks", """\
        swaks --silent 3 --pipe '/usr/sbin/sendmail -bs' \\
            --from alice@host.test --to both@host.test \\
            --header 'Subject: %(word)s' --body @text""", TO_BOTH),
)

LANGUAGES = (
    Caller("PHP mail()", "php-cli", """\
        cat >mail.php <<'END'
        <?php
        mail("both", "%(word)s", file_get_contents("text"), [
            "From" => "Alice Ash <alice@host.test>", "Bcc" => "carol"],
            "-fsue@host.test") || exit(1);
        END
        php mail.php""", FROM_ALICE, to=AND_CAROL, sender="sue@host.test"),
    Caller("PHPMailer, isSendmail", "libphp-phpmailer",
           PHPMAILER % "isSendmail", FROM_ALICE, to=AND_CAROL),
    Caller("PHPMailer, isMail", "libphp-phpmailer",
           PHPMAILER % "isMail", FROM_ALICE, to=AND_CAROL),
    Caller("Symfony Mailer, -bs", "php-symfony-mailer",
           SYMFONY % "-bs", FROM_ALICE, to=AND_CAROL),
    Caller("Symfony Mailer, -t", "php-symfony-mailer",
           SYMFONY % "-t -i", FROM_ALICE, to=AND_CAROL),
    Caller("Perl Email::Sender", "libemail-sender-perl", """\
        cat >mail.pl <<'END'
        use Email::Sender::Simple qw(sendmail);
        local $/;
        open(my $f, "<", "ready") or die;
        sendmail(scalar <$f>, { from => "alice\\@host.test",
            to => ["both\\@host.test", "carol\\@host.test"] });
        END
        perl mail.pl""", FROM_ALICE, to=AND_CAROL, files={"ready": READY}),
    Caller("Perl MIME::Lite", "libmime-lite-perl", """\
        cat >mail.pl <<'END'
        use MIME::Lite;
        local $/;
        open(my $f, "<", "text") or die;
        MIME::Lite->new(From => "Alice Ash <alice\\@host.test>",
            To => "both", Bcc => "carol", Subject => "%(word)s",
            Data => scalar <$f>, Encoding => "8bit")->send or die;
        END
        perl mail.pl""", FROM_ALICE, to=AND_CAROL),
    # No -i.
    Caller("Perl Mail::Mailer", "libmailtools-perl", """\
        cat >mail.pl <<'END'
        use Mail::Mailer;
        local $/;
        open(my $f, "<", "text") or die;
        my $m = Mail::Mailer->new("sendmail");
        $m->open({ From => "Alice Ash <alice\\@host.test>", To => "both",
            Bcc => "carol", Subject => "%(word)s" });
        print $m scalar <$f>;
        $m->close or die;
        END
        perl mail.pl""", FROM_ALICE, to=AND_CAROL, body="above\n"),
    Caller("Python, os.popen", "python3", """\
        cat >mail.py <<'END'
        import os
        p = os.popen("/usr/sbin/sendmail -t -i", "w")
        p.write("To: both\\nSubject: %(word)s\\n\\n")
        p.write(open("text", encoding="utf-8").read())
        assert p.close() is None
        END
        python3 mail.py""", TO_BOTH),
    Caller("Python, policy.SMTP", "python3", """\
        cat >mail.py <<'END'
        import subprocess
        from email.message import EmailMessage
        from email.policy import SMTP
        m = EmailMessage(policy=SMTP)
        m["From"] = "Alice Ash <alice@host.test>"
        m["To"], m["Bcc"], m["Subject"] = "both", "carol", "%(word)s"
        m.set_content(open("text", encoding="utf-8").read(), cte="8bit")
        subprocess.run(["/usr/sbin/sendmail", "-t", "-oi"],
                       input=m.as_bytes(), check=True)
        END
        python3 mail.py""", FROM_ALICE, to=AND_CAROL),
    Caller("Ruby mail", "ruby-mail", """\
        cat >mail.rb <<'END'
        require "mail"
        Mail.defaults { delivery_method :sendmail }
        Mail.deliver do
          from "Alice Ash <alice@host.test>"
          to "both@host.test"
          bcc "carol@host.test"
          subject "%(word)s"
          body File.read("text")
        end
        END
        ruby mail.rb 2>/dev/null""", FROM_ALICE, to=AND_CAROL),
    Caller("Action Mailer", "ruby-actionmailer", """\
        cat >mail.rb <<'END'
        require "action_mailer"
        class Post < ActionMailer::Base
          self.delivery_method = :sendmail
          def one
            mail(from: "Alice Ash <alice@host.test>", to: "both@host.test",
                 bcc: "carol@host.test", subject: "%(word)s",
                 body: File.read("text"), content_type: "text/plain")
          end
        end
        Post.one.deliver_now
        END
        ruby mail.rb >/dev/null""", FROM_ALICE, to=AND_CAROL),
    Caller("nodemailer", "node-nodemailer", """\
        cat >mail.js <<'END'
        require("/usr/share/nodejs/nodemailer").createTransport(
          { sendmail: true }).sendMail(
          { from: "Alice Ash <alice@host.test>", to: "both@host.test",
            bcc: "carol@host.test", subject: "%(word)s",
            text: require("fs").readFileSync("text", "utf8") },
          (e) => { if (e) throw e; });
        END
        node mail.js""", FROM_ALICE, to=AND_CAROL),
)


def to_root(name, package, script, fields="To: root@host.test", **more):
    return Caller(name, package, script, fields, **{
        "user": "root", "sender": "root@host.test", "body": "", **more})


WATCHERS = (
    # As smartd calls it, for which there is no disk here.
    to_root("smartd's warning", "smartmontools", """\
        export SMARTD_ADDRESS=root SMARTD_MESSAGE=%(word)s SMARTD_PREVCNT=0 \\
            SMARTD_MAILER=/usr/share/smartmontools/smartd-runner \\
            SMARTD_FAILTYPE=Health SMARTD_TFIRST=now SMARTD_TFIRSTEPOCH=1 \\
            SMARTD_DEVICE=/dev/sda SMARTD_DEVICETYPE=sat \\
            SMARTD_DEVICESTRING=/dev/sda SMARTD_DEVICEINFO=disk \\
            SMARTD_FULLMESSAGE= SMARTD_SUBJECT= SMARTD_NEXTDAYS=
        /usr/share/smartmontools/smartd_warning.sh""", """\
        To: root@host.test
        Subject: SMART error (Health) detected on host: host"""),
    to_root("mdadm --monitor", "mdadm", """\
        mdadm --monitor --test --oneshot --mail=root --config=none \\
            /dev/md0 2>/dev/null || :""", """\
        From: mdadm monitoring <root@host.test>
        To: root@host.test
        Subject: TestMessage event on /dev/md0:host.test"""),
    to_root("fail2ban", "fail2ban", r"""
        rm -rf /tmp/f2b; cp -r /etc/fail2ban /tmp/f2b; : >/tmp/f2b/log
        rm -rf /tmp/f2b/jail.d/*
        cat >/tmp/f2b/jail.local <<'END'
        [test]
        enabled=true
        backend=polling
        filter=sshd
        logpath=/tmp/f2b/log
        action=sendmail[name=%(word)s,dest=root]
        END
        options="-c /tmp/f2b -s /tmp/f2b/socket -p /tmp/f2b/pid"
        fail2ban-server $options --logtarget /tmp/f2b/out start >/dev/null
        n=0
        until ls /tmp/calls/* >/dev/null 2>&1; do
            sleep 0.1
            n=$((n + 1))
            [ $n -lt 300 ]
        done
        fail2ban-client $options stop >/dev/null""", """\
        From: Fail2Ban <fail2ban@host.test>
        To: root@host.test""", sender="fail2ban@host.test", calls=2),
    to_root("logwatch", "logwatch", """\
        logwatch --output mail --mailto root --service zz-sys \\
            --range today"""),
    to_root("logcheck", "logcheck", """\
        echo 'Nov 29 10:00:00 host x[1]: %(word)s' >/tmp/log
        chmod 644 /tmp/log
        install -d -o logcheck /run/lock/logcheck
        su -s /bin/sh logcheck -c 'logcheck -l /tmp/log'""",
        "To: logcheck@host.test", sender="logcheck@host.test"),
    to_root("apticron", "apticron", r"""
        printf 'EMAIL=root\nNOTIFY_NO_UPDATES=1\nIPADDRESSNUM=1\n' \
            >/etc/apticron/apticron.conf
        rm -rf /etc/apt/sources.list* /var/lib/apt/lists/*
        rm -f /var/lib/apticron/*
        apticron >/dev/null"""),
    to_root("unattended-upgrades", "unattended-upgrades", r"""
        printf 'Unattended-Upgrade::%%s;\n' 'Mail "root"' \
            'MailReport "always"' >/etc/apt/apt.conf.d/99mail
        rm -rf /etc/apt/sources.list*
        unattended-upgrade"""),
    to_root("cron-apt", "cron-apt", r"""
        printf 'MAILON=always\nMAILTO=root\n' >/etc/cron-apt/config
        rm -rf /etc/apt/sources.list*
        cron-apt -i >/dev/null"""),
    to_root("popularity-contest", "popularity-contest", r"""
        cat >/etc/popularity-contest.conf <<'END'
        MY_HOSTID=0123456789abcdef0123456789abcdef
        PARTICIPATE=yes USEHTTP=no MAILTO=root ENCRYPT=no
        DAY=$(date +%%w)
        END
        rm -f /var/log/popularity-contest
        sh /etc/cron.daily/popularity-contest --crond""", """\
        To: root@host.test
        Subject: popularity-contest submission"""),
    # The line of its package, run as Nagios does.
    to_root("Nagios, host by email", "nagios4-common", r"""
        file=/unpacked/nagios4-common/etc/nagios4/objects/commands.cfg
        sed -n '/notify-host-by-email/,/}/s/.*command_line *//p' $file |
            sed 's/\$CONTACTEMAIL\$/root/; s/\$HOSTOUTPUT\$/%(word)s/
                s/\$[A-Z]*\$/X/g' >notify.sh
        sh notify.sh""", """\
        To: root@host.test
        Subject: ** X Host Alert: X is X **"""),
    # No -i.
    Caller("rss2email", "rss2email", """\
        cat >feed.xml <<'END'
        <?xml version="1.0"?>
        <rss version="2.0"><channel>
        <title>F</title><link>http://x.test/</link><description/>
        <item><title>%(word)s</title><link>http://x.test/1</link>
        <guid>1</guid><description>.dot</description></item>
        </channel></rss>
        END
        r2e new both@host.test
        sed -i 's/^email-protocol = .*/email-protocol = sendmail/
            s/^from = .*/from = alice@host.test/' .config/rss2email.cfg
        r2e add f file:///home/alice/feed.xml
        r2e run""", TO_BOTH, body=""),
)

FILTERS = (
    Caller("procmail", "procmail", to_carol, FROM_ANN, user="carol",
           sender="carol@host.test",
           files={".forward": "|/usr/bin/procmail\n",
                  ".procmailrc": ":0\n! both\n"}),
    Caller("maildrop", "maildrop", to_carol, FROM_ANN, user="carol",
           sender="", files={".forward": "|/usr/bin/maildrop\n",
                             ".mailfilter": 'to "!both"\n'}),
    Caller("fdm", "fdm", to_carol, FROM_ANN, user="carol",
           sender="carol@host.test", files={
               ".forward": "|/usr/bin/fdm -a stdin fetch\n",
               ".fdm.conf": 'account "stdin" stdin\naction "on" pipe '
                            '"/usr/sbin/sendmail -i both"\n'
                            'match all action "on"\n'}),
    Caller("vacation", "vacation", to_carol, "Subject: away", user="carol",
           sender="carol@host.test", to=("ann@far.test",),
           body="I am away.\n",
           files={".forward": "|/usr/bin/vacation carol\n",
                  ".vacation.msg": "Subject: away\n\nI am away.\n"}),
    Caller("Dovecot Sieve, redirect", "dovecot-sieve", to_carol, FROM_ANN,
           user="carol", sender="ann@far.test",
           files={**SIEVE, "script.sieve": 'redirect "both@host.test";\n'}),
    Caller("Dovecot Sieve, vacation", "dovecot-sieve", to_carol,
           "To: Ann <ann@far.test>", user="carol", sender="",
           to=("ann@far.test",), body="I am away.\n", files={
               **SIEVE, "script.sieve": 'require "vacation";\n'
                                        'vacation "I am away.";\n'}),
    Caller("fetchmail", "fetchmail", fetched_by("fetchmail", "-s"), FROM_ZOE,
           user="carol", sender="zoe@far.test", files={
               "pop3.py": POP3.replace("%", "%%"), "mail": MAIL_OF_ZOE,
               ".fetchmailrc": "set no bouncemail\npoll 127.0.0.1 proto POP3 "
               "port 1110\nuser x pass y is both here sslproto ''\n"
               "mda '/usr/sbin/sendmail -i -f %%F -- %%T'\n"}),
    Caller("getmail", "getmail6", fetched_by("getmail", "-q"), FROM_ZOE,
           user="carol", sender="carol@host.test", files={
               "pop3.py": POP3.replace("%", "%%"), "mail": MAIL_OF_ZOE,
               ".config/getmail/getmailrc":
               "[retriever]\ntype=SimplePOP3Retriever\nserver=127.0.0.1\n"
               "port=1110\nusername=x\npassword=y\n"
               "[destination]\ntype=MDA_external\npath=/usr/sbin/sendmail\n"
               'arguments=("-i", "-bm", "both")\nunixfrom=true\n'}),
)

CALLERS = JOBS + MAIL_PROGRAMS + LANGUAGES + WATCHERS + FILTERS


# -- the document --------------------------------------------------------------

HEAD = """\
# Programs that call sendmail

This table is generated by `tests/interop/run.sh --callers`, with
`DMA_INTEROP_MORE=emacs-nox` for Emacs.  Each program is that of Debian 12 and
sends a message through dma, as `tests/interop/callers.py` states; `make check`
runs the same programs and compares what arrives.

- *arguments* follow the name `sendmail`.
- *descriptors, signals, environment* lists what differs from three pipes, no
  ignored signal, and an environment with PATH, HOME, USER and LOGNAME.
- *input* is what the program writes: its line ends, what is missing or unusual,
  or the commands of a session with `-bs`.
- *arrived* is the envelope, From and To as delivered to a mailbox and to
  another host, and the fields added by dma.

| program | version | user | arguments | descriptors, signals, environment \
| input | arrived |
|---|---|---|---|---|---|---|"""


def version(package):
    """As Debian calls it, without Debian's part."""
    path = "/unpacked/%s/version" % package
    if os.path.exists(path):
        with open(path, encoding="ascii") as f:
            text = f.read()
    else:
        text = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package],
            capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\d+:|[-+~].*", "", text.strip())


def row(stage, caller, calls):
    call, copies = calls[0], stage.arrived()
    _, sender, text = copies[0]
    arrived = ["<%s> to %s" % (sender, ", ".join(
        dict.fromkeys(rcpt for rcpt, _, _ in copies)))]
    arrived += ["%s: %s" % (name, value) for name, value in sorted(
        recorder.fields_of(text)) if name in ("From", "To")]
    if not call.is_smtp and recorder.added(call, text):
        arrived.append("added " + ", ".join(recorder.added(call, text)))
    cells = [caller.name, version(caller.package), call.user(),
             "`%s`" % recorder.arguments(call), recorder.surroundings(call),
             recorder.message(call), "; ".join(arrived)]
    return "| %s |" % " | ".join(
        x if x.startswith("`") else re.sub(r"([|<*])", r"\\\1", x)
        for x in cells)


def main(names):
    """Faults go to standard error."""
    status = 0
    print(HEAD)
    for caller in CALLERS:
        if names and caller.name not in names or not caller.is_installed():
            continue
        world = worlds.World()
        with smtp_peer.Peer() as peer:
            stage = Stage(world, peer)
            calls = stage.play(caller)
            print(row(stage, caller, calls), flush=True)
            for fault in stage.faults(caller, calls):
                status = 1
                print("%s: %s" % (caller.name, fault), file=sys.stderr)
        recorder.end_record()
        world.stop()
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
