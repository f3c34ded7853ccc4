/*
 * header.c - the header block of a message: lines, repair, recipients.
 * Runs as: anyone.  Uses: nothing.
 * Promise: Bcc never comes out; a field that is not understood comes out as
 * it went in.
 */
#include <stdio.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/header.h"

#define QUALIFY_MAX	20000	/* bare names of a block that get a domain */
#define TIME_MAX	INT64_C(253402300799)	/* the end of the year 9999 */

/* What a field is for us; a blank one of the required is as good as none. */
#define FIELD_FROM		0x0001
#define FIELD_DATE		0x0002
#define FIELD_ID		0x0004
#define FIELD_RESENT_FROM	0x0008
#define FIELD_RESENT_DATE	0x0010
#define FIELD_RESENT_ID		0x0020
#define FIELD_REQUIRED		0x003f
#define FIELD_TO		0x0040	/* names recipients for -t */
#define FIELD_RESENT_TO		0x0080	/* and then takes over */
#define FIELD_QUALIFY		0x0100	/* a list of addresses */
#define FIELD_DROP		0x0200
#define FIELD_HOP		0x0400
#define FIELD_RESENT		0x0800
#define FIELD_REPLY_TO		0x1000
#define FIELD_IDENTITY		0x2000	/* says who sends */

struct known {
	char		 name[20];
	unsigned	 flags;
};

static const struct known known[] = {
	{ "From",		FIELD_QUALIFY | FIELD_IDENTITY | FIELD_FROM },
	{ "Sender",		FIELD_QUALIFY | FIELD_IDENTITY },
	{ "Reply-To",		FIELD_QUALIFY | FIELD_IDENTITY |
				FIELD_REPLY_TO },
	{ "To",			FIELD_QUALIFY | FIELD_TO },
	{ "Cc",			FIELD_QUALIFY | FIELD_TO },
	{ "Bcc",		FIELD_DROP | FIELD_TO },
	{ "Date",		FIELD_DATE },
	{ "Message-ID",		FIELD_ID },
	{ "Resent-From",	FIELD_QUALIFY | FIELD_IDENTITY |
				FIELD_RESENT_FROM },
	{ "Resent-Sender",	FIELD_QUALIFY | FIELD_IDENTITY },
	{ "Resent-Reply-To",	FIELD_QUALIFY | FIELD_IDENTITY },
	{ "Resent-To",		FIELD_QUALIFY | FIELD_RESENT_TO },
	{ "Resent-Cc",		FIELD_QUALIFY | FIELD_RESENT_TO },
	{ "Resent-Bcc",		FIELD_DROP | FIELD_RESENT_TO },
	{ "Resent-Date",	FIELD_RESENT_DATE },
	{ "Resent-Message-ID",	FIELD_RESENT_ID },
	{ "Return-Path",	FIELD_DROP },
	{ "Received",		FIELD_HOP },
	{ "Delivered-To",	FIELD_HOP },
};

struct field {
	const char	*text;		/* name, value, folded lines, last LF */
	size_t		 len;
	size_t		 value;		/* where the value begins in text */
	const char	*name;		/* of known[], or "" */
	unsigned	 flags;
};

struct block {
	const char	*text;
	size_t		 len;		/* of the fields alone */
	unsigned	 seen;		/* FIELD_* */
	unsigned	 hops;
	unsigned	 nqualified;
	int		 has_author;	/* a From is out */
};

static size_t
line_len(const char *text, size_t len)
{
	const char *nl = len == 0 ? NULL : memchr(text, '\n', len);

	return nl == NULL ? len : (size_t)(nl - text) + 1;
}

/* Bytes of a field's name when a colon follows, else 0 (RFC 5322 2.2). */
static size_t
name_len(const char *text, size_t len, size_t *value)
{
	size_t i, n;

	for (n = 0; n < len && text[n] > ' ' && text[n] < 0x7f &&
	    text[n] != ':'; n++)
		;
	for (i = n; i < len && text_is_blank(text[i]); i++)
		;
	if (n == 0 || i == len || text[i] != ':')
		return 0;
	*value = i + 1;
	return n;
}

