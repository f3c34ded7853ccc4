/*
 * mime_downgrade.c - the text of a message made fit for a host that takes less.
 * Runs as: anyone.  Uses: nothing.
 * Promise: only parts that need it are encoded anew, and decode to what they
 * were; what is signed or encrypted is never touched; all else comes out as
 * it went in, but for CR, which ends a line, and NUL, which is dropped.
 */
#include <string.h>

#include "lib/addr.h"
#include "lib/buf.h"
#include "lib/header.h"
#include "lib/mail.h"
#include "lib/mime_downgrade.h"

/* Fields of the header under way. */
#define SEEN_TYPE	0x01
#define SEEN_CODING	0x02
#define SEEN_VERSION	0x04

enum change { KEEP, TO_QP, TO_QP_AGAIN, TO_7BIT };

static struct mime_part *
this_part(const struct mime *m)
{
	return &m->plan->parts[m->part];
}

/* 1. What the plan means. */

static enum change
change_of(const struct mime_part *p, unsigned lacks)
{
	int is_wide = (p->facts & MIME_HAS_8BIT) != 0 &&
	    (lacks & MIME_NO_8BIT) != 0;

	if (p->kind == MIME_SEALED)
		return KEEP;
	if (p->kind == MIME_MULTIPART || p->kind == MIME_MESSAGE)
		return is_wide && p->coding == MIME_8BIT ? TO_7BIT : KEEP;
	if ((!is_wide && (p->facts & MIME_HAS_LONG) == 0) ||
	    p->coding == MIME_BASE64)
		return KEEP;
	return p->coding == MIME_QP ? TO_QP_AGAIN : TO_QP;
}

static enum change
this_change(const struct mime *m)
{
	return m->pass == MIME_SCAN ? KEEP : change_of(this_part(m), m->lacks);
}

const char *
mime_verdict(const struct mime_plan *plan, unsigned lacks, int *is_needless)
{
	const struct mime_part *p;

	*is_needless = !plan->has_long_field &&
	    (lacks & (MIME_NO_8BIT | MIME_NO_8BIT_HEADER)) == 0;
	for (p = plan->parts; p < plan->parts + plan->nparts; p++) {
		if (change_of(p, lacks) != KEEP)
			*is_needless = 0;
		if ((lacks & MIME_NO_8BIT) == 0 ||
		    (lacks & MIME_AT_ANY_COST) != 0 ||
		    (p->facts & MIME_HAS_8BIT) == 0)
			continue;
		if (p->kind == MIME_SEALED)
			return "8-bit text in a part that is signed, encrypted "
			    "or of unknown structure";
		if (p->coding == MIME_BASE64 && p->kind != MIME_MULTIPART &&
		    p->kind != MIME_MESSAGE)
			return "8-bit text in a part declared as base64";
	}
	return NULL;
}

/* 2. Parts. */

/* In pass one, that this part and those around it have this. */
static void
note(struct mime *m, unsigned facts)
{
	unsigned i;

	if (m->pass == MIME_WRITE)
		return;
	this_part(m)->facts |= (uint8_t)facts;
	for (i = 0; (facts & MIME_HAS_8BIT) != 0 && i < m->nlevels; i++)
		m->plan->parts[m->levels[i].part].facts |= MIME_HAS_8BIT;
}

static void
begin_part(struct mime *m, enum mime_owner owner)
{
	struct mime_header *h = &m->header;

	m->place = MIME_IN_HEADER;
	m->part = m->nparts < MIME_PARTS_MAX ? m->nparts++ :
	    MIME_PARTS_MAX - 1;
	m->plan->nparts = m->nparts;
	*h = (struct mime_header){ .owner = owner, .field = h->field,
	    .line = h->line };
	buf_reset(&h->field);
}

static void
end_leaf(struct mime *m, struct buf *out)
{
	enum change change = this_change(m);

	if (m->place != MIME_IN_LEAF)
		return;
	if (m->nutf8 > 0)
		note(m, MIME_NOT_UTF8);
	if (change == TO_QP || change == TO_QP_AGAIN)
		qp_end(&m->qp, out);
}

/* 3. Header fields. */

/* Blanks, folds and comments, from i on. */
static size_t
skip(const char *p, size_t n, size_t i)
{
	size_t depth = 0;

	for (; i < n; i++) {
		if (p[i] == '(')
			depth++;
		else if (p[i] == ')' && depth > 0)
			depth--;
		else if (p[i] == '\\' && depth > 0)
			i++;
		else if (depth == 0 && !text_is_blank(p[i]) && p[i] != '\n')
			break;
	}
	return i < n ? i : n;
}

