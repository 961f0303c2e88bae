/* Members of JSON objects by a table of names and kinds. */
#include "base/members.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/opts.h"

#define MOST 16

int members_fail(const struct members_place *at, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pr_err("%s:%ld: %s%s\n", at->file, at->line, at->where, text);
	return -EBADMSG;
}

static const char *const kinds[] = {
	[MEMBERS_TEXT] = "a text",
	[MEMBERS_REAL] = "a number",
	[MEMBERS_REAL_OR_NULL] = "a number or null",
	[MEMBERS_WHOLE] = "a whole number",
	[MEMBERS_LIST] = "a list",
	[MEMBERS_LIST_OR_NULL] = "a list or null",
	[MEMBERS_OBJECT] = "an object",
};

static bool right_kind(const json_t *v, enum members_kind kind)
{
	switch (kind) {
	case MEMBERS_TEXT:
		return json_is_string(v);
	case MEMBERS_REAL:
		return json_is_number(v);
	case MEMBERS_REAL_OR_NULL:
		return json_is_number(v) || json_is_null(v);
	case MEMBERS_WHOLE:
		return json_is_integer(v);
	case MEMBERS_LIST:
		return json_is_array(v);
	case MEMBERS_LIST_OR_NULL:
		return json_is_array(v) || json_is_null(v);
	case MEMBERS_OBJECT:
		return json_is_object(v);
	}
	return false;
}

int members_get(const struct members_place *at, const json_t *o, const struct members_one *m)
{
	json_t *v = json_object_get(o, m->name);
	double x = json_number_value(v);

	if (!v)
		return members_fail(at, "'%s' is missing", m->name);
	if (!right_kind(v, m->kind))
		return members_fail(at, "'%s' is not %s", m->name, kinds[m->kind]);
	if (json_is_number(v) && !(x >= m->lo && x <= m->hi))
		return members_fail(
			at, "'%s' is %.17g, not within %.17g and %.17g", m->name, x, m->lo, m->hi);
	if (m->kind == MEMBERS_TEXT)
		*(const char **)m->to = json_string_value(v);
	else if (m->kind == MEMBERS_REAL || m->kind == MEMBERS_REAL_OR_NULL)
		*(double *)m->to = json_is_null(v) ? NAN : x;
	else if (m->kind == MEMBERS_WHOLE)
		*(int64_t *)m->to = json_integer_value(v);
	else
		*(json_t **)m->to = v;
	return 0;
}

// An object has a member that the table lacks.
static int fail_unknown(
	const struct members_place *at, const json_t *o, const struct members_one *m, int n)
{
	const char *names[MOST], *key, *near = NULL;
	json_t *v;

	for (int i = 0; i < n; i++)
		names[i] = m[i].name;
	json_object_foreach((json_t *)o, key, v)
	{
		int i = 0;

		while (i < n && strcmp(names[i], key))
			i++;
		if (i == n)
			break;
	}
	near = opts_nearest(key, names, n);
	return members_fail(at, "there is no member '%.40s'%s%s%s", key,
		near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int members_read(
	const struct members_place *at, const json_t *o, const struct members_one *m, int n)
{
	int err = json_is_object(o) ? 0 : members_fail(at, "not an object");

	assert(n <= MOST);
	for (int i = 0; i < n && !err; i++)
		err = members_get(at, o, &m[i]);
	if (!err && json_object_size(o) != (size_t)n)
		err = fail_unknown(at, o, m, n);
	return err;
}

int members_numbers(const struct members_place *at, const char *what, const json_t *list,
	bool nulls, double **to, size_t *n)
{
	double *x = malloc((json_array_size(list) + 1) * sizeof(*x));
	size_t i;
	json_t *v;

	if (!x)
		return -ENOMEM;
	json_array_foreach((json_t *)list, i, v)
	{
		if (!json_is_number(v) && !(nulls && json_is_null(v))) {
			free(x);
			return members_fail(at, "'%s': item %zu is not a number", what, i + 1);
		}
		x[i] = json_is_null(v) ? NAN : json_number_value(v);
	}
	*to = x;
	*n = json_array_size(list);
	return 0;
}

int members_few(const struct members_place *at, const char *what, const json_t *list, double *to,
	size_t least, size_t most)
{
	size_t n = json_array_size(list);
	double *x;
	int err;

	if (n < least || n > most)
		return members_fail(at, "'%s' has %zu numbers instead of %zu%s", what, n, most,
			least < most ? " at most" : "");
	err = members_numbers(at, what, list, false, &x, &n);
	if (err)
		return err;
	memcpy(to, x, n * sizeof(*x));
	free(x);
	return 0;
}