enum header_line
header_line_kind(const char *text, size_t len)
{
	size_t value, n = line_len(text, len);

	if (n == 0 || text[0] == '\n' ||
	    (n == 2 && text[0] == '\r' && text[1] == '\n'))
		return HEADER_LINE_BLANK;
	if (text_is_blank(text[0]))
		return HEADER_LINE_FOLDED;
	if (name_len(text, n, &value) > 0)
		return HEADER_LINE_FIELD;
	if ((n >= 5 && memcmp(text, "From ", 5) == 0) ||
	    (n >= 6 && memcmp(text, ">From ", 6) == 0))
		return HEADER_LINE_FROM_;
	return HEADER_LINE_OTHER;
}

static void
name_field(struct field *f, const char *name, size_t len)
{
	size_t i;

	f->name = "";
	f->flags = 0;
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strlen(known[i].name) != len ||
		    text_ncasecmp(known[i].name, name, len) != 0)
			continue;
		f->name = known[i].name;
		f->flags = known[i].flags;
		break;
	}
	if (len > 7 && text_ncasecmp(name, "Resent-", 7) == 0)
		f->flags |= FIELD_RESENT;
}

/* The field that begins at *pos, which moves past it; 0 at the end. */
static int
next_field(const char *text, size_t len, size_t *pos, struct field *f)
{
	size_t n, end;

	f->text = text + *pos;
	n = name_len(f->text, line_len(f->text, len - *pos), &f->value);
	if (n == 0)
		return 0;
	name_field(f, f->text, n);
	end = *pos + line_len(f->text, len - *pos);
	while (end < len && text_is_blank(text[end]))
		end += line_len(text + end, len - end);
	f->len = end - *pos;
	*pos = end;
	return 1;
}

static int
is_white_only(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!text_is_blank(text[i]) && text[i] != '\n')
			return 0;
	}
	return 1;
}

/* A required field that says nothing; strict receivers refuse it. */
static int
is_void(const struct field *f)
{
	return (f->flags & FIELD_REQUIRED) != 0 &&
	    is_white_only(f->text + f->value, f->len - f->value);
}

static void
survey(struct block *b, const char *text, size_t len)
{
	struct field f;
	size_t pos = 0;

	while (pos < len &&
	    header_line_kind(text + pos, len - pos) == HEADER_LINE_FROM_)
		pos += line_len(text + pos, len - pos);
	memset(b, 0, sizeof(*b));
	b->text = len == 0 ? "" : text + pos;
	len -= pos;
	pos = 0;
	while (next_field(b->text, len, &pos, &f)) {
		b->seen |= is_void(&f) ? f.flags & FIELD_RESENT : f.flags;
		if ((f.flags & FIELD_HOP) != 0)
			b->hops++;
	}
	b->len = pos;
}

struct listing {
	const struct header_env *env;
	const struct field *field;
	const char	*value;
	size_t		 len;		/* of it */
	size_t		 done;		/* bytes of value that are out */
	int		 failed;
	struct block	*block;
	struct buf	*out;
};

/* Adds what stands for an address as a local part, if it names a user. */
static int
put_user(const struct listing *l, const struct addr_found *found,
    struct buf *out)
{
	struct buf name;
	int is_user;

	if (l->env->is_user == NULL || found->name_end <= found->name)
		return 0;
	buf_init(&name, 0);
	buf_add(&name, l->value + found->name, found->name_end - found->name);
	is_user = !buf_failed(&name) &&
	    text_is_clean(buf_str(&name), name.len) &&
	    l->env->is_user(l->env->arg, buf_str(&name));
	if (is_user)
		addr_put_local(out, buf_str(&name));
	buf_fini(&name);
	return is_user;
}

static int
take_recipient(void *arg, const struct addr_found *found)
{
	struct listing *l = arg;
	const char *text = l->value + found->start;
	size_t len = found->end - found->start;
	struct buf address;

	buf_init(&address, 0);
	if (!found->is_bad && addr_canonical(text, len, &address) == -1)
		l->failed = 1;
	if (found->is_bad && !put_user(l, found, &address))
		l->env->bad(l->env->arg, l->field->name, text, len);
	else if (!l->failed && !buf_failed(&address))
		l->env->recipient(l->env->arg, buf_str(&address));
	l->failed |= buf_failed(&address);
	buf_fini(&address);
	return 0;
}

