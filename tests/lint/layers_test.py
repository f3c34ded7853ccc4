#!/usr/bin/env python3
"""rooms_test.py - every rule of rooms.py hits what it is for, and only that."""
import os
import subprocess
import sys
import tempfile
import unittest

ROOMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rooms.py")

# file, its text below the opening line, what must be said ("" for nothing)
CASES = [
    ("conf.c", "int\nf(void)\n{\n\treturn 1;\n}\n", ""),
    ("conf.c", "/* fork( in a comment */\nconst char *const s = \"exit(1)\";\n",
     ""),
    ("conf.c", "static const struct { int a; } t[] = { { 1 } };\n", ""),
    ("conf.c", "static const char *const n[2] = { \"a\", \"b\" };\n", ""),
    ("conf.c", "static int f(int);\nstruct a {\n\tint b;\n};\n", ""),
    ("conf.c", "static int (*const f)(int) = 0;\n", ""),
    ("net.c", "static void g(void)\n{\n\tm->fork(1);\n}\n", ""),
    ("priv.c", "static void g(void)\n{\n\tfork();\n\tsetresuid(1, 1, 1);\n}\n",
     ""),
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
    ("dma.c", "typedef struct a b;\n", "typedef for a struct"),
    ("conf.c", "void f(void)\n{\n" + "\n" * 79 + "}\n", "function of"),
    ("conf.c", "extern int a" + " " * 70 + "b;\n", "80 columns"),
    ("conf.c", "int f(void); \n", "blank at the end"),
    ("conf.c", "/* TODO: later */\n", "open end"),
    ("conf.c", "/* TODO(#3): later */\n", ""),
    ("attic.c", "int f(void);\n", "not in the table of rooms"),
    ("conf.c", "#include \"lib/buf.h\"\n", ""),
    ("conf.c", "#include \"spool.h\"\n", "may not call spool"),
    ("conf.c", "#include \"lib/addr.h\"\n", "may not call lib/addr"),
    ("lib/mail.c", "#include \"addr.h\"\n", ""),
    ("lib/mail.c", "#include \"../dma.h\"\n", "knows nothing of dma"),
    ("conf.h", "int f(size_t);\n", "does not compile alone"),
    ("conf.h", "struct a { int b; };\n", "does not compile alone"),
]


def run(files):
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(os.path.join(top, "lib"))
        for name, text in files.items():
            with open(os.path.join(top, name), "w", encoding="utf-8") as f:
                f.write(text)
        return subprocess.run([sys.executable, ROOMS, top], text=True,
                              capture_output=True, check=False)


class Rooms(unittest.TestCase):
    def test_cases(self):
        empty = {n: "/* %s - a room. */\n" % os.path.basename(n) for n in
                 ("dma.h", "spool.h", "lib/buf.h", "lib/addr.h")}
        for name, text, want in CASES:
            with self.subTest(name=name, text=text):
                opening = "/* %s - a room. */\n" % os.path.basename(name)
                got = run({**empty, name: opening + text})
                self.assertEqual(got.stderr, "")
                if want == "":
                    self.assertEqual((got.stdout, got.returncode), ("", 0))
                else:
                    self.assertIn(want, got.stdout)
                    self.assertEqual(got.stdout.count("\n"), 1)
                    self.assertEqual(got.returncode, 1)

    def test_opening(self):
        got = run({"conf.c": "/* spool.c - another room. */\n"})
        self.assertIn("conf.c:1: does not open by naming", got.stdout)

    def test_nothing_there(self):
        self.assertEqual(run({}).returncode, 1)


if __name__ == "__main__":
    unittest.main()
