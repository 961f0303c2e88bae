/*
 * Products of a layer's matrix with many rows of pairs: centres by w, radii by |w|.
 *
 * A row of stride numbers is a vector of pairs: centres from 0, radii from stride / 2 on. All
 * arrays are aligned to ACTOR_ALIGN, strides are multiples of 2 ACTOR_ALIGN bytes. Every result is
 * one sum in a fixed order of fused multiply-adds, so it has the same bits whatever rows are beside
 * it and on every machine with IEEE fma.
 *
 * An activated row holds what the next layer reads of h = leaky(z), z in centre +- radius: the
 * centre c of the interval of h and keep * radius + add * |c| + least. With keep and add above 1
 * and 0 by the roundings on the way, the next product's radii cover them all; no other product is
 * needed for that.
 */
#ifndef CERT_PAIR_H
#define CERT_PAIR_H

#include "nn/mlp.h"

#define PAIR_PANEL_F MLP_PANEL
#define PAIR_PANEL_D 16

struct pair_f {
	int in, out, stride;		 /* stride: out padded to PAIR_PANEL_F */
	const float *w;			 /* (stride / PANEL, in, PANEL); (in) for pair_dot_f */
	const float *bias, *bias_radius; /* (stride) */
	float slope, keep, add, least;	 /* of the activation, as above */
};

struct pair_d {
	int in, out, stride;
	const double *w;
	const double *bias, *bias_radius;
};

enum pair_kind {
	PAIR_CENTRES,  /* y has centres of sums only; radii are not read */
	PAIR_SUMS,     /* y has sums */
	PAIR_ACTIVATED /* y is activated; floats only */
};

/* y[r] = x[r] . (w, |w|) + (bias, bias_radius) for some rows; xs and ys are strides. y is not x. */
void pair_rows_f(const struct pair_f *l, const float *x, int xs, float *y, int ys, int rows,
	enum pair_kind kind);
void pair_rows_d(const struct pair_d *l, const double *x, int xs, double *y, int ys, int rows,
	enum pair_kind kind);

/* y = activated(x + sum over v of in[v] times row input[v] of (w, |w|)), x being sums. */
void pair_shift_f(const struct pair_f *l, int nv, const int *input, const float (*in)[2],
	const float *x, float *y, int stride);

/* The sums of a layer of one output at row x: y[0] +- y[1]. */
void pair_dot_f(const struct pair_f *l, const float *x, int xs, float y[2]);

/*
 * Roundings that a term of a centre, or of a radius, of a layer of `in` inputs passes through at
 * most: its weight's own, those of the sum, and `extra` additions of pair_shift_f. Each is
 * relative, of 2^-24 (2^-53 in double), so a sum errs by at most (1 + 2^-24)^roundings - 1 of the
 * sum of magnitudes.
 */
int pair_rounding(int in, int extra);
int pair_radius_rounding(int in, int extra);

#endif