static int
take_recipients(const struct block *b, const struct header_env *env)
{
	struct field f;
	struct listing l = { .env = env, .field = &f };
	unsigned which;
	size_t pos = 0;

	which = (b->seen & FIELD_RESENT_TO) != 0 ? FIELD_RESENT_TO : FIELD_TO;
	while (next_field(b->text, b->len, &pos, &f)) {
		if ((f.flags & which) == 0)
			continue;
		l.value = f.text + f.value;
		addr_walk(l.value, f.len - f.value, take_recipient, &l);
	}
	return l.failed ? -1 : 0;
}

/*
 * Adds what stands for a name of this host, without its domain; nothing when
 * it is none.  8-bit alone is more likely somebody's name, unless it is that
 * of a user.  What needs quotes gets them, all else stays as it is.
 */
static void
put_bare(const struct listing *l, const struct addr_found *found,
    struct buf *out)
{
	struct addr_found whole = *found;
	const char *text = l->value + found->start;
	size_t len = found->end - found->start;

	whole.name = found->start;
	whole.name_end = found->end;
	if (found->is_bad)
		put_user(l, found, out);
	else if (found->is_bare && !text_is_ascii(text, len))
		put_user(l, &whole, out);
	else if (found->is_bare)
		addr_canonical(text, len, out);
	if (out->len > 0 && !found->is_bad && text[0] != '\\' &&
	    (buf_str(out)[0] != '"' || text[0] == '"')) {
		buf_reset(out);
		buf_add(out, text, len);
	}
}

/* 1 when there is nothing beside the address but white space. */
static int
is_alone(const struct listing *l, size_t start, size_t end)
{
	return is_white_only(l->value, start) &&
	    is_white_only(l->value + end, l->len - end);
}

/* address: as it is without FROM_MAP, with its domain. */
static void
put_identity(const struct listing *l, const struct addr_found *found,
    const char *address, size_t start, size_t end)
{
	struct header_identity identity = { NULL, NULL };
	struct buf canonical;

	buf_init(&canonical, 0);
	if (addr_one(address, &canonical) == -1 || buf_failed(&canonical) ||
	    !l->env->identity(l->env->arg, buf_str(&canonical), &identity)) {
		buf_puts(l->out, address);
	} else if (identity.name != NULL && !found->in_angle &&
	    is_alone(l, start, end)) {
		addr_put_phrase(l->out, identity.name);
		buf_printf(l->out, " <%s>", identity.address);
	} else {
		buf_puts(l->out, identity.address);
	}
	buf_fini(&canonical);
}

/* An address is completed by the domain of this host, and replaced. */
static int
put_address(void *arg, const struct addr_found *found)
{
	struct listing *l = arg;
	size_t start = found->is_bad ? found->name : found->start;
	size_t end = found->is_bad ? found->name_end : found->end;
	int has_identity = l->env->identity != NULL &&
	    (l->field->flags & FIELD_IDENTITY) != 0;
	struct buf name;

	if (l->block->nqualified >= QUALIFY_MAX)
		return 0;
	buf_init(&name, 0);
	put_bare(l, found, &name);
	if (name.len > 0)
		buf_printf(&name, "@%s", l->env->mailname);
	else if (has_identity && !found->is_bad)
		buf_add(&name, l->value + start, end - start);
	if (name.len > 0 && !buf_failed(&name)) {
		buf_add(l->out, l->value + l->done, start - l->done);
		if (has_identity)
			put_identity(l, found, buf_str(&name), start, end);
		else
			buf_puts(l->out, buf_str(&name));
		l->done = end;
		l->block->nqualified++;
	}
	buf_fini(&name);
	return 0;
}

/* Some encodings shift by controls: then a comma may be half a character. */
static int
is_readable(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (((unsigned char)text[i] < 0x20 && text[i] != '\t' &&
		    text[i] != '\n') || text[i] == 0x7f)
			return 0;
	}
	return 1;
}

/* The value of a field, and the end of its line. */
static void
put_value(struct buf *out, const struct field *f, struct block *b,
    const struct header_env *env)
{
	struct listing l = { .env = env, .field = f, .block = b, .out = out,
	    .value = f->text + f->value, .len = f->len - f->value };
	size_t len = l.len;
	int is_kept = (f->flags & FIELD_FROM) != 0 &&
	    env->from == HEADER_FROM_OFF;

	if ((f->flags & FIELD_QUALIFY) != 0 && !is_kept &&
	    is_readable(l.value, len))
		addr_walk(l.value, len, put_address, &l);
	buf_add(out, l.value + l.done, len - l.done);
	if (f->text[f->len - 1] != '\n')
		buf_putc(out, '\n');
}

