/*
 * Engines: what a network does over a region, measured against a band.
 *
 * Guarantee of every engine: proven is at most the share of the region (by the measure of its varied
 * inputs) on which the network, as executed in float32 by mlp_forward and in double, hits the band;
 * refuted at most the share on which it misses; [y_lo, y_hi] holds every executed y. exact is the true
 * share of the real network, up to the rounding of double arithmetic. NaN, an empty region or a spent
 * budget never count as proven.
 */
#ifndef CERT_ENGINE_H
#define CERT_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "cert/actor.h"
#include "cert/band.h"
#include "cert/region.h"

enum engine_verdict { ENGINE_UNKNOWN, ENGINE_HOLDS, ENGINE_FAILS };

/*
 * Receives the partition of the region on which an answer rests, as a binary tree in preorder: cut()
 * splits the current cell by normal . t <= offset (normal has ndims numbers; first the side where it
 * holds, then the other), leaf() closes it with the bound on the executed y there.
 */
struct engine_sink {
	void (*cut)(void *arg, const double *normal, double offset);
	void (*leaf)(void *arg, double y_lo, double y_hi, enum engine_verdict verdict);
	void *arg;
};

struct engine_ask {
	struct region region;
	struct band band;
	int slices;	     /* box and linear: equal slices along the first varied input, >= 1 */
	long budget;	     /* linear: cells it may bound, >= 0; 0 proves nothing */
	bool real;	     /* bounds of the real network, without the slack of its execution */
	bool witness;	     /* look for a counterexample */
	const struct engine_sink *sink; /* or NULL */
};

struct engine_answer {
	const char *engine;
	double proven, refuted, exact; /* shares; exact NAN where the engine has none */
	double y_lo, y_hi;	       /* holds every executed y (real y if ask.real) */
	double real_lo, real_hi;       /* exact engines: the real network's range, else NAN */
	double arg_lo[2], arg_hi[2];   /* exact engines: t where the real network has it */
	double slack;		       /* largest bound used on |executed - real|; box: 0, it has none apart */
	long pieces;		       /* slices, linear pieces, polygons or leaves */
	bool complete;		       /* the budget was enough to decide every cell */
	bool missed;		       /* witness: the executed network misses the band at ... */
	double t[REGION_INPUTS];       /* ... this point of the region */
};

struct engine_ops {
	const char *name; /* "box", "exact", "linear" */
	int max_dims;	  /* most varied inputs */
	/* One thread's memory for an actor, NULL when out of memory; and its end. */
	void *(*open)(const struct actor *a);
	void (*close)(void *state);
	/* 0; -EINVAL for a region it cannot take; -E2BIG when it outgrew its memory (nothing is proven). */
	int (*run)(void *state, const struct engine_ask *ask, struct engine_answer *out);
};

extern const struct engine_ops engine_box, engine_exact1, engine_exact2, engine_linear;

/* One thread's engines for one actor. */
struct engine;
struct engine *engine_new(const struct actor *a);
void engine_free(struct engine *e);

/* After actor_fill: forgets what the engines made of the weights. */
void engine_renew(struct engine *e);

/* "auto" (NULL too), "box", "exact", "linear". -EINVAL if there is none of that name. */
enum engine_kind { ENGINE_AUTO, ENGINE_BOX, ENGINE_EXACT, ENGINE_LINEAR };
int engine_find(const char *name);

/*
 * Runs the engine of that kind: auto takes exact up to two dimensions, then linear. A point (0
 * dimensions) is answered by executing the network. 0 or -EINVAL: a region or band that makes no sense,
 * slices < 1, budget < 0, or exact asked of more than two dimensions. An exact run that outgrows its
 * memory falls back to linear under auto and is -E2BIG else. out is untouched on failure.
 */
int engine_run(struct engine *e, enum engine_kind kind, const struct engine_ask *ask,
	struct engine_answer *out);

#endif
