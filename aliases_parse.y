/*
 * aliases_parse.y - aliases(5), ~/.forward and lists, the grammar.
 * Runs as: anyone.  Uses: nothing (text in, structure out).
 * Promise: a bad line of aliases or of a list costs that line only, and its
 * name is known as a bad one; a .forward is used whole or not at all; what is
 * kept holds no control character.
 *
 * All are lists of targets; the start token says which file it is.
 * aliases_scan.l hands out pieces of a private copy of the text, so no token
 * owns memory and an error cannot leak one.
 */
%require "3.6"
%define api.pure full
%define api.prefix {aliases_yy}
%define api.value.type {struct word}
%define parse.error detailed
%param { void *scanner }
%parse-param { struct aliases_run *w }

%code requires {
#include <stddef.h>

#include "aliases.h"
#include "lib/buf.h"

#define SCAN_ROOM	1024	/* bytes that the scanner needs at most */

/* A piece of the text; it ends where the text is, not at a NUL. */
struct word {
	const char	*text;
	size_t		 len;
	unsigned	 line;
};

/* A logical line of the text: this one, and where the next one begins. */
struct aliases_row {
	const char	*text, *next;
	unsigned	 line, next_line;
};

/* What was read of the line under way; owned. */
struct aliases_entry {
	struct alias	 alias;
	int		 has_head;	/* name and colon are good */
	size_t		 nkept;		/* of them: from rows that are whole */
};

/*
 * flex exits the process when its allocator has nothing left; it gets its few
 * hundred bytes from here, so that this cannot happen.
 */
struct aliases_pool {
	_Alignas(max_align_t) char room[SCAN_ROOM];
	size_t		 used;
};

/* One run of the parser. */
struct aliases_run {
	int		 start;		/* token that says which file it is */
	int		 is_started;	/* that token was given */
	int		 is_forward;	/* used whole or not at all */
	const char	*file;
	const struct report *report;	/* lent */
	unsigned	 line;		/* where the scanner is */
	unsigned	 token_line;	/* where the latest token began */
	const char	*reason;	/* why the token is BAD */
	int		 nbad;		/* lines that were reported */
	int		 error;		/* errno: nothing can be used */
	struct aliases_row row;
	struct aliases_entry entry;
	struct buf	 text;		/* owned: of a target or name */
	struct aliases	*aliases;	/* lent: where alias lines go */
	struct targets	*targets;	/* lent: where those of others go */
	struct aliases_pool pool;
};
}

%code provides {
int	aliases_yylex(ALIASES_YYSTYPE *, void *scanner);
int	aliases_yylex_init_extra(struct aliases_run *, void **scanner);
int	aliases_yylex_destroy(void *scanner);
/* The text must be writable and end in two NULs, which len counts. */
struct yy_buffer_state *aliases_yy_scan_buffer(char *, size_t len,
	    void *scanner);
}

%code {
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/array.h"
#include "lib/text.h"

#define ALIASES_MAX		500000	/* names in a file */
#define INCLUDE		":include:"
#define BLANKS		" \t"
#define SHOWN_MAX		60	/* bytes of a target in a report */

static void	aliases_yyerror(void *, struct aliases_run *, const char *);
static int	add_name(struct aliases_run *, const struct word *);
static int	add_plain(struct aliases_run *, const struct word *);
static int	add_quoted(struct aliases_run *, const struct word *);
static int	add_command(struct aliases_run *, const struct word *);
static int	add_phrase(struct aliases_run *, const struct word *first,
		    const struct word *last);
static void	end_alias(struct aliases_run *);
static void	spoil_line(struct aliases_run *);
static void	drop_row(struct aliases_run *);
}

%token		ALIASES_FILE LIST_FILE
%token		BAD	"invalid text"
%token		COLON	"colon"
%token		COMMA	"comma"
%token		EOL	"end of line"
%token		NAME	"name"
%token		WORD	"target"
%token		QUOTED	"quoted text"
%token		COMMAND	"command"

%%

file
	: ALIASES_FILE lines
	| LIST_FILE rows
		{
			*w->targets = w->entry.alias.targets;
			memset(&w->entry, 0, sizeof(w->entry));
		}
	;

