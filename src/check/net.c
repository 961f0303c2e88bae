/* Folding in intervals, and the error of sums. */
#include "check/net.h"

#include <errno.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/region.h"
#include "check/upward.h"

#define FLOAT_UNIT 0x1p-24 // relative rounding of a float operation

/*
 * Rounding of one sum of mlp_forward, relative to the sum of the magnitudes of its terms: a term
 * passes through its weight's rounding to float and the additions on its way, each of 2^-24. In
 * hidden layers these are at most MLP_CHAIN fused ones and one for each further chain; in the last
 * layer, MLP_PANEL chains side by side, then a tree of them and the bias.
 */
static double executed(int in, bool last)
{
	const int chain =
		last ? (in + MLP_PANEL - 1) / MLP_PANEL : (in < MLP_CHAIN ? in : MLP_CHAIN);
	int later = (in + MLP_CHAIN - 1) / MLP_CHAIN;
	double ru;

	if (last) {
		later = 1;
		for (int lanes = 1; lanes < MLP_PANEL; lanes *= 2)
			later++;
	}
	ru = (1 + chain + later) * FLOAT_UNIT;
	return ru * (1 + ru); // >= (1 + u)^r - 1
}

// Column o of a layer: with s in [lo, hi] the batch norm's factor, w s and (b - mean) s + beta.
static double fold_column(struct net_layer *to, const struct model_layer *from, int o)
{
	double under = from->beta ? from->var[o] + MODEL_BN_EPSILON : 1;
	double below = from->beta ? down_add(from->var[o], MODEL_BN_EPSILON) : 1;
	double hi = 1 / -(-sqrt(below) + (from->beta ? UPWARD_UNIT * sqrt(below) : 0));
	double lo = down_div(1, sqrt(under)), most = 0;
	double shift =
		from->beta ? (double)from->b[o] - from->mean[o] : from->b[o]; // floats: see below
	double off = from->beta ? UPWARD_UNIT * fabs(shift) : 0, up, down;

	for (int k = 0; k < from->in; k++)
		to->w[(size_t)k * to->stride + o] = from->w[(size_t)k * from->out + o] * hi;
	most = (hi - lo) / lo + 2 * UPWARD_UNIT;
	if (!from->beta) {
		to->b[o] = shift;
		return 0;
	}
	up = fmax((shift + off) * hi, (shift + off) * lo) + from->beta[o];
	down = -(fmax((off - shift) * hi, (off - shift) * lo) - from->beta[o]);
	to->b[o] = up;
	to->b_error[o] = up - down + UPWARD_UNIT * fabs(up);
	return most;
}

static int fold_layer(struct net_layer *to, const struct model_layer *from, bool last)
{
	double most = 0;
	size_t n;

	to->in = from->in;
	to->out = from->out;
	to->stride = (from->out + PRODUCT_PAD - 1) / PRODUCT_PAD * PRODUCT_PAD;
	n = (size_t)to->in * to->stride;
	to->w = aligned_alloc(64, n * sizeof(*to->w));
	to->b = calloc(to->stride, sizeof(*to->b));
	to->b_error = calloc(to->stride, sizeof(*to->b_error));
	if (!to->w || !to->b || !to->b_error)
		return -ENOMEM;
	memset(to->w, 0, n * sizeof(*to->w));
	for (int o = 0; o < to->out; o++)
		most = fmax(most, fold_column(to, from, o));
	to->executed = executed(to->in, last);
	to->error = most +
		    (8 + (to->in > to->stride ? to->in : to->stride)) * UPWARD_UNIT * (1 + 0x1p-12);
	for (size_t i = 0; i < n; i++)
		if (!(fabs(to->w[i]) < FLT_MAX) || !(fabs(to->b[i % to->stride]) < FLT_MAX))
			return -EBADMSG;
	return 0;
}

static int fold(struct net *net, const struct model_net *from)
{
	int was = upward_begin(), err = 0;

	for (int l = 0; l < from->n && !err; l++) {
		net->n = l + 1; // what there is to free
		err = fold_layer(&net->layer[l], &from->layer[l], l == from->n - 1);
		net->width = net->layer[l].stride > net->width ? net->layer[l].stride : net->width;
	}
	upward_end(was);
	if (err == -EBADMSG)
		pr_err("layer %d of the actor has weights that no float holds\n", net->n);
	return err;
}

int net_new(struct net **out, const struct model *m)
{
	struct net *net = calloc(1, sizeof(*net));
	int err;

	if (!net)
		return -ENOMEM;
	net->slope = MODEL_SLOPE;
	net->width = (REGION_INPUTS + PRODUCT_PAD - 1) / PRODUCT_PAD * PRODUCT_PAD;
	err = fold(net, &m->net[MODEL_ACTOR]);
	net->mlp = err ? NULL : model_fold(m);
	net->scratch = net->mlp ? malloc(mlp_scratch(net->mlp) * sizeof(*net->scratch)) : NULL;
	if (!err && !net->scratch)
		err = -ENOMEM;
	if (err)
		net_free(net);
	else
		*out = net;
	return err;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	for (int l = 0; l < net->n; l++) {
		free(net->layer[l].w);
		free(net->layer[l].b);
		free(net->layer[l].b_error);
	}
	mlp_free(net->mlp);
	free(net->scratch);
	free(net);
}

void net_errors(
	const struct net_layer *l, const double *most, const double *off, double *tmp, double *to)
{
	const struct product magnitudes = net_product(l, true);

	for (int k = 0; k < l->in; k++)
		tmp[k] = (l->error * most[k] + (off ? off[k] : 0)) * (1 + l->error) + UPWARD_TINY;
	product_rows(&magnitudes, 1, tmp, l->in, to, l->stride);
	for (int j = 0; j < l->stride; j++)
		to[j] += l->error * fabs(l->b[j]) + l->b_error[j] + UPWARD_TINY;
}

float net_run(const struct net *net, const double *x)
{
	float xf[REGION_INPUTS], y;

	for (int i = 0; i < net->layer[0].in; i++)
		xf[i] = (float)x[i];
	mlp_forward(net->mlp, xf, &y, 1, net->scratch);
	return y;
}
