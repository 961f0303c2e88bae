/*
 * The network that certificates speak of: the folded actor in double, packed for the engines, with what
 * is known of the rounding of its execution in float32.
 *
 * Real network: h[0] = x, z[l] = h[l] w[l] + b[l], h[l + 1] = leaky(z[l]), y = z[n - 1], in real
 * arithmetic with the folded double weights. Executed network: mlp_forward on the state rounded to float.
 */
#ifndef CERT_ACTOR_H
#define CERT_ACTOR_H

#include "cert/region.h"
#include "nn/mlp.h"

#define ACTOR_ALIGN 64 /* bytes; rows start on it */
#define ACTOR_PAD 16   /* numbers; rows are padded with zeros to a multiple */

struct actor_layer {
	int in, out, stride; /* stride: out padded */
	double *w;	     /* (in, stride) */
	double *b;	     /* (stride) */
	float *away;	     /* (in, stride): w as floats, rounded away from zero */
	double *norm;	     /* (stride): Euclidean norms of the columns of w, rounded up */
	double most_norm, most_b; /* largest of norm and of |b| */
	double rounding;     /* mlp_rounding of the executed layer */
};

struct actor {
	int n;	      /* layers */
	double slope; /* of the leaky ReLU, 0 < slope <= 1 */
	int width;    /* the largest stride */
	double limit; /* while no |input| exceeds it, no sum of the execution overflows; < 0: nothing is safe */
	struct actor_layer layer[MLP_MAX_LAYERS];
	const struct mlp *mlp; /* borrowed: executes it */
};

/* From a folded network, which outlives it. Prints and returns -EBADMSG for weights that are NaN or
 * infinite or an input count above REGION_INPUTS; -ENOMEM. */
int actor_new(struct actor **out, const struct mlp *mlp);
void actor_free(struct actor *a);

/* Takes over the network's present weights; engine_renew comes after. 0, or -EBADMSG as actor_new, after
 * which nothing may be certified. */
int actor_fill(struct actor *a);

/* The same of w and b alone: enough to compute with (segment_run), not to bound anything. */
void actor_fill_weights(struct actor *a);

/* y of the executed network at x (layer[0].in doubles, rounded to float here). scratch: mlp_scratch. */
float actor_run(const struct actor *a, const double *x, float *scratch);

/* Whether executing the network anywhere in the region is safe from overflow, hence from NaN. */
bool actor_reaches(const struct actor *a, const struct region *r);

/* What is known of the real network over a region: ranges of the inputs, and of z in each hidden layer. */
struct actor_ranges {
	const double *x_lo, *x_hi; /* [layer[0].in] */
	const double *z_lo[MLP_MAX_LAYERS], *z_hi[MLP_MAX_LAYERS]; /* [layer[l].stride], aligned, l < n - 1 */
};

/*
 * Bound on |executed y - real y| over all states in the ranges, rounded up; infinite when it cannot be
 * given, as where execution may overflow. The ranges may err by a ten-thousandth of what execution may. scratch:
 * actor_slack_scratch doubles.
 *
 * Every layer adds to its exact sums an error d[l] of at most rounding * (|h| |w| + |b|), the input and
 * the activation one of 2^-24 |h|; the bound is the sum over layers of |dy/dz[l]| d[l], with the
 * derivative's range over all activation patterns that the ranges, widened by the errors so far, allow.
 */
double actor_slack(const struct actor *a, const struct actor_ranges *r, double *scratch);
size_t actor_slack_scratch(const struct actor *a);

#endif
