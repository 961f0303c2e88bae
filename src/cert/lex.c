/* Words and marks of one line, and messages about them. */
#include "cert/lex.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"

#define SHOWN 40 /* characters of a word that a message repeats */

static bool letter(char c)
{
	return isalpha((unsigned char)c);
}

static bool in_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static const char *past_blanks(const char *s)
{
	return s + strspn(s, " \t\r");
}

void lex_line(struct lex *l, const char *path, int line, const char *text)
{
	const char *at = past_blanks(text);

	*l = (struct lex){path, line, at, at, 0};
}

bool lex_end(const struct lex *l)
{
	return !*l->at;
}

void lex_skip(struct lex *l, int n)
{
	l->token = l->at;
	l->len = n;
	l->at = past_blanks(l->at + n);
}

void lex_since(struct lex *l, const char *start)
{
	l->token = start;
	l->len = l->at - start;
	while (l->len && strchr(" \t\r", start[l->len - 1]))
		l->len--;
}

bool lex_take(struct lex *l, const char *mark)
{
	size_t n = strlen(mark);

	if (strncmp(l->at, mark, n) || (letter(*mark) && in_name(l->at[n])))
		return false;
	lex_skip(l, n);
	return true;
}

int lex_need(struct lex *l, const char *mark)
{
	return lex_take(l, mark) ? 0 : lex_error_next(l, "'%s' should stand here", mark);
}

bool lex_name(struct lex *l, char name[LEX_NAME], bool dashes)
{
	int n = 0;

	if (!letter(*l->at))
		return false;
	while (in_name(l->at[n]) || (dashes && l->at[n] == '-' && in_name(l->at[n + 1])))
		n++;
	if (n >= LEX_NAME)
		return false;
	memcpy(name, l->at, n);
	name[n] = 0;
	lex_skip(l, n);
	return true;
}

// Length of the word or mark at s, for messages.
static int word(const char *s)
{
	static const char *const marks[] = {"<=", ">=", "==", "*=", ".."};
	int n = 0;

	for (int i = 0; i < (int)(sizeof(marks) / sizeof(marks[0])); i++)
		if (!strncmp(s, marks[i], 2))
			return 2;
	while (in_name(s[n]) || (n && s[n] == '.' && in_name(s[n + 1])))
		n++;
	return n ? n : *s != 0;
}

static void print(const struct lex *l, const char *at, int len, const char *message)
{
	char where[24] = "", shown[SHOWN + 1] = "";

	if (l->line)
		snprintf(where, sizeof(where), ":%d", l->line);
	for (int i = 0; i < len && i < SHOWN; i++)
		shown[i] = isprint((unsigned char)at[i]) ? at[i] : '?';
	if (len)
		pr_err("%s%s: '%s%s': %s\n", l->path, where, shown, len > SHOWN ? "..." : "",
			message);
	else
		pr_err("%s%s: end of line: %s\n", l->path, where, message);
}

static char *message(const char *fmt, va_list ap)
{
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	return text;
}

int lex_error(const struct lex *l, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = message(fmt, ap);
	va_end(ap);
	print(l, l->token, l->len, text);
	free(text);
	return -EINVAL;
}

int lex_error_next(const struct lex *l, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = message(fmt, ap);
	va_end(ap);
	print(l, l->at, word(l->at), text);
	free(text);
	return -EINVAL;
}

int lex_unknown(const struct lex *l, const char *what, const char *const *known, int n)
{
	char *name = strndup(l->token, l->len), *list = file_path("%s", "");
	const char *near;

	if (!name)
		abort();
	near = opts_nearest(name, known, n);
	for (int i = 0; i < n; i++) {
		char *more = file_path("%s%s%s", list, i ? ", " : "", known[i]);

		free(list);
		list = more;
	}
	if (near)
		lex_error(l, "there is no such %s, did you mean '%s'?", what, near);
	else if (n)
		lex_error(l, "there is no such %s; there are %s", what, list);
	else
		lex_error(l, "there is no such %s", what);
	free(name);
	free(list);
	return -EINVAL;
}
