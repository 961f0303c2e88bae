/*
 * What may be altered of a certificate, for the tests of t_check_file.c: of its head or of one of
 * its entries, whose first parts are a line, a plane, a space and a point.
 */
#ifndef TESTS_CERT_ALTERATIONS_H
#define TESTS_CERT_ALTERATIONS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cert/cert_file.h"

#define NEWEST(feature) (STATE_SIZE - FRAME_FEATURES + (feature))

/* The first leaf of a kind; false if there is none. */
static inline bool leaf_of(const struct cert_tree *t, char kind, size_t *node)
{
	for (*node = 0; *node < t->nodes; ++*node)
		if (t->kind[*node] == kind)
			return true;
	return false;
}

static void switch_leaf(struct cert_entry *e, char from, char to)
{
	for (int i = 0; i < e->nparts; i++) {
		size_t node;

		if (leaf_of(&e->parts[i].tree, from, &node)) {
			e->parts[i].tree.kind[node] = to;
			return;
		}
	}
	fail();
}

/* clang-format off */
#define ALTER(name) static void name(struct cert_head *h, struct cert_entry *e)
ALTER(other_w) { e->w++; }
ALTER(other_p) { e->p++; }
ALTER(no_p) { e->p = 0; }
ALTER(other_clean) { e->clean++; }
ALTER(other_change) { e->changes[0] = 1; }
ALTER(fewer_changes) { e->nchanges = 0; }
ALTER(other_state) { e->state[3] += 0.5; }
ALTER(short_state) { e->nstate = 69; }
ALTER(other_name) { e->parts[0].property[0] = 'L'; }
ALTER(lower_region) { e->parts[0].region.dim[0].lo += 1e-9; }
ALTER(upper_region) { e->parts[1].region.dim[1].hi -= 1e-9; }
ALTER(other_input)
{
	e->parts[1].region.dim[1].input = NEWEST(FRAME_THR);
	e->parts[1].region.x[NEWEST(FRAME_THR)] = e->state[NEWEST(FRAME_THR)];
}
ALTER(other_fixed) { e->parts[3].region.x[NEWEST(FRAME_LOSS)] = 0.5; }
ALTER(not_fixed) { e->parts[3].region.x[NEWEST(FRAME_LOSS)] = e->state[NEWEST(FRAME_LOSS)]; }
ALTER(more_fixed) { e->parts[0].region.x[1] += 1; }
ALTER(lower_target) { e->parts[0].lo--; }
ALTER(upper_target) { e->parts[0].hi++; }
ALTER(more_proven) { e->parts[0].proven += 1e-7; }
ALTER(more_refuted) { e->parts[1].refuted += 1e-7; }
ALTER(all_proven) { e->parts[2].proven = 1; }
ALTER(low_exact) { e->parts[0].exact = e->parts[0].proven > 0 ? 0 : 1; }
ALTER(hull) { e->parts[0].y_lo += 1e-9; }
ALTER(upper_hull) { e->parts[2].y_hi -= 1e-9; }
ALTER(tight_low) { e->parts[0].tree.bounds[0] = e->parts[0].tree.bounds[1] - 1e-3; }
ALTER(tight_high) { e->parts[1].tree.bounds[7] = e->parts[1].tree.bounds[6] + 1e-3; }
ALTER(tight_space) { e->parts[2].tree.bounds[2] = e->parts[2].tree.bounds[3]; }
ALTER(unknown_holds) { switch_leaf(e, CERT_UNKNOWN, CERT_HOLDS); }
ALTER(unknown_fails) { switch_leaf(e, CERT_UNKNOWN, CERT_FAILS); }
ALTER(fails_holds) { switch_leaf(e, CERT_FAILS, CERT_HOLDS); }
ALTER(holds_fails) { switch_leaf(e, CERT_HOLDS, CERT_FAILS); }
ALTER(outside) { e->parts[0].missed = true; e->parts[0].t[0] = 1.1; }
ALTER(no_miss) { e->parts[3].missed = true; }
ALTER(part_lost)
{
	struct cert_part first = e->parts[0];

	memmove(e->parts, e->parts + 1, --e->nparts * sizeof(*e->parts));
	e->parts[e->nparts] = first; // freed all the same
	e->nparts++;
	free(e->parts[e->nparts - 1].property);
	e->parts[e->nparts - 1].property = strdup("line");
}
ALTER(cut_moved)
{
	e->parts[0].tree.cuts[1] = 0.55;
}
ALTER(other_model) { h->model_sha256[0] ^= 1; }
ALTER(other_text)
{
	char *at = strstr(h->property.text, "-40");

	at[1] = '3';
}
ALTER(other_set)
{
	free(h->property.set);
	h->property.set = strdup("line");
}
ALTER(other_parameter)
{
	h->params = calloc(1, sizeof(*h->params));
	h->params[0] = (struct cert_param){strdup("theta"), 0.5};
	h->nparams = 1;
}

static const struct {
	const char *name;
	void (*alter)(struct cert_head *h, struct cert_entry *e);
	int which; // entry, -1: the head
} alterations[] = {
#define ROW(name, which) {#name, name, which}
	ROW(other_w, 0), ROW(other_p, 1), ROW(no_p, 1), ROW(other_clean, 2), ROW(other_change, 0),
	ROW(fewer_changes, 0), ROW(other_state, 3), ROW(short_state, 0), ROW(other_name, 0), ROW(lower_region, 0),
	ROW(upper_region, 1), ROW(other_input, 0), ROW(other_fixed, 0), ROW(not_fixed, 0), ROW(more_fixed, 0),
	ROW(lower_target, 0), ROW(upper_target, 1), ROW(more_proven, 0), ROW(more_refuted, 0), ROW(all_proven, 0),
	ROW(low_exact, 0), ROW(hull, 0), ROW(upper_hull, 1), ROW(tight_low, 0), ROW(tight_high, 0),
	ROW(tight_space, 1), ROW(unknown_holds, 0), ROW(unknown_fails, 0), ROW(fails_holds, 0), ROW(holds_fails, 0),
	ROW(outside, 0), ROW(no_miss, 0), ROW(part_lost, 0), ROW(cut_moved, 0), ROW(other_model, -1),
	ROW(other_text, -1), ROW(other_set, -1), ROW(other_parameter, -1),
};
/* clang-format on */
#define ALTERATIONS ((int)(sizeof(alterations) / sizeof(alterations[0])))

#endif
