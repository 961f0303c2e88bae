/* Certificate entries made up at random, for tests and seeds of their file format. */
#ifndef TESTS_CERT_ENTRIES_H
#define TESTS_CERT_ENTRIES_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "cert/cert_file.h"

#define ENTRIES_TEXT "property p\n  over inv_rtt in [0.5, 1]\n  then cwnd >= \"4\" # \xc3\xa9\n"

static inline struct cert_head entries_head(void)
{
	static struct cert_param params[] = {{(char *)"theta", 0.25}, {(char *)"x", 25}};
	struct cert_head h = {.model_name = (char *)"m",
		.property = {(char *)"p.txt", (char *)ENTRIES_TEXT, (char *)"p", ""},
		.params = params,
		.nparams = 2};

	memset(h.model_sha256, 'a', HASH_HEX - 1);
	return h;
}

/* A random tree of n cuts through the sink, never deeper than n. */
static inline void entries_grow(struct rng *g, const struct engine_sink *s, int ndims, int cuts)
{
	double normal[REGION_INPUTS] = {0};
	int left = cuts ? (int)(rng_uniform(g) * cuts) : 0;
	double lo = rng_normal(g);

	if (!cuts) {
		enum engine_verdict v = (enum engine_verdict)(3 * rng_uniform(g));
		bool open = v == ENGINE_UNKNOWN && rng_uniform(g) < 0.5;

		s->leaf(s->arg, open ? -INFINITY : lo, open ? INFINITY : lo + rng_uniform(g), v);
		return;
	}
	if (rng_uniform(g) < 0.5)
		normal[(int)(ndims * rng_uniform(g))] = 1;
	else
		for (int d = 0; d < ndims; d++)
			normal[d] = rng_normal(g);
	s->cut(s->arg, normal, rng_normal(g));
	entries_grow(g, s, ndims, left);
	entries_grow(g, s, ndims, cuts - 1 - left);
}

static inline void entries_part(
	struct rng *g, struct cert_part *p, const struct cert_entry *e, int ndims)
{
	struct engine_sink sink = cert_tree_sink(&p->tree, ndims);

	p->property = strdup("p");
	p->engine = strdup("box");
	region_point(&p->region, e->state, e->nstate);
	for (int d = 0; d < ndims; d++) {
		double lo = rng_normal(g);

		region_vary(&p->region, 61 + 2 * d, lo, lo + 1); // the first is an inv_rtt
	}
	p->region.x[0] = 0.125;
	p->lo = -(int64_t)(1e6 * rng_uniform(g));
	p->hi = (int64_t)1 << 40;
	p->proven = rng_uniform(g);
	p->refuted = 1 - p->proven;
	p->exact = rng_uniform(g) < 0.5 ? NAN : 1. / 3;
	p->y_lo = -INFINITY;
	p->y_hi = 1e300;
	p->missed = rng_uniform(g) < 0.5;
	for (int d = 0; d < ndims; d++)
		p->t[d] = rng_normal(g);
	entries_grow(g, &sink, ndims, (int)(20 * rng_uniform(g)));
}

/* An entry to be freed, with some parts. */
static inline struct cert_entry entries_random(struct rng *g, int parts)
{
	struct cert_entry e = {.source = strdup("run/1 \"\\\n"),
		.nstate = 70,
		.w = 4000000000u,
		.p = 7,
		.clean = 12,
		.nchanges = 3,
		.changes = {-5, INT64_MAX, 0}};

	for (int i = 0; i < e.nstate; i++)
		e.state[i] = rng_normal(g) * 1e-3;
	e.parts = calloc(parts + 1, sizeof(*e.parts));
	e.nparts = parts;
	for (int i = 0; i < parts; i++)
		entries_part(g, &e.parts[i], &e, 1 + i % 5);
	return e;
}

#endif
