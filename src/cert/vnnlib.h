/*
 * VNN-LIB: what other verifiers of neural networks read. A file states when an output is a
 * counterexample, X_i being the inputs and Y_0 the network's output; the claim holds if the file cannot
 * be satisfied. Y_0 is the pre-activation: the network that belongs to a file is that of
 * `canopy model export --pre-activation`.
 *
 * Grammar (the subset of VNN-LIB 1.0 that VNN-COMP uses, and in exact files one form more):
 *
 *   file    = { "(declare-const" name "Real)" | "(assert" formula ")" }
 *   formula = "(and" { formula } ")" | "(or" { formula } ")" | "(" ( "<=" | ">=" | "=" ) name number ")"
 *           | tie
 *   tie     = "(or (and (<= A 0.8) (= B (* 1.25 A))) (and (>= A 0.8) (= B 1.0)))"
 *   name    = "X_" digits | "Y_0"
 *   number  = decimal | "(- " decimal ")"
 *
 * A comparison may have its sides exchanged. Source: vnnlib.org, standard 1.0; VNN-COMP takes input
 * constraints that are boxes, output constraints that are linear, in and/or.
 *
 * Numbers are written as the exact decimal value of the double, so that a reader with real arithmetic
 * (an SMT solver) gets the same number; they are read as the nearest double. As inputs and outputs are
 * doubles themselves, no counterexample is lost: a double beyond a limit is beyond the double nearest to
 * it, or that double.
 */
#ifndef CERT_VNNLIB_H
#define CERT_VNNLIB_H

#include "cert/band.h"
#include "cert/region.h"

#define VNNLIB_MAX_BYTES ((size_t)1 << 20) /* longest file read */
#define VNNLIB_MAX_SETS 256		   /* most alternatives once "or" is multiplied out */

enum vnnlib_mode {
	VNNLIB_BOX, /* VNN-COMP: every input has its own range, so that delay_metric is untied from
			 inv_rtt: a larger region, marked in a comment; numbers as -0.5 */
	VNNLIB_EXACT, /* SMT-LIB (QF_LRA): the tie is kept; numbers as (- 0.5) */
};

/*
 * The claim that y hits the band all over the region, as text (malloc'ed, *len bytes and a NUL). The
 * limits are the band's sure ones: where it is unsatisfiable the claim holds, the executed tanh included;
 * a y between a sure limit and the true one, some 2^-24 of the action, may install a wanted window after
 * all. How far the executed y is from that of the verifier's arithmetic (actor_slack) is not in it. A band
 * that nothing hits is written as (or (<= Y_0 0.0) (>= Y_0 0.0)). comment: lines that say what it is
 * about, or NULL.
 *
 * 0, -ENOMEM, -EINVAL for a region that is not valid, -EDOM for a band that every y hits: of that no
 * counterexample can be stated.
 */
int vnnlib_format(char **text, size_t *len, const struct region *r, const struct band *b,
	enum vnnlib_mode mode, const char *comment);

/* Writes it atomically. 0 or -errno; prints the error. */
int vnnlib_write(const struct region *r, const struct band *b, enum vnnlib_mode mode,
	const char *comment, const char *path);

/* lo < y < hi at every state of the region; lo >= hi: no y is right. Limits may be infinite, not both. */
struct vnnlib_claim {
	struct region region;
	double lo, hi;
};

struct vnnlib {
	int n; /* at least 1 */
	struct vnnlib_claim *claims;
};

/*
 * The claims of a file, one for every distinct region: all must hold. 0 or -errno; prints file, line and
 * word of what is wrong: besides mistakes of grammar, names that are not declared, inputs without limits
 * or without a value, and outputs that are bounded on both sides or not at all (a forgotten "or" makes a
 * claim that always holds).
 */
int vnnlib_read(struct vnnlib **out, const char *path);

/* As vnnlib_read, from len bytes of NUL-terminated text, which is changed; path is for messages. */
int vnnlib_parse(struct vnnlib **out, char *text, size_t len, const char *path);
void vnnlib_free(struct vnnlib *v);

/* The claim's band, for engines; its percents say only whether it is empty. */
void vnnlib_band(struct band *b, const struct vnnlib_claim *c);

#endif