/* The one address of a From, and whether there are others or bad ones. */
struct author {
	struct addr_found found;
	unsigned	 n;
};

static int
count_author(void *arg, const struct addr_found *found)
{
	struct author *author = arg;

	author->found = *found;
	author->n += found->is_bad || found->in_group ? 2 : 1;
	return 0;
}

/* 1 when that is the sender's address: From says who sends. */
static int
is_sender(const struct header_env *env, const char *text, size_t len)
{
	struct buf address;
	int ret;

	buf_init(&address, 0);
	ret = addr_canonical(text, len, &address);
	if (ret == 0 && addr_domain(buf_str(&address)) == NULL)
		buf_printf(&address, "@%s", env->mailname);
	ret = ret == 0 && strcmp(buf_str(&address), env->sender) == 0;
	buf_fini(&address);
	return ret;
}

/* The sender in place of the address; a name beside a single one stays. */
static void
put_author(struct buf *out, const char *value, size_t len,
    const struct author *author, const struct header_env *env)
{
	const struct addr_found *at = &author->found;

	buf_puts(out, "From:");
	if (author->n != 1) {
		buf_printf(out, " %s\n", env->sender);
		return;
	}
	buf_add(out, value, at->start);
	buf_puts(out, env->sender);
	buf_add(out, value + at->end, len - at->end);
	if (value[len - 1] != '\n')
		buf_putc(out, '\n');
}

static void
put_forced(struct buf *out, const struct field *f, struct block *b,
    const struct header_env *env)
{
	const char *value = f->text + f->value, *name = "From:";
	size_t len = f->len - f->value;
	struct author author = { .n = 0 };

	if (is_readable(value, len))
		addr_walk(value, len, count_author, &author);
	if (b->has_author || author.n != 1 || !is_sender(env,
	    value + author.found.start,
	    author.found.end - author.found.start)) {
		if (!b->has_author)
			put_author(out, value, len, &author, env);
		name = (b->seen & FIELD_REPLY_TO) == 0 ? "Reply-To:" :
		    "X-Original-From:";
		b->seen |= FIELD_REPLY_TO;
	}
	b->has_author = 1;
	buf_puts(out, name);
	put_value(out, f, b, env);
}

static void
put_field(struct buf *out, const struct field *f, struct block *b,
    const struct header_env *env)
{
	if ((f->flags & FIELD_FROM) != 0 && env->from == HEADER_FROM_FORCE &&
	    env->sender[0] != '\0') {
		put_forced(out, f, b, env);
		return;
	}
	buf_add(out, f->text, f->value);
	put_value(out, f, b, env);
}

static void
put_sender(struct buf *out, const char *field, const struct header_env *env)
{
	int is_named = env->fullname != NULL && env->fullname[0] != '\0';
	const char *sender = env->sender;

	if (sender[0] == '\0')
		sender = "MAILER-DAEMON";
	buf_printf(out, "%s: ", field);
	if (is_named) {
		addr_put_phrase(out, env->fullname);
		buf_puts(out, " <");
	}
	buf_puts(out, sender);
	if (addr_domain(sender) == NULL)
		buf_printf(out, "@%s", env->mailname);
	buf_puts(out, is_named ? ">\n" : "\n");
}

static void
put_id(struct buf *out, const char *field, const struct header_env *env)
{
	buf_printf(out, "%s: <%s.%lld@%s>\n", field, env->queue_id,
	    (long long)env->now, env->mailname);
}

static void
put_date(struct buf *out, const char *field, time_t now)
{
	char date[40];

	header_date(date, sizeof(date), now);
	buf_printf(out, "%s: %s\n", field, date);
}

static void
put_top(struct buf *out, const struct block *b, const struct header_env *env)
{
	char date[40];

	header_date_utc(date, sizeof(date), env->now);
	buf_printf(out, "Received: by %s (dma %s)\n\t%s%s%sid %s; %s\n",
	    env->mailname, env->version, env->protocol == NULL ? "" : "with ",
	    env->protocol == NULL ? "" : env->protocol,
	    env->protocol == NULL ? "" : " ", env->queue_id, date);
	if ((b->seen & FIELD_RESENT) == 0)
		return;
	if ((b->seen & FIELD_RESENT_DATE) == 0)
		put_date(out, "Resent-Date", env->now);
	if ((b->seen & FIELD_RESENT_ID) == 0)
		put_id(out, "Resent-Message-ID", env);
	if ((b->seen & FIELD_RESENT_FROM) == 0)
		put_sender(out, "Resent-From", env);
}

