/*
 * The checker of certificate files: believes a claim only when it has proved it itself.
 *
 * Why it can be trusted. It shares no code with the engines: of the program it takes the model
 * reader, the file reader, the property language, regions and, to execute the network at single
 * points, the sender itself. What is proved rests on little:
 *
 * - window.c: which windows follow from bounds on y: integers, and e^v by a series of positive
 * terms.
 * - net.c: the network folded in intervals, rounding.c: how far float execution is from real
 * arithmetic.
 * - cell.c: the cells of a partition, each within a set of doubles, and their measure from above. A
 * tree of cuts covers the region by construction; what is proven is 1 minus the measure of all
 * other leaves.
 * - corners.c, lines.c: bounds of y over such sets, bound.c: which to try, and splitting where none
 * will do.
 * - enforce.c: what the shield of a shielded policy makes of its windows.
 * - proof.c: every leaf's bound, its verdict, the shares, the counterexample.
 * - check.c: model, decision, region and target are those that the property text asks for.
 *
 * All bounds are doubles rounded upward (upward.h) or sums with an error term that holds for any
 * rounding and order. Assumed are IEEE arithmetic, the C library's tanh within 2 units in the last
 * place, and that the table of thresholds in policy/action.c is right, which a test proves with
 * window.c.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "cert/cert_file.h"
#include "cert/property.h"
#include "model/model.h"

struct check_report {
	long decisions, triggered; /* of which some property triggered */
	long parts, leaves;
	double proven, refuted; /* sums over parts, as proved here */
};

struct check;

/* For certificates of a model, which is read only here. Prints; 0 or -errno. */
int check_new(struct check **out, const struct model *m);
void check_free(struct check *c);

/* Certificates are from now on about the policy behind a shield of the file's main set, which
 * outlives it; NULL: about the bare one, as they are at first. */
void check_shielded(struct check *c, const struct property_file *shield);

/*
 * Verifies one decision against a property file whose main set is the certificate's. 0;
 * -EKEYREJECTED or -errno, printed after `where` ("FILE:LINE"). Adds to the report; each part is
 * told to pr_debug.
 */
int check_entry(struct check *c, const struct property_file *f, const struct cert_entry *e,
	const char *where, struct check_report *report);

/* Verifies a file against a model file. 0 when all of it was verified; -EKEYREJECTED when it is not
 * to be believed; else it cannot be read or memory is out. Prints. */
int check_file(const char *cert, const char *model, struct check_report *report);

#endif
