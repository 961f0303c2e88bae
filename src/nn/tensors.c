/* Offsets, names and initial values. */
#include "nn/tensors.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// Room for a tensor at *at, which moves on.
static size_t place(size_t *at, size_t floats)
{
	size_t here = *at;

	*at += (floats + TENSORS_ALIGN - 1) / TENSORS_ALIGN * TENSORS_ALIGN;
	return here;
}

void net_shape_init(struct net_shape *s, int n, const int *dims, bool norm, bool critic)
{
	size_t at = 0;

	assert(n >= 1 && n <= MLP_MAX_LAYERS && (!critic || n > 1));
	*s = (struct net_shape){.n = n};
	for (int l = 0; l < n; l++) {
		struct net_layer *y = &s->layer[l];

		y->action = critic && l == 1;
		y->in = dims[l] + y->action;
		y->out = dims[l + 1];
		y->norm = norm && l < n - 1;
		y->w = place(&at, (size_t)y->in * y->out);
		y->b = place(&at, y->out);
		if (y->norm)
			y->beta = place(&at, y->out);
	}
	s->trained = at;
	for (int l = 0; l < n; l++)
		if (s->layer[l].norm) {
			s->layer[l].mean = place(&at, s->layer[l].out);
			s->layer[l].var = place(&at, s->layer[l].out);
		}
	s->size = at;
}

void tensors_init(struct tensors *t)
{
	memset(t, 0, sizeof(*t));
}

static void add(struct tensors *t, const char *net, int l, const char *part, int in, int out,
	size_t at, bool trained)
{
	struct tensor *one = &t->tensor[t->n++];

	assert(t->n <= TENSORS_MAX);
	*one = (struct tensor){.ndim = in ? 2 : 1, .at = t->size + at, .trained = trained};
	one->shape[0] = in ? in : out;
	one->shape[1] = in ? out : 1;
	snprintf(one->name, sizeof(one->name), "%s.%d.%s", net, l + 1, part);
}

int tensors_add(struct tensors *t, const char *net, const struct net_shape *shape)
{
	assert(t->nets < TENSORS_NETS);
	for (int l = 0; l < shape->n; l++) {
		const struct net_layer *y = &shape->layer[l];

		add(t, net, l, "w", y->in, y->out, y->w, true);
		add(t, net, l, "b", 0, y->out, y->b, true);
		if (!y->norm)
			continue;
		add(t, net, l, "beta", 0, y->out, y->beta, true);
		add(t, net, l, "mean", 0, y->out, y->mean, false);
		add(t, net, l, "var", 0, y->out, y->var, false);
	}
	t->shape[t->nets] = shape;
	t->base[t->nets] = t->size;
	t->size += shape->size;
	return t->nets++;
}

const struct tensor *tensors_broken(const struct tensors *t, const float *block)
{
	for (int i = 0; i < t->n; i++)
		for (size_t k = 0; k < tensor_items(&t->tensor[i]); k++)
			if (!isfinite(block[t->tensor[i].at + k]))
				return &t->tensor[i];
	return NULL;
}

void net_glorot(const struct net_shape *s, float *net, struct rng *rng)
{
	memset(net, 0, s->size * sizeof(*net));
	for (int l = 0; l < s->n; l++) {
		const struct net_layer *y = &s->layer[l];
		double limit = sqrt(6.0 / (y->in + y->out));

		for (size_t i = 0; i < (size_t)y->in * y->out; i++)
			net[y->w + i] = (float)(limit * (2 * rng_uniform(rng) - 1));
		for (int i = 0; y->norm && i < y->out; i++)
			net[y->var + i] = 1;
	}
}

// Column o of a layer's weights, from those rows alone.
static void set_column(const struct net_layer *y, float *net, int o, int row, int rows, double v)
{
	for (int k = 0; k < y->in; k++)
		net[y->w + (size_t)k * y->out + o] = 0;
	for (int k = 0; k < rows; k++)
		net[y->w + (size_t)(row + k) * y->out + o] = (float)(k ? -v : v);
}

void net_negate_input(const struct net_shape *s, float *net, int input, double slope, double rest)
{
	const struct net_layer *last = &s->layer[s->n - 1];

	for (int l = 0; l < s->n - 1; l++) {
		double v = l ? 1 / (1 + slope) : 1;

		assert(!s->layer[l].norm && s->layer[l].out >= 2);
		for (int o = 0; o < 2; o++)
			set_column(&s->layer[l], net, o, l ? 0 : input, l ? 2 : 1, o ? -v : v);
	}
	for (int k = 0; k < last->in; k++)
		net[last->w + k] *= (float)rest;
	net[last->w] = (float)(-1 / (1 + slope));
	net[last->w + 1] = -net[last->w];
}

void net_fold(struct mlp *m, const struct net_shape *s, const float *net, double epsilon)
{
	for (int l = 0; l < s->n; l++) {
		const struct net_layer *y = &s->layer[l];
		struct mlp_layer *to = &m->layer[l];

		assert(to->in == y->in && to->out == y->out);
		for (int o = 0; o < y->out; o++) {
			double scale = y->norm ? 1 / sqrt(net[y->var + o] + epsilon) : 1,
			       mean = y->norm ? net[y->mean + o] : 0,
			       beta = y->norm ? net[y->beta + o] : 0;

			to->b[o] = (net[y->b + o] - mean) * scale + beta;
			for (int k = 0; k < y->in; k++)
				to->w[(size_t)k * y->out + o] =
					net[y->w + (size_t)k * y->out + o] * scale;
		}
	}
	mlp_pack(m);
}