rows
	: %empty
	| rows list EOL
		{
			w->entry.nkept = w->entry.alias.targets.n;
		}
	| rows error EOL
		{
			if (w->is_forward)
				YYABORT;
			drop_row(w);
			yyerrok;
		}
	;

lines
	: %empty
	| lines EOL
	| lines head list EOL		{ end_alias(w); }
	| lines error EOL		{ spoil_line(w); yyerrok; }
	;

head
	: name COLON	{ w->entry.has_head = 1; }
	;

name
	: NAME		{ if (add_name(w, &$1) == -1) YYERROR; }
	| QUOTED	{ if (add_name(w, &$1) == -1) YYERROR; }
	;

list
	: member
	| list COMMA member
	;

member
	: %empty
	| WORD		{ if (add_plain(w, &$1) == -1) YYERROR; }
	| QUOTED	{ if (add_quoted(w, &$1) == -1) YYERROR; }
	| COMMAND	{ if (add_command(w, &$1) == -1) YYERROR; }
	| pieces piece	{ if (add_phrase(w, &$1, &$2) == -1) YYERROR; }
	;

	/* An address with a name or a comment: Ann Lee <ann>, bob (Bob). */
pieces
	: piece
	| pieces piece
	;

piece
	: WORD
	| QUOTED
	;

%%

static void
complain(struct aliases_run *w, unsigned line, const char *text)
{
	w->nbad++;
	w->report->say(w->report->arg, w->file, line, text);
}

static void
aliases_yyerror(void *scanner, struct aliases_run *w, const char *text)
{
	(void)scanner;
	if (w->reason != NULL)
		text = w->reason;
	w->reason = NULL;
	complain(w, w->token_line, text);
}

/* Reports a target that is not accepted; -1. */
static int
refuse(struct aliases_run *w, const struct word *word, const char *what)
{
	struct buf text;

	buf_init(&text, 0);
	buf_printf(&text, "%s: \"", what);
	buf_put_value(&text, word->text, word->len, SHOWN_MAX, "\">");
	buf_putc(&text, '"');
	complain(w, word->line, buf_str(&text));
	buf_fini(&text);
	return -1;
}

static int
broken(struct aliases_run *w)
{
	w->error = ENOMEM;
	return -1;
}

