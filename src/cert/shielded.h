/*
 * Certificates of a shielded policy: what it does over a region, the shield (cert/shield.h) between
 * the network and the window.
 *
 * Targets depend on w and p, which a region fixes; which properties apply depends on the state
 * alone, at edges that are known floats. So the region is cut at those edges into cells. On a cell
 * all over which the property applies, and where some window meets it together with all others that
 * may apply, the shield meets it whatever the network answers: proven. Where the same properties apply
 * all over a cell, the shield is one monotone function of the policy's window: it meets the target
 * exactly where the policy's window is within some interval, which may be everything, nothing, or is
 * put to the engine on that cell. What is measured is so the executed shield, rounding included;
 * left out are cells' borders, which have no measure.
 *
 * Relational properties: the target is that of the shielded window in the observed state, and the
 * windows over the region are shielded ones as well.
 */
#ifndef CERT_SHIELDED_H
#define CERT_SHIELDED_H

#include "cert/engine.h"
#include "cert/shield.h"

#define SHIELDED_CELLS 4096 /* of a part at most; what is left is undecided */

/*
 * On what share of part's region the policy hits the target: as engine_run, which it is with s NULL,
 * the bare policy, and else with the shares, the partition and the counterexample of the shielded
 * one; y and slack are then those of cells that the engine was asked about, y infinite if there was
 * none or a cell was left undecided, real_lo and real_hi NAN. d->clean is that policy's. ask's region and band are ignored. A
 * sink's decided leaves may have infinite bounds: the verdict is the shield's.
 */
int shielded_run(struct engine *e, enum engine_kind kind, const struct shield *s,
	const struct cert_decision *d, const struct part *part, const struct engine_ask *ask,
	struct engine_answer *out);

#endif
