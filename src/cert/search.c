/* Steps along the gradient's sign, judged by executing the network. */
#include "cert/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cert/kernel.h"

#define STEPS 8

struct search {
	const struct actor *actor;
	float *execution;	   // mlp_scratch
	double *z[MLP_MAX_LAYERS]; // sums of every layer at a point
	double *g[2];		   // derivatives, by turns
};

static double *row(const struct actor *a)
{
	int n = a->width > REGION_INPUTS ? a->width : REGION_INPUTS;
	double *p = aligned_alloc(ACTOR_ALIGN, n * sizeof(*p));

	if (p)
		memset(p, 0, n * sizeof(*p));
	return p;
}

struct search *search_new(const struct actor *a)
{
	struct search *s = calloc(1, sizeof(*s));
	bool ok = s;

	if (!s)
		return NULL;
	s->actor = a;
	s->execution = malloc(mlp_scratch(a->mlp) * sizeof(*s->execution));
	ok = s->execution;
	for (int l = 0; l < a->n; l++)
		ok &= (s->z[l] = row(a)) != NULL;
	for (int i = 0; i < 2; i++)
		ok &= (s->g[i] = row(a)) != NULL;
	if (ok)
		return s;
	search_free(s);
	return NULL;
}

void search_free(struct search *s)
{
	if (!s)
		return;
	for (int l = 0; l < MLP_MAX_LAYERS; l++)
		free(s->z[l]);
	free(s->g[0]);
	free(s->g[1]);
	free(s->execution);
	free(s);
}

// Derivative of y by every input at x: s->g[.] is returned.
static const double *gradient(struct search *s, const double *x)
{
	const struct actor *a = s->actor;
	double *g = s->g[0], *next = s->g[1];

	memcpy(g, x, a->layer[0].in * sizeof(*g));
	for (int l = 0; l < a->n; l++) {
		kernel_forward(&a->layer[l], 1, (const double *[]){g}, (double *[]){s->z[l]});
		for (int j = 0; j < a->layer[l].out; j++) {
			double z = s->z[l][j] += a->layer[l].b[j];

			g[j] = z < 0 ? a->slope * z : z;
		}
	}
	g[0] = 1;
	for (int l = a->n - 1;; l--) {
		double *swap = g;

		memset(g + a->layer[l].out, 0, (a->layer[l].stride - a->layer[l].out) * sizeof(*g));
		kernel_backward(&a->layer[l], g, next);
		g = next;
		next = swap;
		if (l == 0)
			return g;
		for (int j = 0; j < a->layer[l].in; j++)
			g[j] *= s->z[l - 1][j] < 0 ? a->slope : 1;
	}
}

static float run(struct search *s, const struct region *r, const double *t)
{
	double x[REGION_INPUTS];

	region_state(r, t, x);
	return actor_run(s->actor, x, s->execution);
}

static double slope_along(const struct region *r, int d, double t, const double *g)
{
	const struct region_dim *dim = &r->dim[d];
	double tied = dim->tied >= 0 && t < REGION_KINK ? REGION_TIED_SLOPE * g[dim->tied] : 0;

	return g[dim->input] + tied;
}

float search_extreme(struct search *s, const struct region *r, const double *lo, const double *hi,
	bool up, double *t)
{
	double x[REGION_INPUTS], at[REGION_INPUTS], along[REGION_INPUTS], step = 1;
	float best, y;
	bool moved = true;

	for (int d = 0; d < r->ndims; d++)
		t[d] = lo[d] + (hi[d] - lo[d]) / 2;
	best = run(s, r, t);
	for (int i = 0; i < STEPS; i++) {
		if (moved) {
			const double *g;

			region_state(r, t, x);
			g = gradient(s, x);
			for (int d = 0; d < r->ndims; d++)
				along[d] = (up ? 1 : -1) * slope_along(r, d, t[d], g);
		}
		for (int d = 0; d < r->ndims; d++) {
			double by =
				along[d] == 0 ? 0 : copysign(step * (hi[d] - lo[d]) / 2, along[d]);

			at[d] = fmax(lo[d], fmin(hi[d], t[d] + by));
		}
		y = run(s, r, at);
		moved = up ? y > best : y < best;
		if (moved) {
			best = y;
			memcpy(t, at, r->ndims * sizeof(*t));
		} else {
			step /= 2;
		}
	}
	return best;
}

bool search_miss(struct search *s, const struct engine_ask *ask, const double *lo, const double *hi,
	double *t)
{
	double at[REGION_INPUTS];

	for (int up = 0; up < 2; up++) {
		float y = search_extreme(s, &ask->region, lo, hi, up, at);

		if (band_fails(&ask->band, y, y)) {
			memcpy(t, at, ask->region.ndims * sizeof(*t));
			return true;
		}
	}
	return false;
}
