/* Option tables: parsing, spec files, typed reads and help. */
#include "base/opts.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

static int table_len(const struct opt *t)
{
	int n = 0;

	while (t[n].kind != OPT_END)
		n++;
	return n;
}

void opts_init(struct opts *o, const struct opt *table)
{
	memset(o, 0, sizeof(*o));
	o->table = table;
	o->n = table_len(table);
	o->text = calloc(o->n + 1, sizeof(*o->text));
	o->rank = calloc(o->n + 1, sizeof(*o->rank));
	if (!o->text || !o->rank)
		abort();
	for (int i = 0; i < o->n; i++)
		if (table[i].dflt)
			o->text[i] = file_path("%s", table[i].dflt);
}

void opts_free(struct opts *o)
{
	for (int i = 0; i < o->n; i++)
		free(o->text[i]);
	free(o->text);
	free(o->rank);
	free(o->args);
	memset(o, 0, sizeof(*o));
}

static int edit_distance(const char *a, const char *b)
{
	int row[64], la = strlen(a), lb = strlen(b);

	if (la >= 64 || lb >= 64)
		return 64;
	for (int j = 0; j <= lb; j++)
		row[j] = j;
	for (int i = 1; i <= la; i++) {
		int diag = row[0];

		row[0] = i;
		for (int j = 1; j <= lb; j++) {
			int best = diag + (a[i - 1] != b[j - 1]);

			diag = row[j];
			best = row[j] + 1 < best ? row[j] + 1 : best;
			row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
		}
	}
	return row[lb];
}

const char *opts_nearest(const char *word, const char *const *candidates, int n)
{
	int best = 1 + (int)strlen(word) / 3;
	const char *near = NULL;

	for (int i = 0; i < n; i++) {
		int d = edit_distance(word, candidates[i]);

		if (d <= best && (!near || d < best)) {
			best = d;
			near = candidates[i];
		}
	}
	return near;
}

static int find(const struct opts *o, const char *name)
{
	for (int i = 0; i < o->n; i++)
		if (!strcmp(o->table[i].name, name))
			return i;
	return -1;
}

static int index_of(const struct opts *o, const char *name)
{
	int i = find(o, name);

	assert(i >= 0);
	return i;
}

bool opts_number(const char *s, double lo, double hi, double *out)
{
	char *end;
	double v;

	if (!*s || isspace((unsigned char)*s))
		return false;
	v = strtod(s, &end);
	if (*end || isnan(v) || v < lo || v > hi)
		return false;
	*out = v;
	return true;
}

static bool one_of(const char *words, const char *value)
{
	size_t n = strlen(value);

	for (const char *w = words; *w; w += strcspn(w, "|"), w += *w == '|')
		if (strcspn(w, "|") == n && !strncmp(w, value, n))
			return true;
	return false;
}

static char *trim(char *s)
{
	char *e;

	while (isspace((unsigned char)*s))
		s++;
	e = s + strlen(s);
	while (e > s && isspace((unsigned char)e[-1]))
		*--e = 0;
	return s;
}

// A list without the blanks around its items.
static char *tidy_list(const char *value)
{
	char *copy = file_path("%s", value), *rest = copy, *item, *list = NULL;

	while ((item = strsep(&rest, ","))) {
		char *more =
			list ? file_path("%s,%s", list, trim(item)) : file_path("%s", trim(item));

		free(list);
		list = more;
	}
	free(copy);
	return list;
}

static int check_list(const struct opt *t, const char *value, const char *where)
{
	char *copy = file_path("%s", value), *rest = copy, *item;
	double v;
	int err = 0;

	while (!err && (item = strsep(&rest, ","))) {
		if (!*item) {
			pr_err("%s: empty item in '%s'\n", where, value);
			err = -EINVAL;
		} else if (t->kind == OPT_REALS && !opts_number(item, t->lo, t->hi, &v)) {
			pr_err("%s: '%s' is not a number from %g to %g\n", where, item, t->lo, t->hi);
			err = -EINVAL;
		}
	}
	free(copy);
	return err;
}

