/*
 * Interval passes: boxes through a folded network and the loss's derivatives back to its weights,
 * for training on bounds (Gowal et al., 2018, "On the effectiveness of interval bound
 * propagation"). In float, without care for rounding: bounds that prove are cert/box.h's.
 *
 * A box of inputs is a centre c and a radius r >= 0. A layer gives zc = c w + b and zr = r |w|; the
 * leaky ReLU maps the ends zc -+ zr, from which the next centre and radius follow. The output's
 * ends are lo and hi.
 *
 * Rows may be split over threads, the gradients by weights. blas_load comes first.
 */
#ifndef NN_INTERVAL_H
#define NN_INTERVAL_H

#include "nn/mlp.h"

struct interval {
	int n, max; /* layers; rows there is room for */
	int widest; /* hidden layer */
	float slope;
	struct interval_layer {
		int in, out;
		float *w, *away, *b; /* (in, out), |w|, (out) */
		float *c, *r;	     /* (max, in) what comes in; of layer 0 the caller's to fill */
		float *zc, *zr;	     /* (max, out) sums; then the loss's derivatives there */
		float *dw, *db;	     /* (in, out), (out) gradients */
	} layer[MLP_MAX_LAYERS];
	float *lo, *hi;	  /* [max] bounds on y */
	float *dlo, *dhi; /* [max] the loss's derivatives, the caller's to fill */
	float *dc, *dr;	  /* (max, widest) on the way back */
	float *block;
};

/* For networks of m's sizes. 0 or -ENOMEM. */
int interval_init(struct interval *v, const struct mlp *m, int max);
void interval_free(struct interval *v);

/* Takes over m's weights. */
void interval_load(struct interval *v, const struct mlp *m);

/* Rows [from, to): lo and hi; then, from dlo and dhi, the derivatives of every layer's sums. */
void interval_forward(struct interval *v, int from, int to);
void interval_backward(struct interval *v, int from, int to);

/* dw of rows [k, k + n) of layer l's weights, over rows [0, rows); and db, with k = 0. */
void interval_gradient(struct interval *v, int l, int k, int n, int rows);

#endif
