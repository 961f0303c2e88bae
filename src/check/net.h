/*
 * The network as the checker sees it: folded anew, in intervals, from the model's tensors.
 *
 * Layer l computes z = h w + b with h its input, the state for the first; h = leaky(z) is the next
 * one's input; y is the last one's z. w and b here are within the relative bound `error` and the
 * absolute `b_error` of both the real folded numbers and those that model_fold computes in double,
 * whose rounding to float is executed.
 */
#ifndef CHECK_NET_H
#define CHECK_NET_H

#include "check/product.h"
#include "model/model.h"

struct net_layer {
	int in, out, stride; /* stride: out padded with zeros to a multiple of PRODUCT_PAD */
	double *w, *b;	     /* (in, stride), (stride) */
	double *b_error;     /* (stride) */
	double error;	 /* relative, of w and of sums of products with it in either direction */
	double executed; /* relative rounding of one sum of the float network, see net.c */
};

struct net {
	int n; /* layers */
	double slope;
	int width; /* the largest stride, or the inputs if there are more */
	struct net_layer layer[MLP_MAX_LAYERS];
	struct mlp *mlp; /* executes */
	float *scratch;
};

/* 0; -ENOMEM; printed, -EBADMSG for weights that floats cannot hold. Leaves rounding as it was. */
int net_new(struct net **out, const struct model *m);
void net_free(struct net *net);

/* h . w, h . |w| and, with the bias, z. */
static inline struct product net_product(const struct net_layer *l, bool magnitudes)
{
	return (struct product){l->w, NULL, l->in, l->stride, magnitudes};
}

static inline struct product net_sums(const struct net_layer *l)
{
	return (struct product){l->w, l->b, l->in, l->stride, false};
}

/*
 * The error of a layer's sums, for whole batches: to[j] = sum over k of |w[k][j]| (error * most[k]
 * + off[k]) + that of the bias, when no |input k| exceeds most[k] or is off by more than off[k]
 * (NULL: 0). tmp: in numbers. Rounding is upward.
 */
void net_errors(
	const struct net_layer *l, const double *most, const double *off, double *tmp, double *to);

/* y of the executed network in state x (doubles, rounded to float here), and the window that
 * follows from it. Rounding is to nearest. */
float net_run(const struct net *net, const double *x);

#endif
