/*
 * A two-dimensional region cut into convex polygons on each of which the network's output is
 * affine.
 *
 * Where tied inputs have their kinks the region is up to four patches. The zeros of layer 0 cut a
 * patch into cells; on a cell the sums of layer 1 are affine, their zeros cut it further, and so
 * on: a tree of cuts, walked depth first. On the other side of a neuron's zero the next layer's
 * sums change by a multiple of one row of its weights. The corners of a cut are shared by both
 * sides, so that no area is lost, and sums are kept in coordinates in which their cell is of unit
 * size, so that thin cells do not lose digits.
 */
#ifndef CERT_SUBDIVISION_H
#define CERT_SUBDIVISION_H

#include <stdbool.h>

#include "cert/actor.h"
#include "cert/polygon.h"

#define SUBDIVISION_AXES 2
#define SUBDIVISION_PATCHES (1 << SUBDIVISION_AXES)

/* A patch is the image of the unit square: t[d] = lo[d] + width[d] * (x or y). */
struct subdivision_patch {
	double lo[SUBDIVISION_AXES], width[SUBDIVISION_AXES];
};

/* Cuts and leaves in preorder; a cut's first side is that where normal . t <= offset. */
struct subdivision_node {
	bool leaf;
	double normal[SUBDIVISION_AXES], offset; /* cuts */
	int corner, corners, patch;		 /* leaves: into corner[], how many, into patch[] */
};

struct subdivision {
	struct subdivision_node *node;
	int nodes, leaves;
	double *corner[3]; /* of all leaves: x and y in the patch, and the output there */
	int corners;
	struct subdivision_patch patch[SUBDIVISION_PATCHES];
	int patches;
	const double *z_lo[MLP_MAX_LAYERS],
		*z_hi[MLP_MAX_LAYERS]; /* ranges of the hidden layers' sums */
};

/* Memory for subdivisions of one actor's regions; NULL when out of it. */
struct subdivision *subdivision_new(const struct actor *a);
void subdivision_free(struct subdivision *s);

/* Of a region of two varied inputs; replaces the one before. 0, or -E2BIG when it has too many
 * parts. */
int subdivision_run(struct subdivision *s, const struct region *r);

/* A leaf as a polygon in its patch (without u and v), and the output at its corners. */
struct polygon subdivision_leaf(
	const struct subdivision *s, const struct subdivision_node *n, const double **y);

/* A half-plane of a patch's unit square as one of the region. */
void subdivision_place(
	const struct subdivision_patch *p, double normal[SUBDIVISION_AXES], double *offset);

#endif
