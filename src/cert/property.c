/* Property files: their statements, line by line. */
#include "cert/property.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"
#include "cert/clause.h"
#include "cert/sets.h"

struct override {
	char name[LEX_NAME];
	const char *value;
	bool used;
};

struct reader {
	struct property_file *f;
	char *lines; // the text, cut up
	FILE *echo;  // the text with parameters put in
	size_t necho;
	struct lex set_at[PROPERTY_MAX]; // where each set's rule stands
	struct override *override;
	int noverride;
};

static const char *const reserved[] = {"let", "set", "property", "over", "given", "then", "in",
	"all", "some", "mean", "min", "max", "last", "decisions", "of", "cwnd", "dcwnd", "prev",
	"clean", "report"};
#define NRESERVED ((int)(sizeof(reserved) / sizeof(reserved[0])))

static int let_name(struct reader *r, struct lex *l, char name[LEX_NAME])
{
	const struct expr_lets *lets = &r->f->lets;

	if (!lex_name(l, name, false))
		return lex_error_next(l, "the name of a parameter should stand here");
	for (int i = 0; i < NRESERVED; i++)
		if (!strcmp(name, reserved[i]))
			return lex_error(l, "the language has this word for itself");
	if (frame_find(name) >= 0)
		return lex_error(l, "this is a feature");
	for (int i = 0; i < lets->n; i++)
		if (!strcmp(name, lets->let[i].name))
			return lex_error(l, "line %d has it already", lets->let[i].line);
	return lets->n < EXPR_LETS ? 0 : lex_error(l, "at most %d parameters", EXPR_LETS);
}

static struct override *find_override(struct reader *r, const char *name)
{
	struct override *found = NULL;

	for (int i = 0; i < r->noverride; i++)
		if (!strcmp(r->override[i].name, name)) {
			r->override[i].used = true;
			found = &r->override[i];
		}
	return found;
}

static int parse_let(struct reader *r, struct lex *l)
{
	struct expr_lets *lets = &r->f->lets;
	struct expr_let new = {.line = l->line};
	struct override *o;
	struct lex from;
	int err = let_name(r, l, new.name);

	err = err ? err : lex_need(l, "=");
	err = err ? err : expr_parse_constant(&new.value, l, lets);
	if (!err && !lex_end(l))
		err = lex_error_next(l, "the end of the line should stand here");
	if (err)
		return err;
	o = find_override(r, new.name);
	if (o) {
		lex_line(&from, new.name, 0, o->value);
		err = expr_parse_constant(&new.value, &from, lets);
		if (!err && !lex_end(&from))
			err = lex_error_next(
				&from, "a constant should stand here, and nothing after it");
		fprintf(r->echo, "let %s = %s\n", new.name, o->value);
	}
	if (!err)
		lets->let[lets->n++] = new;
	return err;
}

// The name after property or set, which nothing else in the file has.
static int new_name(struct reader *r, struct lex *l, char name[LEX_NAME])
{
	int member;

	if (!lex_name(l, name, true))
		return lex_error_next(l, "a name should stand here");
	if (!sets_find(&member, r->f, name))
		return 0;
	return lex_error(l, "line %d has it already",
		member < 0 ? r->f->set[~member].line : r->f->property[member].line);
}

static int parse_set(struct reader *r, struct lex *l)
{
	struct property_set *s = &r->f->set[r->f->nsets];
	int err = r->f->nsets < PROPERTY_MAX ? new_name(r, l, s->name)
					     : lex_error(l, "at most %d sets", PROPERTY_MAX);

	if (err)
		return err;
	s->line = l->line;
	r->set_at[r->f->nsets++] = *l;
	return 0;
}

// The property that is being read is complete.
static int close_property(const struct property_file *f)
{
	const struct property *p = &f->property[f->n - 1];

	if (!f->n || p->nthen)
		return 0;
	pr_err("%s:%d: '%s': the property has no 'then'\n", f->path, p->line, p->name);
	return -EINVAL;
}

