/*
 * What a shield makes of a policy's window, as the checker finds it: from the definition in
 * cert/shield.h and the property language alone, sharing no code with the shield.
 *
 * Functions round to nearest inside, whatever is set outside.
 */
#ifndef CHECK_ENFORCE_H
#define CHECK_ENFORCE_H

#include "cert/part.h"
#include "check/cell.h"

/* A shield on one decision: the properties of its main set whose conditions on history and windows
 * hold, none of them with cwnd(clean), and what they want. */
struct enforce {
	const struct cert_decision *d;
	int n;
	const struct property *property[PROPERTY_MAX];
	int64_t lo[PROPERTY_MAX], hi[PROPERTY_MAX];
};

void enforce_begin(
	struct enforce *e, const struct property_file *shield, const struct cert_decision *d);

/* What is installed at the decision's state, or at x instead, where the policy wants c. */
uint32_t enforce_window(const struct enforce *e, const double *x, uint32_t c);

/* What is known of a leaf's interior (a point, if the region is one) and a target. */
struct enforce_leaf {
	bool holds, fails; /* whatever the policy wants */
	bool known; /* else: the target holds exactly where the policy wants lo..hi packets */
	int64_t lo, hi;
};

void enforce_judge(const struct enforce *e, const struct region *r, const struct cell *cell,
	int64_t lo, int64_t hi, struct enforce_leaf *out);

#endif
