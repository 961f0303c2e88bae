/*
 * The published certificate, ids 6 to 12, with its defects: for comparison only. Nothing here is a
 * sound statement about a policy, and nothing else uses it. It gives the published code's numbers.
 *
 * A decision is the state x before it, the action a taken, and w; the decision before it had a_prev
 * and w_prev. The previous window is p = percent(a_prev) w_prev / 100, and
 *
 *   id  good (short queue)          bad (long queue, or loss)             robust
 *    6  I = [1-θ, 1] -> G           I = [0, θ] -> B
 *    7                                                                    I = x_I [1-θ, 1+θ] -> R
 *    8  I = [1-θ, 1], L -> B        I = [0, θ], L -> B
 *    9  as 8                        as 8
 *   10  as 6                        as 6                                  as 7, same θ and X
 *   11  I = [1-θ, 1] -> G if grow   I = [0, θ] -> G if recover,
 *                                              else B if shrink
 *   12  I = [.99, 1] -> G if grow   I = [.99, 1], L -> B if shrink
 *
 * I is the newest frame's inv_rtt, L = x_L ± (1-θ)/2 its loss. Targets: G = [0, X] and B = [-X, 0]
 * on d = 4^a w - p; R = c (1 ± X/100) on 4^a w, c = percent(a) w / 100. Slice i of N has I in the
 * i-th Nth of its interval and L in x_L ± (1-θ)/(2N); a box, carried through the real network as
 * centre and radius in double, bounds a and with it d.
 *
 * The score D of an interval is the part of it inside the target as a share of its length, and 1
 * without a target (id 11, 12: not triggered); a point scores 1 or 0. An answer has D of the union of
 * the slices' intervals (r_cert), the mean D of the slices (r_mean), and whether the union scores 1
 * (r_sat). Good and bad are averaged; id 10 then averages that with robust; r_cert of id 9 is the
 * least of the last three decisions. The reward is (1 - λ) raw + λ r_cert.
 *
 * The history of bounds, last three: each decision of id 11 or 12 adds the ends of its unions, and
 * it starts with one zero. grow: all upper ends of good are <= 0; recover: of bad, <= 0; shrink: all
 * lower ends of bad are >= 0.
 *
 * Where the defects are (in the order of the published certificate's list):
 *
 *    1  L is around the observed loss and may go below 0; [θ, 1] only gives its width
 *    2  slice i takes the i-th part of I with an Nth of L: N slices of N^2
 *    3  delay_metric stays as observed
 *    4  the slices of id 7 are clipped to [0, 1] one by one and may end with lo > hi: such a box
 *       has a negative radius and D = 0
 *    5  4^a w has no floors, c has one
 *    6  D is about output intervals
 *    7  grow, recover and shrink look at earlier bounds, not at installed changes
 *    8  the caller passes as w the window of the next report, as w_prev that of this one
 *    9  d, p and c know neither whole windows nor the least window of 4
 *   10  sums are rounded to nearest
 *   11  k = 1 looks at the history's last entry, any other k at all it has, up to three; the
 *       published code had one history for all environments, training and evaluation: here the
 *       caller owns it and may pass one to all
 *   12  r_cert is of the union
 *   13  recover is asked after shrink and wins, on the all-zero history too
 *
 * The reference vectors settle all of this except what k = 1 changes, what becomes of a good part
 * of id 12 with loss (it keeps the loss), and a point's score.
 */
#ifndef CERT_PUBLISHED_H
#define CERT_PUBLISHED_H

#include <stdbool.h>

#include "nn/mlp.h"

#define PUBLISHED_FIRST_ID 6
#define PUBLISHED_LAST_ID 12
#define PUBLISHED_SLICES 64 /* most */
#define PUBLISHED_LOOK_BACK 3

struct published_spec {
	int id;	      /* PUBLISHED_FIRST_ID..PUBLISHED_LAST_ID */
	double theta; /* θ of the regions; id 7: size of the noise, 0.05 */
	double x;     /* X in packets; id 7: in percent of the window, 1 */
	int slices;   /* N, 1..PUBLISHED_SLICES */
	int k;
};

/* The last values, oldest first. */
struct published_values {
	int n;
	double v[PUBLISHED_LOOK_BACK];
};

struct published_history {
	/* id 11, 12: ends of the unions of d */
	struct published_values good_lo, good_hi, bad_lo, bad_hi;
	/* id 9: r_cert before the minimum */
	struct published_values scores;
};

struct published_decision {
	const double *state;
	double w, w_prev; /* packets */
	double a, a_prev;
};

struct published_part {
	bool has_target;
	double target[2];
	double a_lo[PUBLISHED_SLICES], a_hi[PUBLISHED_SLICES];
	double d_lo[PUBLISHED_SLICES], d_hi[PUBLISHED_SLICES]; /* robust: 4^a w */
	double score[PUBLISHED_SLICES];
	double all[2]; /* union over the slices: least d_lo, largest d_hi */
	double score_all, score_mean;
};

struct published_scores {
	double cert, mean, sat;
};

struct published_answer {
	bool has_perf, has_robust;
	double previous; /* p */
	struct published_part good, bad, robust;
	struct published_scores perf;  /* good and bad; id 9: cert is the minimum */
	struct published_scores score; /* of the property */
};

struct published;

/* The network, which outlives it, and a property. 0; -EINVAL (printed) for a spec that makes no
 * sense or a network that does not take a state; -ENOMEM. */
int published_new(struct published **out, const struct mlp *mlp, const struct published_spec *spec);
void published_free(struct published *p);

/* A history before the first decision. */
void published_start(struct published_history *h);

/* Scores a decision and adds it to the history. Allocates nothing. */
void published_run(struct published *p, struct published_history *h,
	const struct published_decision *d, struct published_answer *out);

#endif