/* A token in lower case, "" when it is too long; where it ends. */
static size_t
token(const char *p, size_t n, size_t i, char word[MIME_WORD_MAX])
{
	size_t start = i;

	while (i < n && (unsigned char)p[i] > ' ' && p[i] != 0x7f &&
	    strchr("()<>@,;:\\\"/[]?=", p[i]) == NULL)
		i++;
	word[0] = '\0';
	if (i - start >= MIME_WORD_MAX)
		return i;
	text_lower(word, p + start, i - start);
	word[i - start] = '\0';
	return i;
}

/* The value of a parameter; into the boundary when it is one. */
static size_t
parameter_value(struct mime_header *h, const char *p, size_t n, size_t i,
    int is_boundary)
{
	int is_quoted = i < n && p[i] == '"';
	size_t len = 0;

	for (i += (size_t)is_quoted; i < n; i++) {
		if (is_quoted ? p[i] == '"' : text_is_blank(p[i]) ||
		    p[i] == '\n' || p[i] == ';' || p[i] == '(')
			break;
		if (is_quoted && p[i] == '\\' && i + 1 < n)
			i++;
		if (!is_boundary || p[i] == '\n')
			continue;
		if (len < sizeof(h->boundary))
			h->boundary[len] = p[i];
		len++;
	}
	if (is_boundary)
		h->nboundary = len;
	return i;
}

static void
read_type(struct mime_header *h, const char *p, size_t n)
{
	char name[MIME_WORD_MAX];
	size_t i;

	i = skip(p, n, token(p, n, skip(p, n, 0), h->type));
	if (i < n && p[i] == '/')
		i = token(p, n, skip(p, n, i + 1), h->subtype);
	while (i < n) {
		for (; i < n && p[i] != ';'; i++)
			;
		i = skip(p, n, token(p, n, skip(p, n, i + 1), name));
		if (i < n && p[i] == '=')
			i = parameter_value(h, p, n, skip(p, n, i + 1),
			    strcmp(name, "boundary") == 0 &&
			    h->nboundary == 0);
	}
}

/* Unknown words are taken for no coding, as readers do; uuencode is one. */
static void
read_coding(struct mime_header *h, const char *p, size_t n)
{
	char word[MIME_WORD_MAX];

	token(p, n, skip(p, n, 0), word);
	if (strcmp(word, "quoted-printable") == 0)
		h->coding = MIME_QP;
	else if (strcmp(word, "base64") == 0)
		h->coding = MIME_BASE64;
	else if (strcmp(word, "7bit") != 0 && word[0] != '\0')
		h->coding = MIME_8BIT;
	h->is_opaque |= strncmp(word, "x-", 2) == 0 ||
	    strstr(word, "uu") != NULL;
}

static unsigned
field_of(const char *p, size_t n, size_t *value)
{
	static const struct {
		const char	*name;
		unsigned	 flag;
	} fields[] = {
		{ "Content-Type", SEEN_TYPE },
		{ "Content-Transfer-Encoding", SEEN_CODING },
		{ "MIME-Version", SEEN_VERSION },
	};
	size_t i, len, colon;

	for (colon = 0; colon < n && p[colon] != ':'; colon++)
		;
	for (len = colon; len > 0 && text_is_blank(p[len - 1]); len--)
		;
	*value = colon + 1 < n ? colon + 1 : n;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == len &&
		    text_ncasecmp(fields[i].name, p, len) == 0)
			return fields[i].flag;
	return 0;
}

static void
put_coding(struct mime *m, struct buf *out)
{
	buf_printf(out, "Content-Transfer-Encoding: %s\n",
	    this_change(m) == TO_7BIT ? "7bit" : "quoted-printable");
}

static void
put_masked(const char *p, size_t n, struct buf *out)
{
	size_t i;

	for (i = 0; i < n; i++)
		buf_putc(out, (unsigned char)p[i] >= 0x80 ? '?' : p[i]);
}

static size_t
line_len(const char *p, size_t n)
{
	const char *nl = memchr(p, '\n', n);

	return nl == NULL ? n : (size_t)(nl - p);
}

/*
 * Lines of a header, folded where they are too long, as mail_wire() does it
 * with those on top of the message.
 */
