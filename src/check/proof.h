/*
 * Proving a part's claims again: every leaf's bound, what follows from it for the target, and the
 * shares.
 */
#ifndef CHECK_PROOF_H
#define CHECK_PROOF_H

#include "cert/cert_file.h"
#include "check/enforce.h"
#include "check/net.h"

struct proof;

struct proof_result {
	long leaves;
	double proven, refuted; /* shares as found here, rounded down */
};

/* Memory for parts about a network, which outlives it. 0 or -ENOMEM. */
int proof_new(struct proof **out, const struct net *net);
void proof_free(struct proof *p);

/* Checks all but that region and target are those of the property: 0; -EKEYREJECTED, and why in
 * words (len characters at most); -ENOMEM. w is the decision's, shield that of the policy, NULL for
 * the bare one. */
int proof_part(struct proof *p, const struct cert_part *part, uint32_t w,
	const struct enforce *shield, struct proof_result *out, char *why, size_t len);

#endif
