/*
 * Forward and backward passes of a network over the rows of a batch, in steps that may each be
 * split over threads by rows: a row's numbers do not depend on the split as long as its ends are
 * fixed.
 *
 * Forward, for layers l = 0 .. n-2: pass_layer, then pass_normalise if the layer is normalised;
 * then pass_output. Backward: fill dout, pass_output_back, then for l = n-2 .. 0 the
 * normalisation's part (if any) and pass_back. Last the gradients, which sum over all rows and may
 * be split by weights. blas_load comes first.
 */
#ifndef NN_PASS_H
#define NN_PASS_H

#include "nn/tensors.h"

struct pass {
	const struct net_shape *shape;
	int max; /* rows there is room for */
	float slope;
	/* (max, out) of each hidden layer: normalised before beta (normalised layers only); the
	 * activation; the loss's derivative at z. */
	float *x[MLP_MAX_LAYERS], *h[MLP_MAX_LAYERS], *d[MLP_MAX_LAYERS];
	float *out, *dout; /* (max) */
	float *block;
};

/* Rows [from, to) of the input (rows, inputs) and, for critics, of the action. */
struct pass_rows {
	int from, to;
	const float *in, *action;
};

/* What a layer is normalised by: mean and 1 / sqrt(variance + epsilon), (out) of each layer. */
struct pass_norm {
	float *mean[MLP_MAX_LAYERS], *inv[MLP_MAX_LAYERS];
	float *block;
};

/* 0 or -ENOMEM. */
int pass_init(struct pass *p, const struct net_shape *shape, int max, double slope);
void pass_free(struct pass *p);
int pass_norm_init(struct pass_norm *n, const struct net_shape *shape);
void pass_norm_free(struct pass_norm *n);

/* The running statistics of net. */
void pass_norm_running(
	struct pass_norm *n, const struct net_shape *s, const float *net, double epsilon);

/* z of hidden layer l from its input: into x[l] if it is normalised, else through the ReLU into
 * h[l]. */
void pass_layer(struct pass *p, const float *net, int l, const struct pass_rows *r);

/* x[l] becomes normalised, h[l] the activation. */
void pass_normalise(struct pass *p, const float *net, int l, const struct pass_norm *by,
	const struct pass_rows *r);

/* out from the last hidden layer. */
void pass_output(struct pass *p, const float *net, const struct pass_rows *r);

/* All of these, normalised by `by`. */
void pass_forward(
	struct pass *p, const float *net, const struct pass_norm *by, const struct pass_rows *r);

/* d of the last hidden layer, before its normalisation's part, from dout. */
void pass_output_back(struct pass *p, const float *net, const struct pass_rows *r);

/* d[l - 1], before its normalisation's part, from d[l]; l >= 1. */
void pass_back(struct pass *p, const float *net, int l, const struct pass_rows *r);

/* dout through to d of every layer; statistics count as constants. */
void pass_backward(
	struct pass *p, const float *net, const struct pass_norm *by, const struct pass_rows *r);

/*
 * Gradients over rows [0, rows): of rows [k, k + n) of w in hidden layer l, the action's left out;
 * and of what else a layer has: b (0 where normalised: the mean takes it away), the action's row of
 * w, and in the last layer w. Beta is the normalisation's to know. grad is a network's block; with
 * add it is added to.
 */
void pass_gradient(const struct pass *p, int l, int k, int n, const float *in, int rows, bool add,
	float *grad);
void pass_gradient_rest(
	const struct pass *p, int l, const float *action, int rows, bool add, float *grad);

#endif
