#!/usr/bin/env python3
"""layers_test.py - every rule of layers.py hits what it is for, and only that."""
import os
import subprocess
import sys
import tempfile
import unittest

LAYERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.py")

# file, its text below the opening line, what must be said ("" for nothing)
CASES = [
    ("conf.c", "int\nf(void)\n{\n\treturn 1;\n}\n", ""),
    ("conf.c", "/* fork( in a comment */\nconst char *const s = \"exit(1)\";\n",
     ""),
    ("conf.c", "static const struct { int a; } t[] = { { 1 } };\n", ""),
    ("conf.c", "static const char *const n[2] = { \"a\", \"b\" };\n", ""),
    ("conf.c", "static int f(int);\nstruct a {\n\tint b;\n};\n", ""),
    ("conf.c", "static int (*const f)(int) = 0;\n", ""),
    ("net/conn.c", "static void g(void)\n{\n\tm->fork(1);\n}\n", ""),
    ("priv/user.c", "static void g(void)\n{\n\tsetresuid(1, 1, 1);\n}\n", ""),
    ("priv/helper.c", "static void g(void)\n{\n\tfork();\n}\n", ""),
    ("priv/helper.c", "static void g(void)\n{\n\tsetresuid(1, 1, 1);\n}\n",
     "setresuid() is not for"),
    ("conf.c", "static int seen;\n", "conf.c:2: mutable at file scope"),
    ("conf.c", "\nstatic const char *s = \"\";\n", "conf.c:3: mutable"),
    ("conf.c", "struct a { int b; } c;\n", "mutable"),
    ("conf.c", "static int (*f)(int);\n", "mutable"),
    ("conf.c", "void f(void)\n{\n\tsetuid(0);\n}\n", "setuid() is not for"),
    ("conf.c", "void f(void)\n{\n\tsetresgid(0, 0, 0);\n}\n", "setresgid()"),
    ("conf.c", "void f(void)\n{\n\tfork();\n}\n", "conf.c:4: fork()"),
    ("net.c", "void f(void)\n{\n\texecve(0, 0, 0);\n}\n", "execve()"),
    ("spool.c", "void f(void)\n{\n\tsocketpair(0, 0, 0, 0);\n}\n",
     "socketpair()"),
    ("local.c", "void f(void)\n{\n\tconnect (0, 0, 0);\n}\n", "connect()"),
    ("net.c", "void f(void)\n{\n\tlisten(0, 0);\n}\n", "listen()"),
    ("net.c", "void f(void)\n{\n\tSSL_new(0);\n}\n", "SSL_new()"),
    ("net.c", "#include <openssl/ssl.h>\n", "<openssl/ssl.h>"),
    ("net.c", "void f(void)\n{\n\tsyslog(0, 0);\n}\n", "syslog()"),
    ("net.c", "void f(void)\n{\n\trenameat(0, 0, 0, 0);\n}\n", "renameat()"),
    ("net.c", "void f(void)\n{\n\t_exit(0);\n}\n", "_exit()"),
    ("dma.c", "void f(void)\n{\n\tstrcpy(a, b);\n}\n", "strcpy()"),
    ("dma.c", "void f(void)\n{\n\tvsprintf(a, b, c);\n}\n", "vsprintf()"),
    ("tests/unit/a_test.c", "void f(void)\n{\n\tpopen(a, b);\n}\n",
     "tests/unit/a_test.c:4: popen()"),
    ("tests/unit/a_test.c", "void f(void)\n{\n\tfork();\n}\n", ""),
    ("dma.c", "typedef struct a b;\n", "typedef for a struct"),
    ("conf.c", "void f(void)\n{\n" + "\n" * 79 + "}\n", "function of"),
    ("conf.c", "extern int a" + " " * 70 + "b;\n", "80 columns"),
    ("conf.c", "int f(void); \n", "blank at the end"),
    ("conf.c", "/* TODO: later */\n", "open end"),
    ("conf.c", "/* TODO(#3): later */\n", ""),
    ("attic.c", "int f(void);\n", "attic is in no layer"),
    ("attic/box.c", "int f(void);\n", "attic is in no layer"),
    ("conf.c", "#include \"lib/buf.h\"\n", ""),
    ("conf.c", "#include \"spool.h\"\n", "conf may not use spool"),
    ("conf.c", "#include \"lib/addr.h\"\n", ""),
    ("conf/auth.c", "#include \"../conf.h\"\n", ""),
    ("queue/runner.c", "#include \"local.h\"\n", "queue may not use local"),
    ("priv/helper.c", "#include \"local/mbox.h\"\n",
     "priv may not use local"),
    ("local.c", "#include \"local/mbox.h\"\n", ""),
    ("aliases_scan.l", "#include \"conf.h\"\n", "aliases may not use conf"),
    ("conf.c", "#include \"aliases_parse.h\"\n", ""),
    ("smtpd/smtpd.c", "#include \"lib/addr.h\"\n", ""),
    ("smtpd/smtpd.c", "#include \"conf.h\"\n", "uses nothing of conf"),
    ("smtpd/smtpd.c", "void f(void)\n{\n\tlisten(0, 0);\n}\n", ""),
    ("dma.c", "#include \"smtpd/smtpd.h\"\n", "is in no layer"),
    ("lib/mail.c", "#include \"addr.h\"\n", ""),
    ("lib/mail.c", "#include \"../message.h\"\n",
     "lib may not use message"),
    ("conf.h", "int f(size_t);\n", "does not compile alone"),
    ("conf.h", "struct a { int b; };\n", "does not compile alone"),
]