static void
put_folded(const char *p, size_t n, struct buf *out)
{
	size_t len, left = line_len(p, n), indent = 0;

	for (; n > 0; p += len, n -= len, left -= len) {
		if (left + indent <= MAIL_WIRE_LINE) {
			len = left + (left < n);
			buf_add(out, p, len);
			left = len + line_len(p + len, n - len);
			indent = 0;
			continue;
		}
		len = mail_fold_at(p, MAIL_WIRE_LINE - indent);
		buf_add(out, p, len);
		indent = !text_is_blank(p[len]);
		buf_puts(out, indent ? "\n " : "\n");
	}
}

/* Those on top of the message are left to mail_wire(). */
static void
put_lines(const struct mime *m, const char *p, size_t n, struct buf *out)
{
	if (m->part > 0)
		put_folded(p, n, out);
	else
		buf_add(out, p, n);
}

static void
put_encoded(struct mime *m, const char *p, size_t n, struct buf *out)
{
	struct buf field;
	int ret;

	buf_init(&field, 0);
	ret = header_downgrade_field(&field, p, n, m->to_ascii);
	if ((m->lacks & MIME_NO_8BIT) != 0 &&
	    !text_is_ascii(buf_str(&field), field.len))
		ret = -1;
	if (ret == 0) {
		put_lines(m, buf_str(&field), field.len, out);
	} else if ((m->lacks & MIME_AT_ANY_COST) != 0) {
		buf_reset(&field);
		put_masked(p, n, &field);
		put_lines(m, buf_str(&field), field.len, out);
	} else {
		m->trouble = "8-bit text that cannot be encoded";
		n = strcspn(p, ": \t");
		if (n >= sizeof(m->trouble_at))
			n = sizeof(m->trouble_at) - 1;
		memcpy(m->trouble_at, p, n);
		m->trouble_at[n] = '\0';
	}
	out->failed |= buf_failed(&field);
	buf_fini(&field);
}

static void
put_field(struct mime *m, unsigned what, int is_first, struct buf *out)
{
	enum change change = this_change(m);
	const char *p = buf_str(&m->header.field);
	size_t n = m->header.field.len;
	unsigned lack = m->part == 0 ? MIME_NO_8BIT_HEADER : MIME_NO_8BIT;

	if (what == SEEN_CODING && change != KEEP && change != TO_QP_AGAIN) {
		if (is_first)
			put_coding(m, out);
	} else if ((m->lacks & lack) == 0 || text_is_ascii(p, n)) {
		put_lines(m, p, n, out);
	} else {
		put_encoded(m, p, n, out);
	}
}

/* The field that was gathered is whole. */
static void
end_field(struct mime *m, struct buf *out)
{
	struct mime_header *h = &m->header;
	const char *p = buf_str(&h->field);
	size_t value, n = h->field.len;
	unsigned what;
	int is_first;

	if (n == 0)
		return;
	what = field_of(p, n, &value);
	is_first = (h->seen & what) == 0;
	h->seen |= what;
	if (is_first && what == SEEN_TYPE)
		read_type(&m->header, p + value, n - value);
	if (is_first && what == SEEN_CODING)
		read_coding(&m->header, p + value, n - value);
	if (m->pass == MIME_WRITE)
		put_field(m, what, is_first, out);
	buf_reset(&h->field);
}

/* 4. From header to text. */

static enum mime_kind
kind_of_multipart(const struct mime *m)
{
	const struct mime_header *h = &m->header;

	if (strcmp(h->subtype, "signed") == 0 ||
	    strcmp(h->subtype, "encrypted") == 0 ||
	    h->nboundary == 0 || h->nboundary > sizeof(h->boundary) ||
	    text_is_blank(h->boundary[h->nboundary - 1]) ||
	    !text_is_ascii(h->boundary, h->nboundary) ||
	    m->nlevels == MIME_DEPTH_MAX ||
	    h->coding == MIME_QP || h->coding == MIME_BASE64)
		return MIME_SEALED;
	return MIME_MULTIPART;
}

static enum mime_kind
kind_of_message(const struct mime *m)
{
	const struct mime_header *h = &m->header;

	if (strcmp(h->subtype, "partial") == 0 ||
	    strcmp(h->subtype, "external-body") == 0)
		return MIME_SEALED;
	if (strcmp(h->subtype, "rfc822") != 0 &&
	    strcmp(h->subtype, "global") != 0)
		return MIME_LEAF;
	if (h->coding == MIME_QP || h->coding == MIME_BASE64)
		return MIME_LEAF;
	return m->nlevels == MIME_DEPTH_MAX ? MIME_SEALED : MIME_MESSAGE;
}

