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
static inline void random_point(struct rng *g, const struct region *r, const double *lo, const double *hi, double *t)
{
	bool corner = rng_uniform(g) < 0.25;

	for (int d = 0; d < r->ndims; d++) {
		double u = rng_uniform(g);

		t[d] = corner ? (u < 0.5 ? lo[d] : hi[d]) : lo[d] + u * (hi[d] - lo[d]);
		t[d] = fmin(t[d], hi[d]);
	}
}

#endif
