/* Sets of properties. */
#include "cert/sets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

bool sets_find(int *member, const struct property_file *f, const char *name)
{
	for (int i = 0; i < f->n; i++)
		if (!strcmp(f->property[i].name, name)) {
			*member = i;
			return true;
		}
	for (int i = 0; i < f->nsets; i++)
		if (!strcmp(f->set[i].name, name)) {
			*member = ~i;
			return true;
		}
	return false;
}

static int parse_member(struct property_file *f, struct property_set *s, struct lex *l)
{
	const char *known[2 * PROPERTY_MAX];
	char name[LEX_NAME];
	int member, n = 0;

	if (!lex_name(l, name, true))
		return lex_error_next(l, "the name of a property or set should stand here");
	if (!sets_find(&member, f, name)) {
		for (int i = 0; i < f->n; i++)
			known[n++] = f->property[i].name;
		for (int i = 0; i < f->nsets; i++)
			if (&f->set[i] != s)
				known[n++] = f->set[i].name;
		return lex_unknown(l, "property or set", known, n);
	}
	for (int i = 0; i < s->nmembers; i++)
		if (s->member[i] == member)
			return lex_error(l, "it is in the set already");
	s->member[s->nmembers++] = member;
	return 0;
}

static int parse_members(struct property_file *f, struct property_set *s, struct lex *l)
{
	int err = lex_need(l, "(");

	do
		err = err ? err : parse_member(f, s, l);
	while (!err && lex_take(l, ","));
	return err ? err : lex_need(l, ")");
}

// "last N decisions of NAME", min over taken.
static int parse_last(struct property_file *f, struct property_set *s, struct lex *l)
{
	struct rational n;
	const char *start;
	int err = lex_need(l, "last");

	s->rule = PROPERTY_MIN_LAST;
	start = l->at;
	err = err ? err : expr_parse_constant(&n, l, &f->lets);
	if (!err && (n.den != 1 || n.num < 1 || n.num > PROPERTY_LAST)) {
		lex_since(l, start);
		err = lex_error(l, "a whole number from 1 to %d should stand here", PROPERTY_LAST);
	}
	if (!err)
		s->last = (int)n.num;
	err = err ? err : lex_need(l, "decisions");
	err = err ? err : lex_need(l, "of");
	return err ? err : parse_member(f, s, l);
}

int sets_parse(struct property_file *f, int i, struct lex *l)
{
	static const char *const rules[] = {"mean", "min"};
	struct property_set *s = &f->set[i];
	char word[LEX_NAME];
	int err = lex_need(l, "=");

	s->member = calloc(f->n + f->nsets, sizeof(*s->member));
	if (!s->member)
		return -ENOMEM;
	if (err)
		return err;
	if (lex_take(l, "mean")) {
		s->rule = PROPERTY_MEAN;
		err = parse_members(f, s, l);
	} else if (lex_take(l, "min")) {
		s->rule = PROPERTY_MIN;
		err = lex_take(l, "over") ? parse_last(f, s, l) : parse_members(f, s, l);
	} else if (lex_name(l, word, true)) {
		err = lex_unknown(l, "rule", rules, 2);
	} else {
		err = lex_error_next(l, "mean(...), min(...) or min over last N decisions of NAME "
					"should stand here");
	}
	if (!err && !lex_end(l))
		err = lex_error_next(l, "the end of the line should stand here");
	return err;
}

enum visit { UNSEEN, OPEN, DONE };

// Depth first over what set i contains: marks properties, and finds a set within itself.
static int walk(const struct property_file *f, int i, enum visit *seen, bool *reached)
{
	const struct property_set *s = &f->set[i];
	int err = 0;

	if (seen[i] == OPEN) {
		pr_err("%s:%d: '%s': the set contains itself\n", f->path, s->line, s->name);
		return -EINVAL;
	}
	if (seen[i] == DONE)
		return 0;
	seen[i] = OPEN;
	for (int k = 0; k < s->nmembers && !err; k++) {
		if (s->member[k] >= 0)
			reached[s->member[k]] = true;
		else
			err = walk(f, ~s->member[k], seen, reached);
	}
	seen[i] = DONE;
	return err;
}

int sets_check(const struct property_file *f)
{
	enum visit seen[PROPERTY_MAX] = {UNSEEN};
	bool reached[PROPERTY_MAX] = {false};
	int err = 0;

	for (int i = 0; i < f->nsets && !err; i++)
		err = walk(f, i, seen, reached);
	for (int i = 0; f->nsets && i < f->n && !err; i++)
		if (!reached[i]) {
			pr_err("%s:%d: '%s': the property is in no set\n", f->path,
				f->property[i].line, f->property[i].name);
			err = -EINVAL;
		}
	return err;
}

struct extent {
	long span;   // property values it is made of
	int history; // decisions it looks at
};

static struct extent extent_of(const struct property_file *f, int member, struct extent *known)
{
	const struct property_set *s = &f->set[~member];
	struct extent e = {0, 0};

	if (member >= 0)
		return (struct extent){1, 1};
	if (known[~member].span)
		return known[~member];
	for (int k = 0; k < s->nmembers; k++) {
		struct extent m = extent_of(f, s->member[k], known);

		e.span += m.span;
		e.history = m.history > e.history ? m.history : e.history;
	}
	if (s->rule == PROPERTY_MIN_LAST) {
		e.span *= s->last;
		e.history += s->last - 1;
	}
	e.span = e.span > SETS_SPAN ? SETS_SPAN + 1 : e.span;
	e.history = e.history > PROPERTY_LAST ? PROPERTY_LAST + 1 : e.history;
	known[~member] = e;
	return e;
}

int sets_pick(struct property_file *f, int member)
{
	struct extent known[PROPERTY_MAX] = {{0, 0}}, e = extent_of(f, member, known);
	enum visit seen[PROPERTY_MAX] = {UNSEEN};
	bool reached[PROPERTY_MAX] = {false};

	if (e.span > SETS_SPAN || e.history > PROPERTY_LAST) {
		pr_err("%s:%d: '%s': the set %s\n", f->path, f->set[~member].line,
			f->set[~member].name,
			e.span > SETS_SPAN ? "is too large" : "looks back too far");
		return -EINVAL;
	}
	if (member >= 0)
		reached[member] = true;
	else
		walk(f, ~member, seen, reached);
	for (int i = 0; i < f->n; i++)
		f->property[i].used = reached[i];
	f->main = member;
	f->history = e.history;
	return 0;
}
