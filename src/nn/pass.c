/* Passes over rows: matrix products and the element-wise steps between them. */
#include "nn/pass.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "nn/blas.h"
#include "nn/rows.h"

#define LINE 16 /* floats of a cache line */

// Floats of room, whole cache lines.
static size_t room(size_t floats)
{
	return (floats + LINE - 1) / LINE * LINE;
}

static float *new_block(size_t floats)
{
	return aligned_alloc(LINE * sizeof(float), room(floats) * sizeof(float));
}

int pass_init(struct pass *p, const struct net_shape *shape, int max, double slope)
{
	size_t size = 2 * room(max);
	float *at;

	*p = (struct pass){.shape = shape, .max = max, .slope = (float)slope};
	for (int l = 0; l < shape->n - 1; l++)
		size += (shape->layer[l].norm ? 3 : 2) * room((size_t)max * shape->layer[l].out);
	at = p->block = new_block(size);
	if (!at)
		return -ENOMEM;
	p->out = at;
	p->dout = at += room(max);
	at += room(max);
	for (int l = 0; l < shape->n - 1; l++) {
		size_t each = room((size_t)max * shape->layer[l].out);

		p->h[l] = at;
		p->d[l] = at += each;
		if (shape->layer[l].norm)
			p->x[l] = at += each;
		at += each;
	}
	return 0;
}

void pass_free(struct pass *p)
{
	free(p->block);
	p->block = NULL;
}

int pass_norm_init(struct pass_norm *n, const struct net_shape *shape)
{
	size_t size = 0;
	float *at;

	*n = (struct pass_norm){.block = NULL};
	for (int l = 0; l < shape->n; l++)
		size += 2 * room(shape->layer[l].out);
	at = n->block = new_block(size);
	if (!at)
		return -ENOMEM;
	for (int l = 0; l < shape->n; l++) {
		n->mean[l] = at;
		n->inv[l] = at += room(shape->layer[l].out);
		at += room(shape->layer[l].out);
	}
	return 0;
}

void pass_norm_free(struct pass_norm *n)
{
	free(n->block);
	n->block = NULL;
}

void pass_norm_running(
	struct pass_norm *n, const struct net_shape *s, const float *net, double epsilon)
{
	for (int l = 0; l < s->n; l++)
		for (int i = 0; s->layer[l].norm && i < s->layer[l].out; i++) {
			n->mean[l][i] = net[s->layer[l].mean + i];
			n->inv[l][i] = (float)(1 / sqrt(net[s->layer[l].var + i] + epsilon));
		}
}

void pass_layer(struct pass *p, const float *net, int l, const struct pass_rows *r)
{
	const struct net_layer *y = &p->shape->layer[l];
	int rows = r->to - r->from, in = y->in - y->action;
	const float *from = (l ? p->h[l - 1] : r->in) + (size_t)r->from * in;
	float *z = (y->norm ? p->x[l] : p->h[l]) + (size_t)r->from * y->out;

	rows_fill(z, rows, y->out, net + y->b, y->action ? r->action + r->from : NULL,
		net + y->w + (size_t)in * y->out);
	blas_product(rows, y->out, in, (struct blas_matrix){from, in, false},
		(struct blas_matrix){net + y->w, y->out, false}, true, z, y->out);
	if (!y->norm)
		rows_leaky(z, rows, y->out, p->slope);
}

void pass_normalise(struct pass *p, const float *net, int l, const struct pass_norm *by,
	const struct pass_rows *r)
{
	const struct net_layer *y = &p->shape->layer[l];
	size_t at = (size_t)r->from * y->out;

	rows_normalise(p->x[l] + at, p->h[l] + at, r->to - r->from, y->out, by->mean[l], by->inv[l],
		net + y->beta, p->slope);
}

void pass_output(struct pass *p, const float *net, const struct pass_rows *r)
{
	int last = p->shape->n - 1;
	const struct net_layer *y = &p->shape->layer[last];

	rows_dot(p->out + r->from, p->h[last - 1] + (size_t)r->from * y->in, r->to - r->from, y->in,
		net + y->w, net[y->b]);
}

void pass_forward(
	struct pass *p, const float *net, const struct pass_norm *by, const struct pass_rows *r)
{
	for (int l = 0; l < p->shape->n - 1; l++) {
		pass_layer(p, net, l, r);
		if (p->shape->layer[l].norm)
			pass_normalise(p, net, l, by, r);
	}
	pass_output(p, net, r);
}

void pass_output_back(struct pass *p, const float *net, const struct pass_rows *r)
{
	int last = p->shape->n - 1, n = p->shape->layer[last].in;
	size_t at = (size_t)r->from * n;

	rows_dot_back(p->d[last - 1] + at, p->dout + r->from, p->h[last - 1] + at, r->to - r->from,
		n, net + p->shape->layer[last].w, p->slope);
}

void pass_back(struct pass *p, const float *net, int l, const struct pass_rows *r)
{
	const struct net_layer *y = &p->shape->layer[l];
	int rows = r->to - r->from, in = y->in - y->action;
	float *to = p->d[l - 1] + (size_t)r->from * in;

	blas_product(rows, in, y->out,
		(struct blas_matrix){p->d[l] + (size_t)r->from * y->out, y->out, false},
		(struct blas_matrix){net + y->w, y->out, true}, false, to, in);
	rows_leaky_back(to, p->h[l - 1] + (size_t)r->from * in, rows, in, p->slope);
}

void pass_backward(
	struct pass *p, const float *net, const struct pass_norm *by, const struct pass_rows *r)
{
	pass_output_back(p, net, r);
	for (int l = p->shape->n - 2; l >= 0; l--) {
		const struct net_layer *y = &p->shape->layer[l];

		if (y->norm)
			rows_scale(p->d[l] + (size_t)r->from * y->out, r->to - r->from, y->out,
				by->inv[l]);
		if (l)
			pass_back(p, net, l, r);
	}
}

void pass_gradient(
	const struct pass *p, int l, int k, int n, const float *in, int rows, bool add, float *grad)
{
	const struct net_layer *y = &p->shape->layer[l];
	int width = y->in - y->action;

	blas_product(n, y->out, rows, (struct blas_matrix){(l ? p->h[l - 1] : in) + k, width, true},
		(struct blas_matrix){p->d[l], y->out, false}, add, grad + y->w + (size_t)k * y->out,
		y->out);
}

void pass_gradient_rest(
	const struct pass *p, int l, const float *action, int rows, bool add, float *grad)
{
	const struct net_layer *y = &p->shape->layer[l];

	if (l == p->shape->n - 1) {
		rows_sum(grad + y->w, p->h[l - 1], p->dout, rows, y->in, add);
		rows_sum(grad + y->b, p->dout, NULL, rows, 1, add);
		return;
	}
	if (!y->norm)
		rows_sum(grad + y->b, p->d[l], NULL, rows, y->out, add);
	if (y->action)
		rows_sum(grad + y->w + (size_t)(y->in - 1) * y->out, p->d[l], action, rows, y->out,
			add);
}
