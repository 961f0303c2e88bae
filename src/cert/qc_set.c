/* Shares of sets from those of their members. */
#include <math.h>

#include "cert/qc.h"

struct qc_share qc_share_of(const struct engine_answer *a)
{
	return (struct qc_share){.triggered = true,
		.proven = a->proven,
		.refuted = a->refuted,
		.exact = a->exact,
		.qc = isnan(a->exact) ? a->proven : a->exact};
}

struct rows {
	const struct property_file *file;
	const struct qc_share *const *row;
	int n;
};

static struct qc_share member_share(const struct rows *r, int member, int back);

// fmin would drop the NAN of an exact share that is not there.
static double least(double a, double b)
{
	return isnan(a) || isnan(b) ? NAN : fmin(a, b);
}

static void take_least(struct qc_share *all, int n, const struct qc_share *s)
{
	if (!n) {
		*all = *s;
		return;
	}
	all->proven = fmin(all->proven, s->proven);
	all->refuted = fmax(all->refuted, s->refuted);
	all->exact = least(all->exact, s->exact);
	all->qc = fmin(all->qc, s->qc);
}

static void add(struct qc_share *all, const struct qc_share *s)
{
	all->triggered = true;
	all->proven += s->proven;
	all->refuted += s->refuted;
	all->exact += s->exact;
	all->qc += s->qc;
}

static struct qc_share over_members(const struct rows *r, const struct property_set *set, int back)
{
	struct qc_share all = {.triggered = false};
	int n = 0;

	for (int i = 0; i < set->nmembers; i++) {
		struct qc_share s = member_share(r, set->member[i], back);

		if (!s.triggered)
			continue;
		if (set->rule == PROPERTY_MEAN)
			add(&all, &s);
		else
			take_least(&all, n, &s);
		n++;
	}
	if (set->rule == PROPERTY_MEAN && n) {
		all.proven /= n;
		all.refuted /= n;
		all.exact /= n;
		all.qc /= n;
	}
	return all;
}

static struct qc_share over_last(const struct rows *r, const struct property_set *set, int back)
{
	struct qc_share all = {.triggered = false};

	for (int i = 0; i < set->last; i++) {
		struct qc_share s = member_share(r, set->member[0], back + i);

		if (!s.triggered)
			return (struct qc_share){.triggered = false};
		take_least(&all, i, &s);
	}
	return all;
}

static struct qc_share member_share(const struct rows *r, int member, int back)
{
	const struct property_set *set = &r->file->set[~member];

	if (back >= r->n)
		return (struct qc_share){.triggered = false};
	if (member >= 0)
		return r->row[back][member];
	return set->rule == PROPERTY_MIN_LAST ? over_last(r, set, back)
					      : over_members(r, set, back);
}

struct qc_share qc_combine(
	const struct property_file *f, const struct qc_share *const *rows, int nrows)
{
	const struct rows r = {f, rows, nrows};

	return member_share(&r, f->main, 0);
}
