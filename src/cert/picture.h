/*
 * Pictures of a part: what the network does over the region, the bounds that were proved, and the target.
 *
 * One varied input: the window against the input, each leaf of the partition as a box in the colour of its
 * verdict, the target as a band. Two: a map of the window, with the target's limits drawn in.
 */
#ifndef CERT_PICTURE_H
#define CERT_PICTURE_H

#include "cert/engine.h"
#include "cert/part.h"

struct picture {
	const char *path;  /* .svg, .png or .pdf */
	const char *title; /* of the part: file, decision, property */
	const struct part *part;
	const struct cert_decision *decision;
	const struct engine_ask *ask; /* what was asked; its sink is replaced */
	enum engine_kind engine;
};

/*
 * Draws it, running the engine once more for its partition. 0; -EINVAL for a region without or with more
 * than two varied inputs (printed); else as engine_run and gnuplot_close.
 */
int picture_draw(const struct picture *p, const struct actor *a, struct engine *e);

#endif