static enum mime_kind
kind_of(const struct mime *m)
{
	const struct mime_header *h = &m->header;
	int has_type = h->subtype[0] != '\0';

	if (h->is_opaque || m->part + 1 == MIME_PARTS_MAX)
		return MIME_SEALED;
	if (!has_type && h->owner == MIME_A_DIGEST_PART)
		return m->nlevels == MIME_DEPTH_MAX ? MIME_SEALED :
		    MIME_MESSAGE;
	if (strcmp(h->type, "multipart") == 0)
		return kind_of_multipart(m);
	if (strcmp(h->type, "message") == 0)
		return kind_of_message(m);
	return MIME_LEAF;
}

/* Fields that a part gets because it is encoded; 0 when it is not. */
static int
put_labels(struct mime *m, struct buf *out)
{
	struct mime_header *h = &m->header;
	enum change change = this_change(m);
	unsigned facts = this_part(m)->facts;

	if (change != TO_QP)
		return 0;
	if (h->owner == MIME_A_MESSAGE && (h->seen & SEEN_VERSION) == 0)
		buf_puts(out, "MIME-Version: 1.0\n");
	if ((h->seen & SEEN_TYPE) == 0)
		buf_printf(out, "Content-Type: text/plain; charset=%s\n",
		    (facts & MIME_NOT_UTF8) != 0 ? "unknown-8bit" :
		    (facts & MIME_HAS_8BIT) != 0 ? "utf-8" : "us-ascii");
	if ((h->seen & SEEN_CODING) == 0)
		put_coding(m, out);
	return 1;
}

static void
push_level(struct mime *m, enum mime_kind kind)
{
	struct mime_header *h = &m->header;
	struct mime_level *l = &m->levels[m->nlevels++];

	l->part = m->part;
	l->parts = strcmp(h->subtype, "digest") == 0 ?
	    MIME_A_DIGEST_PART : MIME_A_PART;
	l->len = kind == MIME_MULTIPART ? h->nboundary : 0;
	memcpy(l->boundary, h->boundary, l->len);
}

/* blank: the empty line, or "" where the text begins without one. */
static void
end_header(struct mime *m, const char *blank, struct buf *out)
{
	enum mime_kind kind;
	enum change change;

	end_field(m, out);
	kind = kind_of(m);
	if (m->pass == MIME_SCAN) {
		this_part(m)->kind = (uint8_t)kind;
		this_part(m)->coding = (uint8_t)m->header.coding;
	} else if (put_labels(m, out)) {
		buf_puts(out, "\n");
	} else {
		buf_puts(out, blank);
	}
	if (kind == MIME_MULTIPART || kind == MIME_MESSAGE)
		push_level(m, kind);
	if (kind == MIME_MESSAGE) {
		begin_part(m, MIME_A_MESSAGE);
		return;
	}
	m->place = kind == MIME_MULTIPART ? MIME_BETWEEN : MIME_IN_LEAF;
	m->nutf8 = 0;
	change = this_change(m);
	if (change != KEEP)
		qp_begin(&m->qp, change == TO_QP ? QP_TEXT : QP_AGAIN);
}

/* 5. Text. */

/* Whether it still is UTF-8; a character may come in two chunks. */
static int
is_utf8(struct mime *m, const char *p, size_t n)
{
	unsigned char c;
	size_t i, len;

	for (i = 0; i < n; i++) {
		m->utf8[m->nutf8++] = p[i];
		c = (unsigned char)m->utf8[0];
		len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		if (m->nutf8 < len)
			continue;
		m->nutf8 = 0;
		if (addr_utf8_len(m->utf8, len) == 0)
			return 0;
	}
	return 1;
}

static void
scan_text(struct mime *m, const char *p, size_t n)
{
	unsigned facts = 0;

	m->line.column += n;
	if (m->line.column > MAIL_WIRE_LINE)
		facts |= MIME_HAS_LONG;
	if (!text_is_ascii(p, n))
		facts |= MIME_HAS_8BIT;
	if ((this_part(m)->facts & MIME_NOT_UTF8) == 0 &&
	    (m->nutf8 > 0 || (facts & MIME_HAS_8BIT) != 0) &&
	    !is_utf8(m, p, n))
		facts |= MIME_NOT_UTF8;
	if (facts != 0)
		note(m, facts);
}

