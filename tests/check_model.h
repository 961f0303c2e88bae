/* Models at random, for tests of the checker. */
#ifndef TESTS_CHECK_MODEL_H
#define TESTS_CHECK_MODEL_H

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "model/model.h"
#include "obs/frame.h"

/* Widths of the layers, 0 after the last. */
static const int check_shapes[][6] = {
	{1}, {40, 1}, {7, 33, 1}, {64, 64, 1}, {20, 9, 35, 1}, {256, 256, 1}};
#define CHECK_SHAPES ((int)(sizeof(check_shapes) / sizeof(check_shapes[0])))

/* Weights of variance gain^2 / inputs, hidden layers normalised. The caller frees it. */
static inline struct model *check_model(int shape, double gain, uint64_t seed)
{
	struct model *m = model_new();
	int in = STATE_SIZE;
	struct rng g;

	rng_init(&g, seed, 0);
	for (int l = 0; m && check_shapes[shape][l]; l++) {
		int out = check_shapes[shape][l];
		bool last = !check_shapes[shape][l + 1];
		struct model_layer *layer = &m->net[MODEL_ACTOR].layer[l];

		if (model_add_layer(&m->net[MODEL_ACTOR], in, out, !last))
			abort();
		for (int i = 0; i < in * out; i++)
			layer->w[i] = (float)(gain * rng_normal(&g) / sqrt(in));
		for (int o = 0; o < out; o++)
			layer->b[o] = (float)(rng_normal(&g) / 4);
		for (int o = 0; o < out && !last; o++) {
			layer->beta[o] = (float)rng_normal(&g) / 2;
			layer->mean[o] = (float)rng_normal(&g) / 2;
			layer->var[o] = (float)pow(2, 4 * rng_uniform(&g) - 3);
		}
		in = out;
	}
	model_digest(m);
	return m;
}

#endif
