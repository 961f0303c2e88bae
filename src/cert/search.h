/*
 * Search for extreme points: where in a box of a region the executed network answers much or
 * little.
 *
 * From the centre, steps along the sign of the gradient, each taken only if the executed y
 * improves, else halved. Finds counterexamples; finding none proves nothing.
 */
#ifndef CERT_SEARCH_H
#define CERT_SEARCH_H

#include "cert/engine.h"

struct search;

/* One thread's memory; a outlives it. NULL when out of memory. */
struct search *search_new(const struct actor *a);
void search_free(struct search *s);

/*
 * Climbs (up) or descends from the centre of the box lo..hi, within the region's varied inputs: the
 * best executed y, found at t (ndims numbers).
 */
float search_extreme(struct search *s, const struct region *r, const double *lo, const double *hi,
	bool up, double *t);

/* Whether a point of the box was found at which the executed network misses ask's band; it is then
 * t. */
bool search_miss(struct search *s, const struct engine_ask *ask, const double *lo, const double *hi,
	double *t);

#endif