static int check(const struct opt *t, const char *value, const char *where)
{
	double v;

	switch (t->kind) {
	case OPT_FILE:
	case OPT_SPEC:
		if (*value)
			return 0;
		pr_err("%s: an empty name\n", where);
		return -EINVAL;
	case OPT_FLAG:
		if (one_of("yes|no", value))
			return 0;
		pr_err("%s: '%s' is neither yes nor no\n", where, value);
		return -EINVAL;
	case OPT_WORD:
		if (one_of(t->words, value))
			return 0;
		pr_err("%s: '%s' is none of %s\n", where, value, t->words);
		return -EINVAL;
	case OPT_INT:
	case OPT_REAL:
		if (opts_number(value, t->lo, t->hi, &v) && (t->kind == OPT_REAL || v == floor(v)))
			return 0;
		pr_err("%s: '%s' is not a %snumber from %g to %g\n", where, value,
			t->kind == OPT_INT ? "whole " : "", t->lo, t->hi);
		return -EINVAL;
	case OPT_TEXTS:
	case OPT_REALS:
		return check_list(t, value, where);
	default:
		return 0;
	}
}

int opts_set(struct opts *o, const char *name, const char *value, int rank, const char *where)
{
	int i = index_of(o, name);
	const struct opt *t = &o->table[i];
	bool is_list = t->kind == OPT_TEXTS || t->kind == OPT_REALS;
	char *text = is_list ? tidy_list(value) : file_path("%s", value), *own = text;

	if (check(t, text, where)) {
		free(text);
		return -EINVAL;
	}
	if (o->rank[i] > rank) {
		free(text);
		return 0;
	}
	if (is_list && rank && o->rank[i] == rank) {
		text = file_path("%s,%s", o->text[i], own);
		free(own);
	}
	free(o->text[i]);
	o->text[i] = text;
	o->rank[i] = rank;
	return t->kind == OPT_SPEC ? opts_load(o, value) : 0;
}

static void unknown(const struct opts *o, const char *where, const char *name)
{
	const char *names[256], *near;
	int n = o->n < 256 ? o->n : 256;

	for (int i = 0; i < n; i++)
		names[i] = o->table[i].name;
	near = opts_nearest(name, names, n);
	if (near)
		pr_err("%s: unknown option '%s', did you mean '%s'?\n", where, name, near);
	else
		pr_err("%s: unknown option '%s' (--help lists them)\n", where, name);
}

static int load_line(struct opts *o, char *line, const char *path, int no)
{
	char *eq, *key, *value, *where;
	int err, i;

	line[strcspn(line, "#")] = 0;
	line = trim(line);
	if (!*line)
		return 0;
	eq = strchr(line, '=');
	if (!eq) {
		pr_err("%s:%d: '%s' is not 'key = value'\n", path, no, line);
		return -EINVAL;
	}
	*eq = 0;
	key = trim(line);
	value = trim(eq + 1);
	i = find(o, key);
	where = file_path("%s:%d: %s", path, no, key);
	if (i < 0) {
		where[strlen(where) - strlen(key) - 2] = 0;
		unknown(o, where, key);
		err = -EINVAL;
	} else if (o->table[i].kind == OPT_SPEC) {
		pr_err("%s: a spec file cannot name another\n", where);
		err = -EINVAL;
	} else {
		err = opts_set(o, key, value, 1, where);
	}
	free(where);
	return err;
}

int opts_load_text(struct opts *o, char *text, size_t len, const char *path)
{
	char *line, *rest = text;
	int err = 0;

	if (strlen(text) != len) {
		pr_err("%s: not a text file (it has a NUL byte at %zu)\n", path, strlen(text));
		return -EINVAL;
	}
	for (int no = 1; !err && (line = strsep(&rest, "\n")); no++)
		err = load_line(o, line, path, no);
	return err;
}

int opts_load(struct opts *o, const char *path)
{
	char *text;
	size_t len;
	int err = file_read(path, 1 << 20, &text, &len);

	if (err)
		return err;
	err = opts_load_text(o, text, len, path);
	free(text);
	return err;
}

static int parse_long(struct opts *o, char *word, char **next, int *used)
{
	char *eq = strchr(word, '='), *where;
	bool no = !strncmp(word, "no-", 3);
	int i, err;

	if (eq)
		*eq = 0;
	i = find(o, word);
	if (i < 0 && no && (i = find(o, word + 3)) >= 0 && o->table[i].kind != OPT_FLAG)
		i = -1;
	else
		no = no && i >= 0 && find(o, word) < 0;
	if (i < 0) {
		unknown(o, "command line", word);
		return -EINVAL;
	}
	where = file_path("--%s", word);
	if (o->table[i].kind == OPT_FLAG && !eq) {
		err = opts_set(o, o->table[i].name, no ? "no" : "yes", 2, where);
	} else if (!eq && !*next) {
		pr_err("%s needs a value (%s)\n", where, o->table[i].arg);
		err = -EINVAL;
	} else {
		*used = !eq;
		err = opts_set(o, o->table[i].name, eq ? eq + 1 : *next, 2, where);
	}
	free(where);
	return err;
}

