/* The loops of slack.c, compiled once per instruction set (lanes.h). Sums have ACTOR_PAD chains. */
#define CHAINS (ACTOR_PAD / LANES)

static inline __attribute__((always_inline)) TARGET double FN(total)(const V *acc)
{
	double lane[ACTOR_PAD], sum = 0;

	memcpy(lane, acc, sizeof(lane));
	for (int i = 0; i < ACTOR_PAD; i++)
		sum += lane[i];
	return sum;
}

// |executed sum - real sum| of neurons j on (Cauchy and Schwarz).
static inline __attribute__((always_inline)) TARGET V FN(sum_error)(
	const struct actor_layer *l, double errors, int j)
{
	return SET1(OUTWARD) * (SET1(errors) * LOAD(l->norm + j) +
				       SET1(l->rounding) * ABS(LOAD(l->b + j)) + SET1(MLP_TINY));
}

static TARGET void FN(activate)(const struct actor_layer *l, const double *z_lo, const double *z_hi,
	const struct activation *a, float *added, double squares[2])
{
	V errors[CHAINS] = {0}, mosts[CHAINS] = {0}, zero = SET1(0), slope = SET1(a->slope);

	for (int at = 0; at < l->stride; at += ACTOR_PAD)
#pragma GCC unroll 8
		for (int c = 0; c < CHAINS; c++) {
			int j = at + c * LANES;
			V error = FN(sum_error)(l, a->errors, j);
			V lo = LOAD(z_lo + j), hi = LOAD(z_hi + j);
			V above = MAX(hi + error, zero), below = MAX(error - lo, zero);
			V most = MAX(above, slope * below) + zero * (hi - lo); // NaN stays NaN
			V own = SET1(OUTWARD) *
				(SET1(l[1].rounding) * most + SET1(2 * UNIT) * (slope * below) +
					SET1(MLP_TINY));
			V whole = own + error;

			STOREF(added + j, own);
			errors[c] = FMA(whole, whole, errors[c]);
			mosts[c] = FMA(most, most, mosts[c]);
		}
	squares[0] = FN(total)(errors);
	squares[1] = FN(total)(mosts);
}

static TARGET double FN(derive)(const struct actor_layer *l, const double *z_lo, const double *z_hi,
	const struct activation *a, const struct kernel_range *by_input, const float *products,
	const struct kernel_range *by_sum)
{
	V sum[CHAINS] = {0}, slope = SET1(a->slope), one = SET1(1);

	for (int at = 0; at < l->stride; at += ACTOR_PAD)
#pragma GCC unroll 8
		for (int i = 0; i < CHAINS; i++) {
			int j = at + i * LANES;
			V error = FN(sum_error)(l, a->errors, j);
			V c = LOADF(by_input->centre + j), d, least, steepest, lo, hi, most;

			d = SET1(OUTWARD) * (LOADF(by_input->radius + j) +
						    SET1(BACKWARD_TERMS * UNIT) *
							    LOADF(by_input->most + j)) +
			    SET1(MLP_TINY);
			least = CHOOSE(error - LOAD(z_lo + j), one, slope);
			steepest = CHOOSE(LOAD(z_hi + j) + error, slope, one);
			lo = MIN(least * (c - d), steepest * (c - d));
			hi = MAX(least * (c + d), steepest * (c + d));
			most = SET1(OUTWARD) * MAX(ABS(lo), ABS(hi));
			STOREF(by_sum->centre + j, SET1(0.5) * (lo + hi));
			STOREF(by_sum->radius + j,
				SET1(OUTWARD / 2) * (hi - lo) + SET1(UNIT) * most);
			STOREF(by_sum->most + j, most);
			sum[i] = FMA(most,
				SET1(OUTWARD) * LOADF(products + j) +
					SET1(l->rounding) * ABS(LOAD(l->b + j)) + SET1(MLP_TINY),
				sum[i]);
		}
	return FN(total)(sum);
}

#undef CHAINS
