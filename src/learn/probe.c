/* Extremes at breakpoints, and slices. */
#include "learn/probe.h"

#include <string.h>

void probe_point(struct probe *p, const double *x)
{
	for (int k = 0; k < p->size; k++)
		p->centre[k] = (float)x[k];
	if (p->radius) {
		memset(p->radius, 0, p->size * sizeof(*p->radius));
		p->radius += p->size;
	}
	p->centre += p->size;
}

static double somewhere(const struct region_dim *d, struct rng *rng)
{
	double u = rng_uniform(rng);

	return u < 0.25 ? d->lo : u < 0.5 ? d->hi : d->lo + (d->hi - d->lo) * rng_uniform(rng);
}

// The extremes along varied input `along`.
static bool add_line(
	struct probe *p, struct segment *s, const struct region *r, int along, struct rng *rng)
{
	struct region line = *r;
	double at[REGION_INPUTS], x[REGION_INPUTS];
	const struct segment_point *y = s->point;
	long lo = 0, hi = 0;

	for (int i = 0; i < r->ndims; i++)
		at[i] = somewhere(&r->dim[i], rng);
	region_state(r, at, line.x);
	line.ndims = 1;
	line.dim[0] = r->dim[along];
	if (segment_run(s, &line))
		return false;
	for (long i = 0; i < s->points; i++) {
		lo = y[i].y < y[lo].y ? i : lo;
		hi = y[i].y > y[hi].y ? i : hi;
	}
	region_state(&line, &y[lo].t, x);
	probe_point(p, x);
	region_state(&line, &y[hi].t, x);
	probe_point(p, x);
	return true;
}

int probe_lines(struct probe *p, struct segment *s, const struct region *r, struct rng *rng)
{
	int first = r->ndims > PROBE_LINES ? (int)rng_below(rng, r->ndims) : 0, n = 0;

	if (!r->ndims) {
		probe_point(p, r->x);
		probe_point(p, r->x);
		return 1;
	}
	for (int i = 0; i < r->ndims && i < PROBE_LINES; i++)
		n += add_line(p, s, r, (first + i) % r->ndims, rng);
	return n;
}

static void add_box(struct probe *p, const struct region *r)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	region_hull(r, lo, hi);
	for (int k = 0; k < p->size; k++) {
		*p->centre++ = (float)((lo[k] + hi[k]) / 2);
		*p->radius++ = (float)((hi[k] - lo[k]) / 2);
	}
}

int probe_slices(struct probe *p, const struct region *r, int slices)
{
	struct region slice = *r;

	if (!r->ndims) {
		probe_point(p, r->x);
		return 1;
	}
	for (int i = 0; i < slices; i++) {
		double from = r->dim[0].lo, width = (r->dim[0].hi - from) / slices;

		slice.dim[0].lo = from + i * width;
		slice.dim[0].hi = i + 1 < slices ? from + (i + 1) * width : r->dim[0].hi;
		add_box(p, &slice);
	}
	return slices;
}