static int parse_property(struct reader *r, struct lex *l)
{
	struct property *p = &r->f->property[r->f->n];
	int err = r->f->n < PROPERTY_MAX ? close_property(r->f)
					 : lex_error(l, "at most %d properties", PROPERTY_MAX);

	err = err ? err : new_name(r, l, p->name);
	if (!err && !lex_end(l))
		err = lex_error_next(l, "the end of the line should stand here");
	if (err)
		return err;
	p->line = l->line;
	r->f->n++;
	return 0;
}

static int parse_clause(struct reader *r, struct lex *l, const char *word)
{
	struct property *p = &r->f->property[r->f->n - 1];
	const struct expr_lets *lets = &r->f->lets;

	if (!r->f->n)
		return lex_error(l, "it belongs to a property; 'property NAME' goes before it");
	if (*word == 'o' ? !!p->over : *word == 'g' ? !!p->given : !!p->then)
		return lex_error(l, "the property has one already; commas separate several items");
	return *word == 'o'   ? clause_over(p, l, lets)
	       : *word == 'g' ? clause_given(p, l, lets)
			      : clause_then(p, l, lets);
}

static int parse_line(struct reader *r, struct lex *l)
{
	static const char *const words[] = {"let", "set", "property", "over", "given", "then"};
	char word[LEX_NAME];

	if (lex_end(l))
		return 0;
	if (!lex_name(l, word, true))
		return lex_error_next(
			l, "let, set, property, over, given or then should stand here");
	if (!strcmp(word, "let"))
		return parse_let(r, l);
	if (!strcmp(word, "set"))
		return parse_set(r, l);
	if (!strcmp(word, "property"))
		return parse_property(r, l);
	for (int i = 3; i < 6; i++)
		if (!strcmp(word, words[i]))
			return parse_clause(r, l, word);
	return lex_unknown(l, "statement", words, 6);
}

static int parse_lines(struct reader *r, const char *text)
{
	struct lex l;
	char *rest = r->lines, *line;
	int err = 0;

	for (int no = 1; !err && (line = strsep(&rest, "\n")); no++) {
		const char *whole = text + (line - r->lines);
		long before = ftell(r->echo);

		line[strcspn(line, "#")] = 0;
		lex_line(&l, r->f->path, no, line);
		err = parse_line(r, &l);
		if (ftell(r->echo) == before && (rest || *whole))
			fprintf(r->echo, "%.*s\n", (int)strcspn(whole, "\n"), whole);
	}
	return err ? err : close_property(r->f);
}

static int split_overrides(struct reader *r, const char *const *let, int nlet)
{
	r->override = calloc(nlet + 1, sizeof(*r->override));
	if (!r->override)
		return -ENOMEM;
	for (int i = 0; i < nlet; i++) {
		struct override *o = &r->override[r->noverride++];
		struct lex l;

		lex_line(&l, r->f->path, 0, let[i]);
		if (!lex_name(&l, o->name, false) || !lex_take(&l, "=") || strchr(l.at, '#')) {
			pr_err("'%s' is not PARAMETER=VALUE\n", let[i]);
			return -EINVAL;
		}
		o->value = l.at;
	}
	return 0;
}

static int check_overrides(const struct reader *r)
{
	const struct expr_lets *lets = &r->f->lets;
	const char *known[EXPR_LETS];
	struct lex l;

	for (int i = 0; i < lets->n; i++)
		known[i] = lets->let[i].name;
	for (int i = 0; i < r->noverride; i++)
		if (!r->override[i].used) {
			lex_line(&l, r->f->path, 0, r->override[i].name);
			lex_skip(&l, strlen(r->override[i].name));
			return lex_unknown(&l, "parameter", known, lets->n);
		}
	return 0;
}

// What the file means as a whole, once every name is known.
static int resolve(struct reader *r)
{
	struct property_file *f = r->f;
	struct property_set *s = &f->set[0];
	int err = 0;

	if (!f->n) {
		pr_err("%s: there is no property in it\n", f->path);
		return -EINVAL;
	}
	for (int i = 0; i < f->nsets && !err; i++)
		err = sets_parse(f, i, &r->set_at[i]);
	err = err ? err : sets_check(f);
	if (err || f->nsets || f->n == 1)
		return err ? err : sets_pick(f, f->nsets ? ~(f->nsets - 1) : 0);
	*s = (struct property_set){.name = "mean of all", .rule = PROPERTY_MEAN, .nmembers = f->n};
	s->member = calloc(f->n, sizeof(*s->member));
	if (!s->member)
		return -ENOMEM;
	for (int i = 0; i < f->n; i++)
		s->member[i] = i;
	f->nsets = 1;
	return sets_pick(f, ~0);
}