/*
 * 8-bit text that is neither encoded nor refused: what stands before, between
 * and after parts says nothing to anybody.
 */
static int
is_masked(const struct mime *m)
{
	return (m->lacks & MIME_NO_8BIT) != 0 && (m->place == MIME_BETWEEN ||
	    (m->lacks & MIME_AT_ANY_COST) != 0);
}

static void
text(struct mime *m, const char *p, size_t n, struct buf *out)
{
	if (m->pass == MIME_SCAN)
		scan_text(m, p, n);
	else if (m->place == MIME_IN_LEAF && this_change(m) != KEEP)
		qp_text(&m->qp, p, n, out);
	else if (is_masked(m) && !text_is_ascii(p, n))
		put_masked(p, n, out);
	else
		buf_add(out, p, n);
}

static void
text_end(struct mime *m, struct buf *out)
{
	if (m->pass == MIME_SCAN) {
		if (m->nutf8 > 0)
			note(m, MIME_NOT_UTF8);
		m->nutf8 = 0;
	} else if (m->place == MIME_IN_LEAF && this_change(m) != KEEP) {
		qp_line_end(&m->qp, out);
	} else {
		buf_putc(out, '\n');
	}
}

/* 6. Lines. */

/* The level whose boundary this line is, from 1 on; 0: of none. */
static unsigned
boundary_at(const struct mime *m, const char *p, size_t n, int *is_close)
{
	const struct mime_level *l;
	size_t rest;
	unsigned i;

	while (n > 0 && text_is_blank(p[n - 1]))
		n--;
	if (n < 3 || p[0] != '-' || p[1] != '-')
		return 0;
	for (i = m->nlevels; i > 0; i--) {
		l = &m->levels[i - 1];
		if (l->len == 0 || n - 2 < l->len ||
		    memcmp(p + 2, l->boundary, l->len) != 0)
			continue;
		rest = n - 2 - l->len;
		*is_close = rest == 2 && memcmp(p + n - 2, "--", 2) == 0;
		if (rest == 0 || *is_close)
			return i;
	}
	return 0;
}

static void
at_boundary(struct mime *m, unsigned level, int is_close, struct buf *out)
{
	end_leaf(m, out);
	m->nlevels = level;
	if (m->pass == MIME_WRITE) {
		buf_add(out, m->line.head, m->line.nhead);
		buf_putc(out, '\n');
	}
	if (!is_close) {
		begin_part(m, m->levels[level - 1].parts);
		return;
	}
	m->part = m->levels[--m->nlevels].part;
	m->place = MIME_BETWEEN;
}

/* A line of text as far as it came; its beginning may be a boundary's. */
static void
body(struct mime *m, const char *p, size_t n, struct buf *out)
{
	struct mime_line *l = &m->line;
	size_t take;

	if (n == 0)
		return;
	if (!l->is_flowing && m->nlevels > 0) {
		take = sizeof(l->head) - l->nhead;
		if (take > n)
			take = n;
		memcpy(l->head + l->nhead, p, take);
		l->nhead += take;
		p += take;
		n -= take;
		if (n == 0 && l->nhead < sizeof(l->head) &&
		    l->head[0] == '-' && (l->nhead < 2 || l->head[1] == '-'))
			return;
		text(m, l->head, l->nhead, out);
		l->nhead = 0;
		l->is_flowing = 1;
		if (n == 0)
			return;
	}
	l->is_flowing = 1;
	text(m, p, n, out);
}

static void
content_end(struct mime *m, struct buf *out)
{
	struct mime_line *l = &m->line;
	int is_close = 0;
	unsigned level;

	level = l->is_flowing ? 0 : boundary_at(m, l->head, l->nhead,
	    &is_close);
	if (level > 0) {
		at_boundary(m, level, is_close, out);
	} else {
		if (l->nhead > 0)
			text(m, l->head, l->nhead, out);
		text_end(m, out);
	}
	l->nhead = 0;
	l->is_flowing = 0;
	l->column = 0;
}

/*
 * The line gathered last is none of a header: it is text.  A message whose
 * first line that is has no header at all.
 */
static void
header_is_over(struct mime *m, int is_whole, struct buf *out)
{
	struct mime_header *h = &m->header;
	end_header(m, "", out);
	if (m->place == MIME_IN_HEADER)
		end_header(m, "", out);
	body(m, buf_str(&h->line), h->line.len, out);
	if (is_whole)
		content_end(m, out);
	buf_reset(&h->line);
}

