/* TD3 as one would write it down: double, one loop per sum, no shards; what the learner is tested
 * against. */
#ifndef TESTS_SLOW_TD3_H
#define TESTS_SLOW_TD3_H

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "learn/td3.h"

#define SLOW_ROWS 320
#define SLOW_WIDTH 12
#define SLOW_LAYERS 4

// A network's tensors, copied out of the learner's block by their names.
struct slow_net {
	int n, in[SLOW_LAYERS], out[SLOW_LAYERS];
	double *w[SLOW_LAYERS], *b[SLOW_LAYERS], *beta[SLOW_LAYERS], *mean[SLOW_LAYERS],
		*var[SLOW_LAYERS]; // beta NULL: not normalised
};

// What a forward pass leaves: inputs, normalised values, activations of each layer.
struct slow_run {
	double h[SLOW_LAYERS + 1][SLOW_ROWS][SLOW_WIDTH], x[SLOW_LAYERS][SLOW_ROWS][SLOW_WIDTH],
		mean[SLOW_LAYERS][SLOW_WIDTH], var[SLOW_LAYERS][SLOW_WIDTH];
};

static double *slow_tensor(const struct tensors *t, const float *block, const char *net, int l,
	const char *part, int *rows, int *cols)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%d.%s", net, l, part);
	for (int i = 0; i < t->n; i++) {
		const struct tensor *x = &t->tensor[i];
		double *v;

		if (strcmp(x->name, name))
			continue;
		v = malloc(tensor_items(x) * sizeof(*v));
		for (size_t k = 0; k < tensor_items(x); k++)
			v[k] = block[x->at + k];
		*rows = x->shape[0];
		*cols = x->shape[1];
		return v;
	}
	return NULL;
}

static inline void slow_load(
	struct slow_net *s, const struct tensors *t, const float *block, const char *net)
{
	int rows, cols;

	memset(s, 0, sizeof(*s));
	for (int l = 0; l < SLOW_LAYERS; l++) {
		s->w[l] = slow_tensor(t, block, net, l + 1, "w", &s->in[l], &s->out[l]);
		if (!s->w[l])
			break;
		s->n++;
		s->b[l] = slow_tensor(t, block, net, l + 1, "b", &rows, &cols);
		s->beta[l] = slow_tensor(t, block, net, l + 1, "beta", &rows, &cols);
		s->mean[l] = slow_tensor(t, block, net, l + 1, "mean", &rows, &cols);
		s->var[l] = slow_tensor(t, block, net, l + 1, "var", &rows, &cols);
	}
}

static inline void slow_free(struct slow_net *s)
{
	for (int l = 0; l < s->n; l++) {
		free(s->w[l]);
		free(s->b[l]);
		free(s->beta[l]);
		free(s->mean[l]);
		free(s->var[l]);
	}
}

static void slow_moments(struct slow_run *r, const struct slow_net *s, int l, int rows)
{
	for (int o = 0; o < s->out[l]; o++) {
		double mean = 0, var = 0;

		for (int i = 0; i < rows; i++)
			mean += r->x[l][i][o] / rows;
		for (int i = 0; i < rows; i++)
			var += (r->x[l][i][o] - mean) * (r->x[l][i][o] - mean) / rows;
		r->mean[l][o] = mean;
		r->var[l][o] = var;
	}
}

// out[i] of rows of inputs x (rows, inputs); action NULL for actors; by the batch's statistics or
// the running ones.
static inline void slow_forward(struct slow_run *r, const struct slow_net *s, const float *x,
	const double *action, int rows, bool batch, double *out)
{
	int inputs = s->in[0];

	for (int i = 0; i < rows; i++)
		for (int k = 0; k < inputs; k++)
			r->h[0][i][k] = x[i * inputs + k];
	for (int l = 0; l < s->n; l++) {
		for (int i = 0; i < rows; i++) {
			if (l == 1 && action)
				r->h[1][i][s->in[1] - 1] = action[i];
			for (int o = 0; o < s->out[l]; o++) {
				double z = s->b[l][o];

				for (int k = 0; k < s->in[l]; k++)
					z += r->h[l][i][k] * s->w[l][k * s->out[l] + o];
				r->x[l][i][o] = z;
			}
		}
		if (s->beta[l] && batch) {
			slow_moments(r, s, l, rows);
		} else if (s->beta[l]) {
			memcpy(r->mean[l], s->mean[l], s->out[l] * sizeof(double));
			memcpy(r->var[l], s->var[l], s->out[l] * sizeof(double));
		}
		for (int i = 0; i < rows; i++)
			for (int o = 0; o < s->out[l]; o++) {
				double z = r->x[l][i][o];

				if (s->beta[l])
					z = (z - r->mean[l][o]) / sqrt(r->var[l][o] + 1e-3) +
					    s->beta[l][o];
				if (l < s->n - 1 && z < 0)
					z *= 0.2;
				r->h[l + 1][i][o] = z;
			}
	}
	for (int i = 0; i < rows; i++)
		out[i] = r->h[s->n][i][0];
}

#endif
