/* The certified network: packing, execution, and how far execution strays from real arithmetic. */
#include "cert/actor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define MAX_SUM 1e36 // well under FLT_MAX: there is room for errors and for radii

static float float_away(double x)
{
	float f = (float)x;

	return fabs(f) < fabs(x) ? nextafterf(f, copysignf(INFINITY, f)) : f;
}

// The sum of squares errs by less than MLP_MAX_WIDTH * 2^-52 of it.
static double column_norm(const struct actor_layer *l, int o)
{
	double largest = 0, sum = 0;

	for (int k = 0; k < l->in; k++)
		largest = fmax(largest, fabs(l->w[(size_t)k * l->stride + o]));
	if (largest == 0)
		return 0;
	for (int k = 0; k < l->in; k++) {
		double w = l->w[(size_t)k * l->stride + o] / largest; // whose square cannot overflow

		sum += w * w;
	}
	return largest * sqrt(sum) * (1 + 1e-9);
}

static int new_layer(struct actor_layer *l, const struct mlp *mlp, int at)
{
	const struct mlp_layer *from = &mlp->layer[at];
	size_t n;

	l->in = from->in;
	l->out = from->out;
	l->stride = (l->out + ACTOR_PAD - 1) / ACTOR_PAD * ACTOR_PAD;
	l->rounding = mlp_rounding(mlp, at);
	n = (size_t)l->in * l->stride;
	l->w = aligned_alloc(ACTOR_ALIGN, n * sizeof(*l->w));
	l->away = aligned_alloc(ACTOR_ALIGN, n * sizeof(*l->away));
	l->b = aligned_alloc(ACTOR_ALIGN, l->stride * sizeof(*l->b));
	l->norm = aligned_alloc(ACTOR_ALIGN, l->stride * sizeof(*l->norm));
	return l->w && l->away && l->b && l->norm ? 0 : -ENOMEM;
}

static void bound_layer(struct actor_layer *l)
{
	l->most_norm = l->most_b = 0;
	for (size_t i = 0; i < (size_t)l->in * l->stride; i++)
		l->away[i] = float_away(l->w[i]);
	for (int o = 0; o < l->stride; o++) {
		l->norm[o] = column_norm(l, o);
		l->most_norm = fmax(l->most_norm, l->norm[o]);
		l->most_b = fmax(l->most_b, fabs(l->b[o]));
	}
}

// Numbers that a float cannot hold cannot be executed either.
static bool finite_layer(const struct actor_layer *l)
{
	bool finite = true;

	for (size_t i = 0; i < (size_t)l->in * l->stride; i++)
		finite &= isfinite(l->away[i]);
	for (int o = 0; o < l->stride; o++)
		finite &= isfinite((float)l->b[o]);
	return finite;
}

// No sum of magnitudes exceeds gain * (largest |input|) + offset, layer by layer.
static double input_limit(const struct actor *a)
{
	double gain = 1, offset = 0, limit = MAX_SUM;

	for (int i = 0; i < a->n; i++) {
		const struct actor_layer *l = &a->layer[i];
		double rows = 0, bias = 0;

		for (int o = 0; o < l->out; o++) {
			double row = 0;

			for (int k = 0; k < l->in; k++)
				row += fabsf(l->away[(size_t)k * l->stride + o]);
			rows = fmax(rows, row);
			bias = fmax(bias, fabs(l->b[o]));
		}
		gain *= rows;
		offset = rows * offset + bias;
		if (!(gain < INFINITY && offset < MAX_SUM))
			return -1;
		if (gain > 0)
			limit = fmin(limit, (MAX_SUM - offset) / gain);
	}
	return limit;
}

bool actor_reaches(const struct actor *a, const struct region *r)
{
	double lo[REGION_INPUTS], hi[REGION_INPUTS], most = 0;

	region_hull(r, lo, hi);
	for (int i = 0; i < r->nin; i++)
		most = fmax(most, fmax(fabs(lo[i]), fabs(hi[i])));
	return most <= a->limit;
}

void actor_fill_weights(struct actor *a)
{
	for (int i = 0; i < a->n; i++) {
		struct actor_layer *l = &a->layer[i];
		const struct mlp_layer *from = &a->mlp->layer[i];

		memset(l->w, 0, (size_t)l->in * l->stride * sizeof(*l->w));
		memset(l->b, 0, l->stride * sizeof(*l->b));
		memcpy(l->b, from->b, l->out * sizeof(*l->b));
		for (int k = 0; k < l->in; k++)
			memcpy(l->w + (size_t)k * l->stride, from->w + (size_t)k * l->out,
				l->out * sizeof(*l->w));
	}
}

int actor_fill(struct actor *a)
{
	actor_fill_weights(a);
	for (int i = 0; i < a->n; i++) {
		bound_layer(&a->layer[i]);
		if (finite_layer(&a->layer[i]))
			continue;
		pr_err("layer %d of the network has weights that are not finite numbers\n", i + 1);
		return -EBADMSG;
	}
	a->limit = input_limit(a);
	return 0;
}

int actor_new(struct actor **out, const struct mlp *mlp)
{
	struct actor *a;
	int err = 0;

	if (mlp->layer[0].in > REGION_INPUTS) {
		pr_err("the network has %d inputs, certificates know of up to %d\n",
			mlp->layer[0].in, REGION_INPUTS);
		return -EBADMSG;
	}
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->slope = mlp->slope;
	a->mlp = mlp;
	for (a->n = 0; !err && a->n < mlp->n; a->n++) {
		struct actor_layer *l = &a->layer[a->n];

		err = new_layer(l, mlp, a->n);
		a->width = l->stride > a->width ? l->stride : a->width;
	}
	if (!err)
		err = actor_fill(a);
	if (err) {
		actor_free(a);
		return err;
	}
	*out = a;
	return 0;
}

void actor_free(struct actor *a)
{
	if (!a)
		return;
	for (int i = 0; i < a->n; i++) {
		free(a->layer[i].w);
		free(a->layer[i].away);
		free(a->layer[i].b);
		free(a->layer[i].norm);
	}
	free(a);
}

float actor_run(const struct actor *a, const double *x, float *scratch)
{
	float xf[REGION_INPUTS], y;

	for (int i = 0; i < a->layer[0].in; i++)
		xf[i] = (float)x[i];
	mlp_forward(a->mlp, xf, &y, 1, scratch);
	return y;
}