static void
header_text(struct mime *m, const char *p, size_t n, struct buf *out)
{
	struct mime_header *h = &m->header;

	h->len += n;
	buf_add(&h->line, p, n);
	if (h->len <= MIME_HEADER_MAX)
		return;
	h->is_opaque = 1;
	header_is_over(m, 0, out);
}

/* The line of an mbox on top of a message within a message. */
static int
is_from_line(const struct mime *m)
{
	const struct mime_header *h = &m->header;

	return h->owner == MIME_A_MESSAGE && h->len == h->line.len &&
	    h->line.len > 5 && memcmp(h->line.data, "From ", 5) == 0;
}

static void
put_line(struct mime *m, struct buf *out)
{
	struct mime_header *h = &m->header;

	if (m->pass == MIME_WRITE) {
		if ((m->lacks & MIME_NO_8BIT) != 0)
			put_masked(h->line.data, h->line.len, out);
		else
			buf_add(out, h->line.data, h->line.len);
		buf_putc(out, '\n');
	}
	buf_reset(&h->line);
}

static void
header_line_end(struct mime *m, struct buf *out)
{
	struct mime_header *h = &m->header;
	enum header_line kind;

	kind = h->line.len == 0 ? HEADER_LINE_BLANK :
	    header_line_kind(buf_str(&h->line), h->line.len);
	if (kind == HEADER_LINE_BLANK) {
		end_header(m, "\n", out);
		return;
	}
	if (is_from_line(m)) {
		put_line(m, out);
		return;
	}
	if (kind == HEADER_LINE_FIELD)
		end_field(m, out);
	else if (kind != HEADER_LINE_FOLDED || h->field.len == 0) {
		header_is_over(m, 1, out);
		return;
	}
	if (m->part > 0 && h->line.len > MAIL_WIRE_LINE)
		m->plan->has_long_field = 1;
	buf_add(&h->field, buf_str(&h->line), h->line.len);
	buf_putc(&h->field, '\n');
	buf_reset(&h->line);
}

static void
some_text(struct mime *m, const char *p, size_t n, struct buf *out)
{
	if (n == 0)
		return;
	m->after_cr = 0;
	if (m->place == MIME_IN_HEADER)
		header_text(m, p, n, out);
	else
		body(m, p, n, out);
}

static void
line_end(struct mime *m, struct buf *out)
{
	if (m->place == MIME_IN_HEADER)
		header_line_end(m, out);
	else
		content_end(m, out);
}

/* 7. The stream. */

static void
begin(struct mime *m, enum mime_pass pass, struct mime_plan *plan,
    unsigned lacks)
{
	*m = (struct mime){ .pass = pass, .plan = plan, .lacks = lacks };
	begin_part(m, MIME_A_MESSAGE);
}

void
mime_scan(struct mime *m, struct mime_plan *plan)
{
	memset(plan, 0, sizeof(*plan));
	begin(m, MIME_SCAN, plan, 0);
}

void
mime_write(struct mime *m, struct mime_plan *plan, unsigned lacks,
    header_domain *to_ascii)
{
	begin(m, MIME_WRITE, plan, lacks);
	m->to_ascii = to_ascii;
}

void
mime_text(struct mime *m, const char *p, size_t n, struct buf *out)
{
	size_t i, start = 0;

	for (i = 0; i < n; i++) {
		if (p[i] != '\n' && p[i] != '\r' && p[i] != '\0')
			continue;
		some_text(m, p + start, i - start, out);
		start = i + 1;
		if (p[i] == '\0')
			continue;
		if (p[i] == '\r' || !m->after_cr)
			line_end(m, out);
		m->after_cr = p[i] == '\r';
	}
	some_text(m, p + start, n - start, out);
	out->failed |= buf_failed(&m->header.field) ||
	    buf_failed(&m->header.line);
}

void
mime_end(struct mime *m, struct buf *out)
{
	if (m->place == MIME_IN_HEADER && m->header.line.len > 0)
		header_line_end(m, out);
	while (m->place == MIME_IN_HEADER)
		end_header(m, "", out);
	if (m->line.nhead > 0 || m->line.is_flowing)
		content_end(m, out);
	end_leaf(m, out);
	out->failed |= buf_failed(&m->header.field) ||
	    buf_failed(&m->header.line);
}

void
mime_fini(struct mime *m)
{
	buf_fini(&m->header.field);
	buf_fini(&m->header.line);
}