static struct property_file *file_new(const char *path)
{
	struct property_file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->path = strdup(path);
	f->lets.let = calloc(EXPR_LETS, sizeof(*f->lets.let));
	f->property = calloc(PROPERTY_MAX, sizeof(*f->property));
	f->set = calloc(PROPERTY_MAX, sizeof(*f->set));
	if (f->path && f->lets.let && f->property && f->set)
		return f;
	property_free(f);
	return NULL;
}

void property_free(struct property_file *f)
{
	if (!f)
		return;
	for (int i = 0; f->property && i < PROPERTY_MAX; i++) {
		free(f->property[i].over);
		free(f->property[i].given);
		free(f->property[i].then);
	}
	for (int i = 0; f->set && i < PROPERTY_MAX; i++)
		free(f->set[i].member);
	free(f->property);
	free(f->set);
	free(f->lets.let);
	free(f->path);
	free(f->text);
	free(f);
}

int property_parse(struct property_file **out, const char *text, const char *path,
	const char *const *let, int nlet)
{
	struct reader r = {.f = file_new(path), .lines = strdup(text)};
	int err = r.f && r.lines ? 0 : -ENOMEM;

	if (!err)
		r.echo = open_memstream(&r.f->text, &r.necho);
	if (!err && !r.echo)
		err = -ENOMEM;
	err = err ? err : split_overrides(&r, let, nlet);
	err = err ? err : parse_lines(&r, text);
	err = err ? err : check_overrides(&r);
	err = err ? err : resolve(&r);
	if (r.echo && fclose(r.echo) && !err)
		err = -ENOMEM;
	if (!err) {
		*out = r.f;
		r.f = NULL;
	}
	property_free(r.f);
	free(r.override);
	free(r.lines);
	return err;
}

static int load_path(struct property_file **out, const char *path, const char *const *let, int nlet)
{
	char *text;
	size_t len;
	int err = file_read(path, PROPERTY_MAX_FILE, &text, &len);

	if (err)
		return err;
	if (strlen(text) < len) {
		pr_err("%s: not a text: it has a NUL byte\n", path);
		err = -EINVAL;
	} else {
		err = property_parse(out, text, path, let, nlet);
	}
	free(text);
	return err;
}

int property_load(struct property_file **out, const char *what, const char *const *let, int nlet)
{
	const char *known[PROPERTY_MAX], *text, *near;
	int n = 0;

	if (strpbrk(what, "/."))
		return load_path(out, what, let, nlet);
	text = property_shipped_text(what);
	if (text)
		return property_parse(out, text, what, let, nlet);
	while (n < PROPERTY_MAX && property_shipped_name(n))
		known[n] = property_shipped_name(n), n++;
	near = opts_nearest(what, known, n);
	if (near)
		pr_err("'%s': there are no such properties, did you mean '%s'?\n", what, near);
	else
		pr_err("'%s': there are no such properties; the path of a file has a '.' or '/'\n",
			what);
	return -ENOENT;
}

int property_pick(struct property_file *f, const char *name)
{
	const char *known[2 * PROPERTY_MAX];
	struct lex l;
	int n = 0, member;

	if (sets_find(&member, f, name))
		return sets_pick(f, member);
	for (int i = 0; i < f->nsets; i++)
		known[n++] = f->set[i].name;
	for (int i = 0; i < f->n; i++)
		known[n++] = f->property[i].name;
	lex_line(&l, f->path, 0, name);
	lex_skip(&l, strlen(l.at));
	return lex_unknown(&l, "property or set", known, n);
}

const char *property_name(const struct property_file *f, int member)
{
	return member < 0 ? f->set[~member].name : f->property[member].name;
}

double property_let(const struct property_file *f, const char *name)
{
	for (int i = 0; i < f->lets.n; i++)
		if (!strcmp(f->lets.let[i].name, name))
			return (double)f->lets.let[i].value.num / (double)f->lets.let[i].value.den;
	return NAN;
}
