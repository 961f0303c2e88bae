/* Lines of metrics back to scalars. */
#include "learn/history.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/members.h"
#include "learn/metrics.h"

#define MAX_LINE 65536

static struct history_scalar *find(const struct history *h, const char *name, int near)
{
	for (int i = 0; i < h->n; i++) {
		struct history_scalar *s = &h->scalar[(near + i) % h->n];

		if (!strcmp(s->name, name))
			return s;
	}
	return NULL;
}

static int add_scalar(struct history *h, const char *name, const struct members_place *at,
	struct history_scalar **to)
{
	struct history_scalar *s;

	if (!*name || strlen(name) > TFEVENTS_TAG_MAX)
		return members_fail(at, "a scalar's name has 1 to %d letters, not %zu",
			TFEVENTS_TAG_MAX, strlen(name));
	if (h->n == HISTORY_MAX_SCALARS)
		return members_fail(at, "'%s' is one scalar too many, %d can be read", name,
			HISTORY_MAX_SCALARS);
	s = realloc(h->scalar, (h->n + 1) * sizeof(*s));
	if (!s)
		return -ENOMEM;
	h->scalar = s;
	s += h->n++;
	*s = (struct history_scalar){.cubic = NAN};
	strcpy(s->name, name);
	*to = s;
	return 0;
}

static int add_point(struct history_scalar *s, double step, double value)
{
	if (s->n == s->room) {
		size_t room = s->room ? 2 * s->room : 64;
		struct history_point *p = realloc(s->point, room * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->point = p;
		s->room = room;
	}
	s->point[s->n++] = (struct history_point){step, value};
	return 0;
}

struct line {
	struct members_place at;
	int64_t step;
	bool cubic; // a line about CUBIC, not about the run
};

static int read_scalar(
	struct history *h, const struct line *l, const json_t *o, const char *name, int near)
{
	struct history_scalar *s = find(h, name, near);
	double value;
	const struct members_one one = {name, MEMBERS_REAL_OR_NULL, &value, MEMBERS_ANY};
	int err = members_get(&l->at, o, &one);

	if (!err && !s)
		err = add_scalar(h, name, &l->at, &s);
	if (err)
		return err;
	if (l->cubic) {
		s->cubic = value;
		return 0;
	}
	if (s->n && s->point[s->n - 1].step >= l->step)
		return members_fail(&l->at, "'%s' at step %.0f comes after step %.0f", name,
			(double)l->step, s->point[s->n - 1].step);
	return add_point(s, l->step, value);
}

static int read_object(struct history *h, struct line *l, json_t *o)
{
	const struct members_one head[] = {
		{"step", MEMBERS_WHOLE, &l->step, 0, HISTORY_MAX_STEP},
		{"wall_s", MEMBERS_REAL, &h->wall_s, 0, HUGE_VAL},
	};
	int err = json_is_object(o) ? 0 : members_fail(&l->at, "not an object"), near = 0;
	const char *name;
	json_t *value;

	for (int i = 0; i < MEMBERS_COUNT(head) && !err; i++)
		err = members_get(&l->at, o, &head[i]);
	if (err)
		return err;
	l->cubic = !l->step && json_is_null(json_object_get(o, "held_out/best"));
	json_object_foreach(o, name, value)
	{
		if (!strcmp(name, head[0].name) || !strcmp(name, head[1].name))
			continue;
		err = read_scalar(h, l, o, name, near++);
		if (err)
			return err;
	}
	h->step = l->step > h->step ? l->step : h->step;
	h->lines++;
	return 0;
}

static int read_line(struct history *h, struct line *l, const char *text, size_t len)
{
	json_error_t why;
	json_t *o;
	int err;

	if (len > MAX_LINE)
		return members_fail(
			&l->at, "a line of %zu bytes, at most %d are read", len, MAX_LINE);
	o = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (!o)
		return members_fail(&l->at, "not JSON: %s", why.text);
	err = read_object(h, l, o);
	json_decref(o);
	return err;
}

int history_parse(struct history *h, const char *text, size_t len, const char *path)
{
	struct history read = {0};
	struct line l = {.at = {.file = (char *)path}};
	const char *end;
	int err = 0;

	for (; !err && (end = memchr(text, '\n', len)); len -= end + 1 - text, text = end + 1) {
		l.at.line++;
		err = read_line(&read, &l, text, end - text);
	}
	if (!err && len)
		pr_warn("%s:%ld: half a line, as a killed run leaves one, is left out\n", path,
			l.at.line + 1);
	if (err)
		history_free(&read);
	else
		*h = read;
	return err;
}

int history_load(struct history *h, const char *dir)
{
	char *path = file_path("%s/" METRICS_FILE, dir), *text = NULL;
	size_t len;
	int err = file_read(path, METRICS_MAX_FILE, &text, &len);

	if (!err)
		err = history_parse(h, text, len, path);
	free(text);
	free(path);
	return err;
}

void history_free(struct history *h)
{
	for (int i = 0; i < h->n; i++)
		free(h->scalar[i].point);
	free(h->scalar);
	*h = (struct history){0};
}

const struct history_scalar *history_find(const struct history *h, const char *name)
{
	return find(h, name, 0);
}

double history_at(const struct history_scalar *s, double step)
{
	for (size_t i = 0; s && i < s->n; i++)
		if (s->point[i].step == step)
			return s->point[i].value;
	return NAN;
}

const struct history_point *history_best(const struct history_scalar *s)
{
	const struct history_point *best = NULL;

	for (size_t i = 0; s && i < s->n; i++)
		if (!isnan(s->point[i].value) && (!best || s->point[i].value > best->value))
			best = &s->point[i];
	return best;
}