static int parse_short(struct opts *o, const char *s, char **next, int *used)
{
	char where[3] = "-";
	int i;

	for (; *s; s++) {
		for (i = 0; i < o->n && o->table[i].letter != *s; i++)
			;
		where[1] = *s;
		if (i == o->n) {
			pr_err("unknown option '%s' (--help lists them)\n", where);
			return -EINVAL;
		}
		if (o->table[i].kind == OPT_FLAG) {
			opts_set(o, o->table[i].name, "yes", 2, where);
			continue;
		}
		if (!s[1] && !*next) {
			pr_err("%s needs a value (%s)\n", where, o->table[i].arg);
			return -EINVAL;
		}
		*used = !s[1];
		return opts_set(o, o->table[i].name, s[1] ? s + 1 : *next, 2, where);
	}
	return 0;
}

int opts_parse(struct opts *o, int argc, char **argv)
{
	bool options = true;
	int err = 0;

	free(o->args);
	o->nargs = 0;
	o->args = calloc(argc + 1, sizeof(*o->args));
	if (!o->args)
		return -ENOMEM;
	for (int i = 0; i < argc && !err; i++) {
		char *none = NULL, **next = i + 1 < argc ? &argv[i + 1] : &none, *s = argv[i];
		int used = 0;

		if (options && !strcmp(s, "--"))
			options = false;
		else if (options && !strncmp(s, "--", 2))
			err = parse_long(o, s + 2, next, &used);
		else if (options && s[0] == '-' && s[1])
			err = parse_short(o, s + 1, next, &used);
		else if (!*s && !o->first_ends) {
			pr_err("argument %d is empty\n", o->nargs + 1);
			err = -EINVAL;
		} else {
			o->args[o->nargs++] = s;
			options = options && !o->first_ends;
		}
		i += used;
	}
	return err;
}

const char *opts_text(const struct opts *o, const char *name)
{
	return o->text[index_of(o, name)];
}

bool opts_flag(const struct opts *o, const char *name)
{
	const char *s = opts_text(o, name);

	return s && !strcmp(s, "yes");
}

bool opts_given(const struct opts *o, const char *name)
{
	return o->rank[index_of(o, name)] > 0;
}

double opts_real(const struct opts *o, const char *name)
{
	const char *s = opts_text(o, name);

	return s ? strtod(s, NULL) : 0;
}

int64_t opts_int(const struct opts *o, const char *name)
{
	return (int64_t)opts_real(o, name);
}

int opts_texts(const struct opts *o, const char *name, char ***items)
{
	const char *s = opts_text(o, name);
	size_t len = s ? strlen(s) : 0;
	char **list, *copy, *item;
	int n = 0, max = 1;

	*items = NULL;
	if (!len)
		return 0;
	for (size_t i = 0; i < len; i++)
		max += s[i] == ',';
	list = malloc(max * sizeof(*list) + len + 1);
	if (!list)
		abort();
	copy = memcpy(list + max, s, len + 1);
	while ((item = strsep(&copy, ",")))
		list[n++] = item;
	*items = list;
	return n;
}

int opts_reals(const struct opts *o, const char *name, double **items)
{
	char **text;
	int n = opts_texts(o, name, &text);

	*items = n ? malloc(n * sizeof(**items)) : NULL;
	for (int i = 0; i < n; i++)
		(*items)[i] = strtod(text[i], NULL);
	free(text);
	return n;
}

void opts_help(const struct opt *t, FILE *out)
{
	bool lists = false;
	char left[80];

	for (; t->kind != OPT_END; t++) {
		int n = t->letter ? snprintf(left, sizeof(left), "-%c, ", t->letter)
				  : snprintf(left, sizeof(left), "    ");

		n += snprintf(left + n, sizeof(left) - n, "--%s", t->name);
		if (t->arg)
			snprintf(left + n, sizeof(left) - n, " %s", t->arg);
		fprintf(out, "  %-28s %s", left, t->help);
		if (t->words)
			fprintf(out, " (%s)", t->words);
		if (t->dflt && t->kind != OPT_FLAG)
			fprintf(out, " [%s]", t->dflt);
		fputc('\n', out);
		lists |= t->kind == OPT_TEXTS || t->kind == OPT_REALS;
	}
	if (lists)
		fprintf(out, "\n" OPTS_LISTS "\n");
}