OPENING = "/* %s - a module.  Runs as: x.  Uses: x.  Promise: x. */\n"


def opened(name, text=""):
    """One line above the text."""
    return OPENING % os.path.basename(name) + text


def run(files):
    with tempfile.TemporaryDirectory() as top:
        for name, text in files.items():
            path = os.path.join(top, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return subprocess.run([sys.executable, LAYERS, top], text=True,
                              capture_output=True, check=False)


class Layers(unittest.TestCase):
    def hits(self, files, want):
        got = run(files)
        self.assertEqual(got.stderr, "")
        if want == "":
            self.assertEqual((got.stdout, got.returncode), ("", 0))
        else:
            self.assertIn(want, got.stdout)
            self.assertEqual(got.stdout.count("\n"), 1)
            self.assertEqual(got.returncode, 1)

    def test_cases(self):
        others = {n: opened(n) for n in (
            "message.h", "spool.h", "conf.h", "local.h", "local/mbox.h",
            "queue/route.h",
            "lib/buf.h", "lib/addr.h", "smtpd/smtpd.h", "aliases_parse.y",
            "aliases_parse.h")}
        for name, text, want in CASES:
            with self.subTest(name=name, text=text):
                self.hits({**others, name: opened(name, text)}, want)

    def test_opening(self):
        self.hits({"conf.c": opened("spool.c")},
                  "conf.c:1: does not open by naming")
        self.hits({"conf.c": opened("conf.c").replace("Uses:", "Door to:")},
                  "conf.c:1: does not say in its opening \"Uses:\"")
        self.hits({"conf.h": "/* conf.h - a module. */\n"}, "")

    def test_circles(self):
        two = {"lib/%s.h" % n: opened(n + ".h") for n in "ab"}
        uses = '#include "lib/%s.h"\n'
        self.hits({**two, "lib/a.c": opened("a.c", uses % "b")}, "")
        self.hits({**two, "lib/a.c": opened("a.c", uses % "b"),
                   "lib/b.c": opened("b.c", uses % "a")},
                  "lib/a > lib/b > lib/a: includes in a circle")

    def test_made_files(self):
        self.hits({"aliases_scan.l": opened("aliases_scan.l"),
                   "aliases_scan.c": "int made;\n"}, "")

    def test_nothing_there(self):
        self.assertEqual(run({}).returncode, 1)


if __name__ == "__main__":
    unittest.main()
