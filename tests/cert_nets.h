/* Networks and regions for tests of certificates. */
#ifndef TESTS_CERT_NETS_H
#define TESTS_CERT_NETS_H

#include <math.h>
#include <stdlib.h>

#include "base/rng.h"
#include "cert/engine.h"
#include "golden.h"
#include "model/tf_import.h"

#define ORCA SHARED "orca/model.ckpt-1283529"

/* The published actor; needs ORCA.index. */
static inline struct mlp *orca_net(void)
{
	struct model *model;
	struct mlp *m;

	if (tf_import_file(&model, ORCA))
		return NULL;
	m = model_fold(model);
	model_free(model);
	return m;
}

/* Normal weights of variance gain^2 / in, and biases of 1/4. */
static inline struct mlp *random_net(int n, const int *dims, double gain, uint64_t seed)
{
	struct mlp *m = mlp_new(n, dims, 0.2);
	struct rng r;

	rng_init(&r, seed, 0);
	for (int i = 0; m && i < n; i++) {
		for (int k = 0; k < dims[i] * dims[i + 1]; k++)
			m->layer[i].w[k] = gain * rng_normal(&r) / sqrt(dims[i]);
		for (int k = 0; k < dims[i + 1]; k++)
			m->layer[i].b[k] = rng_normal(&r) / 2;
	}
	if (m)
		mlp_pack(m);
	return m;
}

/* An actor and its network. */
static inline void free_actor(struct actor *a)
{
	struct mlp *m = a ? (struct mlp *)a->mlp : NULL;

	actor_free(a);
	mlp_free(m);
}

/* NULL: out of memory. */
static inline struct actor *random_actor(int n, const int *dims, double gain, uint64_t seed)
{
	struct mlp *m = random_net(n, dims, gain, seed);
	struct actor *a = NULL;

	if (m)
		actor_new(&a, m);
	return a;
}

/* Networks of 1 to 5 layers, widths around the kernels' blocks. */
static const int shapes[][7] = {{1, 5, 1}, {1, 96, 1}, {2, 3, 1, 1}, {2, 70, 33, 1},
	{3, 17, 31, 65, 1}, {3, 70, 256, 256, 1}, {4, 9, 40, 7, 97, 1}, {5, 12, 20, 50, 33, 16, 1}};
#define SHAPES ((int)(sizeof(shapes) / sizeof(shapes[0])))

/* A region of random inputs and widths: up to `varied` inputs vary. */
static inline void random_region(struct rng *g, struct region *r, int nin, int varied)
{
	double x[REGION_INPUTS];

	for (int k = 0; k < nin; k++)
		x[k] = rng_normal(g);
	region_point(r, x, nin);
	for (int d = 0; d < varied; d++) {
		int input = (int)(rng_uniform(g) * nin);
		double width = pow(10, -6 * rng_uniform(g)), at = rng_normal(g);

		region_vary(
			r, input, at, at + (d == 3 ? 0 : width)); // refused if it varies already
	}
}

/* The region of a case of boxes.json: inputs vary one by one, nothing is tied. */
static inline void golden_region(struct region *r, const json_t *box)
{
	const json_t *state = json_object_get(box, "state");
	double x[REGION_INPUTS];
	const char *key;
	json_t *range;
	int n = (int)json_array_size(state);

	for (int k = 0; k < n; k++)
		x[k] = json_number_value(json_array_get(state, k));
	region_point(r, x, n);
	json_object_foreach(json_object_get(box, "vary"), key, range)
	{
		struct region_dim d = {atoi(key), -1, json_number_value(json_array_get(range, 0)),
			json_number_value(json_array_get(range, 1))};

		if (d.lo < d.hi)
			r->dim[r->ndims++] = d;
		else
			r->x[d.input] = d.lo;
	}
}

/* A point of the box lo..hi of the region, often in its corners. */
static inline void random_point(
	struct rng *g, const struct region *r, const double *lo, const double *hi, double *t)
{
	bool corner = rng_uniform(g) < 0.25;

	for (int d = 0; d < r->ndims; d++) {
		double u = rng_uniform(g);

		t[d] = corner ? (u < 0.5 ? lo[d] : hi[d]) : lo[d] + u * (hi[d] - lo[d]);
		t[d] = fmin(t[d], hi[d]);
	}
}

#endif