static size_t
count_blanks(const char *p, size_t len)
{
	size_t i = 0;

	while (i < len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i;
}

/* Bytes of the line break at p and all up to the text that goes on. */
static size_t
fold_length(const char *p, size_t len)
{
	size_t i = 0;

	while (i < len && strchr(" \t\r\n", p[i]) != NULL) {
		if (p[i++] != '\n' || i == len)
			continue;
		/* A comment line within a logical line. */
		i += count_blanks(p + i, len - i);
		if (i < len && p[i] == '#')
			while (i < len && p[i] != '\n')
				i++;
	}
	return i;
}

/*
 * Puts a piece of the text on one line.  Of text within quotes the quotes go,
 * and the backslash of a quote or a backslash: other ones are meant for the
 * command.
 */
static void
put_text(struct buf *out, const struct word *word, int is_quoted)
{
	const char *p = word->text;
	size_t i, len = word->len - (is_quoted ? 1 : 0);

	for (i = is_quoted ? 1 : 0; i < len; i++) {
		if (p[i] == '\n' || p[i] == '\r') {
			i += fold_length(p + i, len - i) - 1;
			buf_putc(out, ' ');
			continue;
		}
		if (is_quoted && p[i] == '\\' && i + 1 < len &&
		    (p[i + 1] == '"' || p[i + 1] == '\\'))
			i++;
		buf_putc(out, p[i] == '\t' ? ' ' : p[i]);
	}
}

/* 1 when an address or name needs no quotes around it. */
static int
is_plain(const char *text)
{
	return text[0] != '\0' && strpbrk(text, " \t\"(),:;<>[]\\") == NULL;
}

static int
is_address(const char *text)
{
	struct buf one;
	int ok;

	buf_init(&one, ADDRESS_MAX);
	ok = addr_one(text, &one) == 0 && one.len > 0 && !buf_failed(&one);
	buf_fini(&one);
	return ok;
}

static int
add_target(struct aliases_run *w, const struct word *word,
    enum target_kind kind)
{
	struct targets *ts = &w->entry.alias.targets;
	struct buf *text = &w->text;
	struct target *t;

	if (text->len == 0)
		return refuse(w, word, "a target is missing");
	if (text->len > TARGET_MAX)
		return refuse(w, word, "target is too long");
	if (!text_is_clean(text->data, text->len))
		return refuse(w, word, "control character in a target");
	if ((kind == TARGET_ADDRESS || kind == TARGET_MAILBOX) &&
	    !is_address(text->data))
		return refuse(w, word, "not an address");
	if (ts->n == TARGETS_MAX)
		return refuse(w, word, "too many targets");
	if (array_grow(&ts->list, &ts->cap, ts->n, sizeof(*t)) == -1)
		return broken(w);
	t = &ts->list[ts->n];
	t->kind = kind;
	t->is_loose = 0;
	t->digest = text_digest(text->data, text->len);
	t->text = strdup(text->data);
	if (t->text == NULL)
		return broken(w);
	ts->n++;
	return 0;
}

static int
add_path(struct aliases_run *w, const struct word *word)
{
	if (w->text.len == 1 || strcmp(w->text.data, "~/") == 0)
		return refuse(w, word, "not the path of a file or Maildir");
	return add_target(w, word, TARGET_FILE);
}

static int
add_mailbox(struct aliases_run *w, const struct word *word)
{
	struct buf name;
	const char *text;

	buf_drop(&w->text, 1);
	text = w->text.data;
	if (text[0] != '"' && (text[0] == '\0' ||
	    strpbrk(text, "(),:;<>[]/|!~") != NULL))
		return refuse(w, word, "no user name after \\ or !");
	if (strpbrk(text, "\"@") != NULL)
		return add_target(w, word, TARGET_MAILBOX);
	buf_init(&name, 0);
	addr_put_local(&name, text);
	buf_reset(&w->text);
	buf_puts(&w->text, buf_str(&name));
	buf_fini(&name);
	return add_target(w, word, TARGET_MAILBOX);
}

static int
add_bar(struct aliases_run *w, const struct word *word)
{
	struct buf *text = &w->text;

	buf_drop(text, 1 + strspn(text->data + 1, BLANKS));
	while (text->len > 0 && text->data[text->len - 1] == ' ')
		text->data[--text->len] = '\0';
	return add_target(w, word, TARGET_PIPE);
}

static int
add_include(struct aliases_run *w, const struct word *word)
{
	const char *path = w->text.data + strlen(INCLUDE);

	path += strspn(path, BLANKS);
	buf_drop(&w->text, (size_t)(path - w->text.data));
	path = w->text.data;
	if (*path != '/' && (!w->is_forward || strncmp(path, "~/", 2) != 0))
		return refuse(w, word, w->is_forward ?
		    "the path of a list must begin with / or ~/" :
		    "the path of a list must begin with /");
	return add_target(w, word, TARGET_INCLUDE);
}

/* What a target is shows in its first character. */
static int
sort_target(struct aliases_run *w, const struct word *word)
{
	const char *text = buf_str(&w->text);

	if (buf_failed(&w->text))
		return broken(w);
	switch (text[0]) {
	case '|':
		return add_bar(w, word);
	case '/':
		return add_path(w, word);
	case '\\':
	case '!':
		return add_mailbox(w, word);
	case '~':
		if (w->is_forward && text[1] == '/')
			return add_path(w, word);
		return refuse(w, word, "a path must begin with /");
	case ':':
		if (text_ncasecmp(text, INCLUDE, strlen(INCLUDE)) == 0)
			return add_include(w, word);
		return refuse(w, word, "invalid target");
	default:
		if (strchr(text, '/') != NULL && strchr(text, '@') == NULL)
			return refuse(w, word, "a path must begin with /");
		return add_target(w, word, TARGET_ADDRESS);
	}
}

static int
add_plain(struct aliases_run *w, const struct word *word)
{
	buf_reset(&w->text);
	buf_add(&w->text, word->text, word->len);
	return sort_target(w, word);
}

static int
add_quoted(struct aliases_run *w, const struct word *word)
{
	const char *text;

	buf_reset(&w->text);
	put_text(&w->text, word, 1);
	text = buf_str(&w->text);
	if (text[0] == '\0' || strchr("|/\\!:~", text[0]) != NULL ||
	    is_plain(text))
		return sort_target(w, word);
	return add_plain(w, word);	/* the quotes are needed */
}

/* Bytes of the quoted text at p, quotes included; 0 when there is none. */
static size_t
quoted_length(const char *p, size_t len)
{
	size_t i;

	if (len == 0 || p[0] != '"')
		return 0;
	for (i = 1; i < len; i++) {
		if (p[i] == '"')
			return i + 1;
		if (p[i] == '\\')
			i++;
	}
	return 0;
}

static int
add_command(struct aliases_run *w, const struct word *word)
{
	struct word inner = *word;
	size_t n;

	n = 1 + count_blanks(word->text + 1, word->len - 1);
	inner.text += n;
	inner.len -= n;
	while (inner.len > 0 && strchr(" \t\r\n", inner.text[inner.len - 1]))
		inner.len--;
	n = quoted_length(inner.text, inner.len);
	buf_reset(&w->text);
	buf_putc(&w->text, '|');
	put_text(&w->text, &inner, n != 0 && n == inner.len);
	return sort_target(w, word);
}

/* From the first piece to the last, which stand in one text. */
static int
add_phrase(struct aliases_run *w, const struct word *first,
    const struct word *last)
{
	struct word all = *first;
	const char *text;

	all.len = (size_t)(last->text - first->text) + last->len;
	buf_reset(&w->text);
	put_text(&w->text, &all, 0);
	if (buf_failed(&w->text))
		return broken(w);
	text = w->text.data;
	if (strchr("/\\!~:", text[0]) != NULL || strpbrk(text, "<(") == NULL)
		return refuse(w, first, "targets must be separated by commas");
	return add_target(w, &all, TARGET_ADDRESS);
}

static void
free_alias(struct alias *a)
{
	free(a->name);
	targets_fini(&a->targets);
}

static void
drop_line(struct aliases_run *w)
{
	w->reason = NULL;
	free_alias(&w->entry.alias);
	memset(&w->entry, 0, sizeof(w->entry));
}

/* Of a list: what the bad line named before the error is not used. */
static void
drop_row(struct aliases_run *w)
{
	struct targets *ts = &w->entry.alias.targets;

	w->reason = NULL;
	while (ts->n > w->entry.nkept)
		free(ts->list[--ts->n].text);
}

static int
add_name(struct aliases_run *w, const struct word *word)
{
	int is_quoted = word->text[0] == '"';
	struct buf *text = &w->text;

	buf_reset(text);
	put_text(text, word, is_quoted);
	if (buf_failed(text))
		return broken(w);
	if (text->len == 0 || text->len > ADDRESS_MAX ||
	    !text_is_clean(text->data, text->len))
		return refuse(w, word, "invalid name");
	/* It would never be asked for. */
	if (!is_quoted && strchr(text->data, '@') != NULL)
		return refuse(w, word, "a name must not contain @ or a domain");
	free(w->entry.alias.name);
	w->entry.alias.name = strdup(text->data);
	return w->entry.alias.name == NULL ? broken(w) : 0;
}

/* Takes what the alias owns; 0, or -1 without memory or room. */
static int
add_alias(struct aliases_run *w, const struct alias *a)
{
	struct aliases *as = w->aliases;

	if (as->n == ALIASES_MAX) {
		w->error = EFBIG;
		return -1;
	}
	if (array_grow(&as->list, &as->cap, as->n, sizeof(*a)) == -1)
		return broken(w);
	as->list[as->n++] = *a;
	return 0;
}

static void
spoil_name(struct aliases_run *w, const char *name, size_t len)
{
	struct alias bad = { .line = w->row.line, .is_bad = 1 };

	if (len > ADDRESS_MAX)
		return;
	bad.name = strndup(name, len);
	if (bad.name == NULL)
		broken(w);
	else if (add_alias(w, &bad) == -1)
		free(bad.name);
}

static int
is_of_name(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f && strchr("\",:", c) == NULL;
}

/*
 * Each word before the colon may be the name that was meant.  Without a colon
 * it is the rest of something else, which names nobody.
 */
static void
spoil_words(struct aliases_run *w)
{
	const char *end, *p = w->row.text;
	size_t n;

	end = memchr(p, '\n', (size_t)(w->row.next - p));
	end = memchr(p, ':', (size_t)(end == NULL ? w->row.next - p : end - p));
	for (; end != NULL && p < end && *p != '#'; p += n + (n == 0)) {
		for (n = 0; p + n < end && is_of_name(p[n]); n++)
			;
		if (n > 0)
			spoil_name(w, p, n);
	}
}

/* Mail for a name whose line is bad must wait: nobody may call it unknown. */
static void
spoil_line(struct aliases_run *w)
{
	if (w->entry.has_head)
		spoil_name(w, w->entry.alias.name, strlen(w->entry.alias.name));
	else
		spoil_words(w);
	drop_line(w);
}

/* 0 when the line under way is kept. */
static int
keep_line(struct aliases_run *w)
{
	struct alias *a = &w->entry.alias;

	a->line = w->row.line;
	if (a->targets.n == 0) {
		complain(w, a->line, "name without targets");
		return -1;
	}
	if (add_alias(w, a) == -1)
		return -1;
	memset(&w->entry, 0, sizeof(w->entry));
	return 0;
}

static void
end_alias(struct aliases_run *w)
{
	if (keep_line(w) == -1)
		spoil_line(w);
}

static int
compare_aliases(const void *a, const void *b)
{
	const struct alias *x = a, *y = b;
	int n;

	n = text_casecmp(x->name, y->name);
	if (n != 0)
		return n;
	if (x->is_bad != y->is_bad)
		return x->is_bad - y->is_bad;
	return x->line < y->line ? -1 : x->line > y->line;
}

/* The first good line of a name holds; further good ones are reported. */
static void
sort_aliases(struct aliases_run *w)
{
	struct aliases *as = w->aliases;
	char text[64];
	size_t i, n = 0;

	if (as->n == 0)
		return;
	qsort(as->list, as->n, sizeof(*as->list), compare_aliases);
	for (i = 1; i < as->n; i++) {
		if (text_casecmp(as->list[i].name, as->list[n].name) != 0) {
			as->list[++n] = as->list[i];
			continue;
		}
		snprintf(text, sizeof(text), "duplicate name: line %u is used",
		    as->list[n].line);
		if (!as->list[i].is_bad)
			complain(w, as->list[i].line, text);
		free_alias(&as->list[i]);
	}
	as->n = n + 1;
}

/* A writable copy for the scanner: one line break before and after it. */
static void
copy_text(struct buf *copy, const char *text, size_t len)
{
	size_t bom = text_bom(text, len);

	buf_init(copy, 0);
	buf_putc(copy, '\n');
	buf_add(copy, text + bom, len - bom);
	buf_add(copy, "\n", sizeof("\n"));
}

static int
scan(struct aliases_run *w, const char *text, size_t len)
{
	struct buf copy;
	void *scanner;
	int ret = -1;

	copy_text(&copy, text, len);
	buf_init(&w->text, 0);
	w->row.text = w->row.next = copy.data;
	if (!buf_failed(&copy) &&
	    aliases_yylex_init_extra(w, &scanner) == 0) {
		/* The NUL that ends any buf is the second one. */
		if (aliases_yy_scan_buffer(copy.data, copy.len + 1,
		    scanner) != NULL && aliases_yyparse(scanner, w) == 0)
			ret = 0;
		aliases_yylex_destroy(scanner);
	}
	buf_fini(&copy);
	buf_fini(&w->text);
	drop_line(w);
	return ret;
}

/* 0, or -1 when the text as a whole is refused. */
static int
run(struct aliases_run *w, const char *text, size_t len)
{
	int ret = -1;

	if (len > ALIASES_BYTES_MAX)
		w->error = EFBIG;
	else
		ret = scan(w, text, len);
	if (w->error == EFBIG)
		complain(w, 0, ALIASES_TOO_LARGE);
	return w->error != 0 ? -1 : ret;
}

int
aliases_parse(struct aliases *as, const char *text, size_t len,
    const char *file, const struct report *report)
{
	struct aliases_run w = { .start = ALIASES_FILE, .file = file,
	    .report = report, .aliases = as };

	memset(as, 0, sizeof(*as));
	if (run(&w, text, len) == -1) {
		aliases_fini(as);
		errno = w.error != 0 ? w.error : ENOMEM;
		return -1;
	}
	sort_aliases(&w);
	return w.nbad;
}

/* The number of bad lines, or -1 when nothing of it is used. */
static int
parse_targets(struct aliases_run *w, const char *text, size_t len)
{
	memset(w->targets, 0, sizeof(*w->targets));
	if (run(w, text, len) == 0)
		return w->nbad;
	targets_fini(w->targets);
	return -1;
}

int
forward_parse(struct targets *ts, const char *text, size_t len,
    const char *file, const struct report *report)
{
	struct aliases_run w = { .start = LIST_FILE, .is_forward = 1,
	    .file = file, .report = report, .targets = ts };

	return parse_targets(&w, text, len);
}

int
list_parse(struct targets *ts, const char *text, size_t len, const char *file,
    const struct report *report)
{
	struct aliases_run w = { .start = LIST_FILE, .file = file,
	    .report = report, .targets = ts };

	return parse_targets(&w, text, len);
}

/* In quotes, or after a backslash, the name may look different. */
static int
may_name(const char *line, size_t len, const char *name)
{
	const char *colon = memchr(line, ':', len);
	size_t end = colon == NULL ? len : (size_t)(colon - line);
	size_t k, n = strlen(name);

	for (k = 0; k < end; k++)
		if (line[k] == '"' || line[k] == '\\' ||
		    (end - k >= n && text_ncasecmp(line + k, name, n) == 0))
			return 1;
	return 0;
}

void
aliases_cut(const char *text, size_t len, const char *name, struct buf *out)
{
	const char *end = text + len, *line, *next;
	int has_begun = 0, is_wanted = 0;

	for (line = text; line < end; line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		next = next == NULL ? end : next + 1;
		/* Others are comments, or go on with the line before. */
		if (line[0] == '\0' || strchr(has_begun ? " \t\r\n#" :
		    "\r\n#", line[0]) == NULL) {
			is_wanted = may_name(line, (size_t)(next - line),
			    name);
			has_begun = 1;
		}
		if (!is_wanted)
			continue;
		/* A byte order mark is one at the start of the file alone. */
		if (out->len == 0 && line != text &&
		    text_bom(line, (size_t)(end - line)) > 0)
			buf_add(out, "\n", 1);
		buf_add(out, line, (size_t)(next - line));
	}
}

static int
compare_name(const void *name, const void *alias)
{
	return text_casecmp(name, ((const struct alias *)alias)->name);
}

const struct alias *
aliases_find(const struct aliases *as, const char *name)
{
	return as->n == 0 ? NULL : bsearch(name, as->list, as->n,
	    sizeof(*as->list), compare_name);
}

void
aliases_fini(struct aliases *as)
{
	size_t i;

	for (i = 0; i < as->n; i++)
		free_alias(&as->list[i]);
	free(as->list);
	memset(as, 0, sizeof(*as));
}

int
targets_have_command(const struct targets *ts)
{
	size_t i;

	for (i = 0; i < ts->n; i++)
		if (ts->list[i].kind == TARGET_PIPE ||
		    ts->list[i].kind == TARGET_FILE)
			return 1;
	return 0;
}

void
targets_fini(struct targets *ts)
{
	size_t i;

	for (i = 0; i < ts->n; i++)
		free(ts->list[i].text);
	free(ts->list);
	memset(ts, 0, sizeof(*ts));
}