static void
put_bottom(struct buf *out, const struct block *b, const struct header_env *env)
{
	if ((b->seen & FIELD_DATE) == 0)
		put_date(out, "Date", env->now);
	if ((b->seen & FIELD_ID) == 0)
		put_id(out, "Message-ID", env);
	if ((b->seen & FIELD_FROM) == 0)
		put_sender(out, "From", env);
	buf_putc(out, '\n');
}

/* CRs before LF go, others become a blank: on the wire they end lines. */
static void
drop_crs(struct buf *out, const char *text, size_t len)
{
	const char *cr, *end = text + len;
	size_t n;

	while (text < end) {
		cr = memchr(text, '\r', (size_t)(end - text));
		if (cr == NULL)
			cr = end;
		buf_add(out, text, (size_t)(cr - text));
		for (n = 0; cr < end && *cr == '\r'; cr++)
			n++;
		if (n > 0 && cr < end && *cr != '\n')
			buf_putc(out, ' ');
		text = cr;
	}
}

static void
repair(const char *text, size_t len, struct block *b,
    const struct header_env *env, struct buf *out)
{
	size_t pos = 0, used = (size_t)(b->text - text) + b->len;
	struct field f;

	put_top(out, b, env);
	while (next_field(b->text, b->len, &pos, &f)) {
		if ((f.flags & FIELD_DROP) == 0 && !is_void(&f))
			put_field(out, &f, b, env);
	}
	put_bottom(out, b, env);
	if (used < len)
		buf_add(out, text + used, len - used);
}

int
header_repair(const char *header, size_t len, const struct header_env *env,
    struct buf *out, unsigned *hops)
{
	struct block b;
	struct buf clean;
	int ret = -1;

	buf_init(&clean, 0);
	if (len > 0 && memchr(header, '\r', len) != NULL) {
		drop_crs(&clean, header, len);
		if (buf_failed(&clean))
			goto out;
		header = buf_str(&clean);
		len = clean.len;
	}
	survey(&b, header, len);
	if (hops != NULL)
		*hops = b.hops;
	if (env->take_recipients && take_recipients(&b, env) == -1)
		goto out;
	repair(header, len, &b, env, out);
	ret = buf_failed(out) ? -1 : 0;
out:
	buf_fini(&clean);
	return ret;
}

/*
 * The calendar repeats every 400 years of 146097 days; here, years begin in
 * March, so that a leap day is the last one.
 */
static void
civil_date(int64_t days, int64_t *year, int *month, int *day)
{
	int64_t left, of_year, years;

	left = days + 719468;		/* since March of the year 0 */
	*year = left / 146097 * 400;
	left %= 146097;
	years = (left - left / 1460 + left / 36524 - left / 146096) / 365;
	of_year = left - (365 * years + years / 4 - years / 100);
	*month = (int)((5 * of_year + 2) / 153);	/* 0: March */
	*day = (int)(of_year - (153 * *month + 2) / 5 + 1);
	*month = (*month + 2) % 12;			/* 0: January */
	*year += years + (*month < 2);
}

/* Not by gmtime_r(3): glibc's reads the file of the local zone. */
void
header_date_utc(char *dst, size_t size, time_t when)
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon",
	    "Tue", "Wed" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May",
	    "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	int64_t t = when >= 0 && (int64_t)when <= TIME_MAX ? when : 0;
	int64_t year;
	int day, month, s = (int)(t % 86400);

	civil_date(t / 86400, &year, &month, &day);
	snprintf(dst, size, "%s, %d %s %d %02d:%02d:%02d +0000",
	    days[t / 86400 % 7], day, months[month], (int)year, s / 3600,
	    s / 60 % 60, s % 60);
}

void
header_date(char *dst, size_t size, time_t when)
{
	char day[8], rest[32];
	struct tm tm;

	if (localtime_r(&when, &tm) == NULL)
		gmtime_r(&(time_t){ 0 }, &tm);
	strftime(day, sizeof(day), "%a", &tm);
	strftime(rest, sizeof(rest), "%b %Y %T %z", &tm);
	snprintf(dst, size, "%s, %d %s", day, tm.tm_mday, rest);
}
