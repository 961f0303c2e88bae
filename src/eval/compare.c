/* Sorts the runs of both sides into set-ups, refuses what is ambiguous, tests each metric. */
#include "eval/compare.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"

// What makes a set-up, in the order in which set-ups are listed.
static const char *const key_names[] = {"trace", "nominal_mbps", "buffer_bdp", "delay_ms", "loss",
	"noise", "queue", "flow_args", "duration_s", "on", "controller"};
#define NKEYS ((int)(sizeof(key_names) / sizeof(key_names[0])))

struct row {
	const struct run_result *run;
	int side; /* 0 A, 1 B */
};

struct pairing {
	const struct compare_conf *conf;
	const struct col *keys[NKEYS]; /* that must agree */
	int nkeys;
	struct row *rows; /* [n] by key, side and seed */
	int n, of[2];	  /* of[side] of them */
};

/* --- Filters --- */

int compare_filter_add(struct compare_filter *f, const char *text, const char *where)
{
	const char *eq = strchr(text, '='), *value = eq ? eq + 1 : text, *near;
	char name[64] = "controller";
	const struct col *col;
	double number = 0;

	if (eq)
		snprintf(name, sizeof(name), "%.*s", (int)(eq - text), text);
	col = results_col(name);
	if (!col) {
		near = opts_nearest(name, key_names, NKEYS);
		pr_err("%s: results have no column '%s'%s%s%s\n", where, name,
			near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
		return -EINVAL;
	}
	if (col->type != COL_TEXT && !opts_number(value, -1e300, 1e300, &number)) {
		pr_err("%s: %s: '%s' is not a number\n", where, name, value);
		return -EINVAL;
	}
	if (f->n == COMPARE_FILTERS) {
		pr_err("%s: at most %d conditions\n", where, COMPARE_FILTERS);
		return -EINVAL;
	}
	f->want[f->n].col = col;
	f->want[f->n].text = value;
	f->want[f->n++].number = number;
	return 0;
}

static const char *text_at(const struct col *c, const struct run_result *r)
{
	return (const char *)r + c->offset;
}

static bool passes(const struct compare_filter *f, const struct run_result *r)
{
	for (int i = 0; i < f->n; i++) {
		const struct col *c = f->want[i].col;

		if (c->type == COL_TEXT ? strcmp(text_at(c, r), f->want[i].text) != 0
					: results_value(c, r) != f->want[i].number)
			return false;
	}
	return true;
}

static bool names(const struct compare_filter *f, const struct col *c)
{
	for (int i = 0; i < f->n; i++)
		if (f->want[i].col == c)
			return true;
	return false;
}

/* --- Set-ups --- */

static int compare_values(
	const struct col *c, const struct run_result *a, const struct run_result *b)
{
	double x, y;

	if (c->type == COL_TEXT)
		return strcmp(text_at(c, a), text_at(c, b));
	x = results_value(c, a);
	y = results_value(c, b);
	return (x > y) - (x < y);
}

static int by_key(const struct pairing *p, const struct row *x, const struct row *y)
{
	for (int i = 0; i < p->nkeys; i++) {
		int order = compare_values(p->keys[i], x->run, y->run);

		if (order)
			return order;
	}
	return (x->run->nflows > y->run->nflows) - (x->run->nflows < y->run->nflows);
}

static int by_all(const void *a, const void *b, void *pairing)
{
	const struct row *x = a, *y = b;
	int order = by_key(pairing, x, y);

	if (order || x->side != y->side)
		return order ? order : x->side - y->side;
	return (x->run->seed > y->run->seed) - (x->run->seed < y->run->seed);
}

// The nominal rate comes with the trace.
static bool implied(const struct compare_conf *conf, const struct col *c)
{
	const struct col *trace = results_col("trace");

	return !strcmp(c->name, "nominal_mbps") &&
	       (names(&conf->only_a, trace) || names(&conf->only_b, trace));
}

// Where each side is of one place, simulator or emulator, that is what is compared.
static bool one_place_each(const struct pairing *p)
{
	const struct run_result *first[2] = {NULL, NULL};

	for (int i = 0; i < p->n; i++) {
		const struct row *r = &p->rows[i];

		if (!first[r->side])
			first[r->side] = r->run;
		else if (strcmp(first[r->side]->on, r->run->on))
			return false;
	}
	return true;
}

static void drop_key(struct pairing *p, const struct col *c)
{
	int n = 0;

	for (int i = 0; i < p->nkeys; i++)
		if (p->keys[i] != c)
			p->keys[n++] = p->keys[i];
	p->nkeys = n;
}

static int collect(struct pairing *p, const struct compare_conf *conf)
{
	const struct result_set *sets[] = {conf->a, conf->b};
	const struct compare_filter *filters[] = {&conf->only_a, &conf->only_b};

	p->conf = conf;
	p->rows = calloc(conf->a->n + conf->b->n + 1, sizeof(*p->rows));
	if (!p->rows)
		return -ENOMEM;
	for (int i = 0; i < NKEYS; i++) {
		const struct col *c = results_col(key_names[i]);

		if (!names(filters[0], c) && !names(filters[1], c) && !implied(conf, c))
			p->keys[p->nkeys++] = c;
	}
	for (int side = 0; side < 2; side++) {
		for (size_t i = 0; i < sets[side]->n; i++)
			if (passes(filters[side], &sets[side]->runs[i]))
				p->rows[p->n++] = (struct row){&sets[side]->runs[i], side};
		p->of[side] = side ? p->n - p->of[0] : p->n;
		if (!p->of[side]) {
			pr_err("%s: %s\n", side ? conf->name_b : conf->name_a,
				sets[side]->n
					? side ? "no run is as --b asks" : "no run is as --a asks"
					: "no runs");
			return -EINVAL;
		}
	}
	if (one_place_each(p))
		drop_key(p, results_col("on"));
	qsort_r(p->rows, p->n, sizeof(*p->rows), by_all, p);
	return 0;
}

// A value as a user would type it, in one of two buffers.
static const char *shown(const struct col *c, const struct run_result *r, char buf[RESULTS_NUM])
{
	return c->type == COL_TEXT ? text_at(c, r) : results_number(results_value(c, r), buf);
}

// Two runs of one side, set-up and seed: says by what to tell them apart.
static int refuse_double(const struct pairing *p, const struct row *x, const struct row *y)
{
	static const char *const more[] = {"model", "queue_pkts", "kernel", "traffic"};
	const int all = NKEYS + sizeof(more) / sizeof(more[0]);
	const char *side = x->side ? "b" : "a", *dir = x->side ? p->conf->name_b : p->conf->name_a;
	char u[RESULTS_NUM], v[RESULTS_NUM];

	for (int i = 0; i < all; i++) {
		const struct col *c = results_col(i < NKEYS ? key_names[i] : more[i - NKEYS]);

		if (!compare_values(c, x->run, y->run))
			continue;
		pr_err("%s: runs with %s %s and %s are one set-up now: choose with --%s %s=%s, "
		       "say\n",
			dir, c->name, shown(c, x->run, u), shown(c, y->run, v), side, c->name,
			shown(c, x->run, u));
		return -EINVAL;
	}
	pr_err("%s: runs %s and %s are one set-up and seed; their specs differ in what records do "
	       "not show, so keep "
	       "them in folders of their own\n",
		dir, x->run->id, y->run->id);
	return -EINVAL;
}

static int check_rows(const struct pairing *p)
{
	for (int i = 1; i < p->n; i++)
		if (!by_all(&p->rows[i - 1], &p->rows[i], (void *)p))
			return refuse_double(p, &p->rows[i - 1], &p->rows[i]);
	return 0;
}

// Is that row the first of its side and set-up?
static bool first(const struct pairing *p, int i)
{
	return !i || p->rows[i - 1].side != p->rows[i].side ||
	       by_key(p, &p->rows[i - 1], &p->rows[i]);
}

// Is some value of that column on both sides?
static bool shared(const struct pairing *p, const struct col *c, const struct run_result **a,
	const struct run_result **b)
{
	for (int i = 0; i < p->n; i++)
		for (int j = 0; j < p->n && !p->rows[i].side && first(p, i); j++) {
			if (!p->rows[j].side || !first(p, j))
				continue;
			*a = p->rows[i].run;
			*b = p->rows[j].run;
			if (!compare_values(c, *a, *b))
				return true;
		}
	return false;
}

static int refuse_disjoint(const struct pairing *p)
{
	char u[RESULTS_NUM], v[RESULTS_NUM];
	const struct run_result *a = NULL, *b = NULL;

	for (int i = p->nkeys - 1; i >= 0; i--)
		if (!shared(p, p->keys[i], &a, &b)) {
			pr_err("no set-up is in both: %s differs everywhere (%s in A, %s in B, for "
			       "one); to compare over "
			       "it, name it with --a and --b\n",
				p->keys[i]->name, shown(p->keys[i], a, u), shown(p->keys[i], b, v));
			return -EINVAL;
		}
	pr_err("no set-up is in both %s and %s\n", p->conf->name_a, p->conf->name_b);
	return -EINVAL;
}

/* --- Tests --- */

// Rows of A [0, na) and of B [0, nb) with a seed in both move to the front, in the order of seeds.
static int common(struct row *a, int na, struct row *b, int nb)
{
	int n = 0;

	for (int i = 0, j = 0; i < na && j < nb;) {
		int64_t x = a[i].run->seed, y = b[j].run->seed;

		if (x == y) {
			a[n] = a[i];
			b[n++] = b[j];
		}
		i += x <= y;
		j += y <= x;
	}
	return n;
}

static bool same_seeds(const struct row *a, int na, const struct row *b, int nb)
{
	for (int i = 0; i < na && na == nb; i++)
		if (a[i].run->seed != b[i].run->seed)
			return false;
	return na == nb;
}

static void test_setup(
	struct compare *c, struct row *a, int na, struct row *b, int nb, double *room)
{
	const struct compare_conf *conf = c->conf;
	struct compare_setup *s = &c->setups[c->n++];
	double *x = room, *y = room + na;

	*s = (struct compare_setup){.a = a->run, .b = b->run, .na = na, .nb = nb};
	s->paired = conf->test == COMPARE_PAIRED ||
		    (conf->test == COMPARE_AUTO && same_seeds(a, na, b, nb));
	if (s->paired)
		s->na = s->nb = common(a, na, b, nb);
	for (int m = 0; m < conf->nmetrics; m++) {
		for (int i = 0; i < s->na; i++)
			x[i] = results_value(conf->metrics[m], a[i].run);
		for (int i = 0; i < s->nb; i++)
			y[i] = results_value(conf->metrics[m], b[i].run);
		s->cell[m].d = s->paired ? stats_paired(x, y, s->na, conf->level)
					 : stats_welch(x, s->na, y, s->nb, conf->level);
	}
	c->few += s->na < 2 || s->nb < 2;
	for (int i = 0; i < s->na; i++)
		c->doubted += a[i].run->trusted == 0;
	for (int i = 0; i < s->nb; i++)
		c->doubted += b[i].run->trusted == 0;
}

static void test_setups(struct compare *c, struct pairing *p, double *room)
{
	for (int i = 0, end; i < p->n; i = end) {
		int of[2] = {0, 0};

		for (end = i; end < p->n && !by_key(p, &p->rows[i], &p->rows[end]); end++)
			of[p->rows[end].side]++;
		if (of[0] && of[1])
			test_setup(c, &p->rows[i], of[0], &p->rows[i + of[0]], of[1], room);
		c->only_a += !of[1];
		c->only_b += !of[0];
	}
}

// Holm's correction of a metric over the set-ups, and its verdict over them.
static int judge_metric(struct compare *c, int m, double *room)
{
	struct compare_overall *o = &c->overall[m];
	int used, err;

	for (int i = 0; i < c->n; i++)
		room[i] = c->setups[i].cell[m].d.p;
	err = stats_holm(room, room, c->n);
	if (err)
		return err;
	for (int i = 0; i < c->n; i++) {
		const struct stats_diff *d = &c->setups[i].cell[m].d;

		c->setups[i].cell[m].p_holm = room[i];
		room[i] = d->diff;
		if (isnan(d->diff))
			continue;
		o->setups++;
		o->more += d->diff > 0;
		o->less += d->diff < 0;
		o->mean_a += d->mean_a;
		o->mean_b += d->mean_b;
	}
	o->mean_a /= o->setups;
	o->mean_b /= o->setups;
	o->diff = o->mean_a - o->mean_b;
	o->p = o->setups ? stats_signed_rank(room, c->n, &used) : NAN;
	return 0;
}

static int judge(struct compare *c, double *room)
{
	double p[COMPARE_METRICS];
	int err = 0;

	for (int m = 0; m < c->conf->nmetrics && !err; m++) {
		err = judge_metric(c, m, room);
		p[m] = c->overall[m].p;
	}
	if (!err)
		err = stats_holm(p, p, c->conf->nmetrics);
	for (int m = 0; m < c->conf->nmetrics && !err; m++)
		c->overall[m].p_holm = p[m];
	return err;
}

static int refuse_same(const struct compare *c)
{
	for (int i = 0; i < c->n; i++)
		if (strcmp(c->setups[i].a->id, c->setups[i].b->id))
			return 0;
	pr_err("A and B are the same runs: tell them apart with --a and --b\n");
	return -EINVAL;
}

int compare_init(struct compare *c, const struct compare_conf *conf)
{
	struct pairing p = {.n = 0};
	double *room = NULL;
	int err;

	*c = (struct compare){.conf = conf};
	err = collect(&p, conf);
	if (!err)
		err = check_rows(&p);
	if (err)
		goto out;
	room = calloc(p.n + 1, sizeof(*room));
	c->setups = calloc(p.n + 1, sizeof(*c->setups));
	if (!room || !c->setups) {
		err = -ENOMEM;
		goto out;
	}
	test_setups(c, &p, room);
	err = c->n ? refuse_same(c) : refuse_disjoint(&p);
	if (!err)
		err = judge(c, room);
out:
	if (err == -ENOMEM)
		pr_err("out of memory\n");
	free(room);
	free(p.rows);
	if (err)
		compare_free(c);
	return err;
}

void compare_free(struct compare *c)
{
	free(c->setups);
	c->setups = NULL;
}

char *compare_label(const struct compare *c, const struct compare_setup *s)
{
	static const struct {
		const char *column, *format;
	} parts[] = {{"trace", "%s"}, {"buffer_bdp", "%s BDP"}, {"delay_ms", "%s ms"},
		{"queue", "%s"}, {"loss", "loss %s"}, {"noise", "noise %s"}, {"controller", "%s"},
		{"flow_args", "flows %s"}, {"on", "%s"}};
	char *text, u[RESULTS_NUM], v[RESULTS_NUM];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const struct col *col = results_col(parts[i].column);
		const char *a = shown(col, s->a, u), *b = shown(col, s->b, v);
		bool differ = strcmp(a, b) != 0;
		char *both = file_path(differ ? "%s against %s" : "%s", a, b);

		if (differ || i < 3 || i == 6 ||
			(*a && strcmp(a, "0") && strcmp(a, "droptail") && strcmp(a, "sim"))) {
			fputs(i ? ", " : "", f);
			fprintf(f, parts[i].format, both);
		}
		free(both);
	}
	if (fclose(f))
		abort();
	return text;
}
