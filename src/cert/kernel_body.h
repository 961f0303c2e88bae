/*
 * The loops of kernel.c, a template included once per instruction set and precision. Needs:
 * FN(name), TARGET, T (double or float), WEIGHT(l, at) (a vector of the layer's weights from there
 * on), V (a vector of LANES T), LOAD, STORE, SET1, FMA (a * b + c, rounded once), FOLD (adds up the
 * lanes, in a fixed tree, into lane 0), WIDE and WIDE3 (vectors of a column block, for up to two
 * and for three vectors at once) and ROWS (of a backward block).
 */
static inline __attribute__((always_inline)) TARGET void FN(columns)(const struct actor_layer *l,
	const T *const *x, T *const *y, int col, const int wide, const int nv)
{
	V acc[KERNEL_VECTORS][WIDE] = {0};

	for (int k = 0; k < l->in; k++) {
		size_t at = (size_t)k * l->stride + col;

#pragma GCC unroll 8
		for (int c = 0; c < wide; c++) {
			V wv = WEIGHT(l, at + c * LANES);

#pragma GCC unroll 3
			for (int v = 0; v < nv; v++)
				acc[v][c] = FMA(SET1(x[v][k]), wv, acc[v][c]);
		}
	}
#pragma GCC unroll 3
	for (int v = 0; v < nv; v++)
#pragma GCC unroll 8
		for (int c = 0; c < wide; c++)
			STORE(y[v] + col + c * LANES, acc[v][c]);
}

#define COLUMNS(nv, wide)                                                                          \
	for (; col + wide * LANES <= l->stride; col += wide * LANES)                               \
		FN(columns)(l, x, y, col, wide, nv);                                               \
	for (; col < l->stride; col += LANES)                                                      \
	FN(columns)(l, x, y, col, 1, nv)

static TARGET void FN(forward)(const struct actor_layer *l, int nv, const T *const *x, T *const *y)
{
	int col = 0;

	if (nv == 1) {
		COLUMNS(1, WIDE);
	} else if (nv == 2) {
		COLUMNS(2, WIDE);
	} else {
		COLUMNS(3, WIDE3);
	}
}

// The sum over ACTOR_PAD chains.
static inline __attribute__((always_inline)) TARGET T FN(total)(V *acc)
{
	V sum;

#pragma GCC unroll 3
	for (int half = ACTOR_PAD / LANES / 2; half; half /= 2)
#pragma GCC unroll 4
		for (int i = 0; i < half; i++)
			acc[i] += acc[i + half];
	sum = acc[0];
	FOLD(sum);
	return sum[0];
}

#ifdef DOUBLE
static TARGET void FN(backward)(const struct actor_layer *l, const T *g, T *y)
{
	for (int k = 0; k < l->in; k++) {
		size_t at = (size_t)k * l->stride;
		V acc[ACTOR_PAD / LANES] = {0};

		for (int c = 0; c < l->stride; c += ACTOR_PAD)
#pragma GCC unroll 8
			for (int i = 0; i < ACTOR_PAD / LANES; i++)
				acc[i] = FMA(WEIGHT(l, at + c + i * LANES), LOAD(g + c + i * LANES),
					acc[i]);
		y[k] = FN(total)(acc);
	}
}

static TARGET void FN(axpy)(int n, T a, const T *x, T *y)
{
	V av = SET1(a);

	for (int i = 0; i < n; i += LANES)
		STORE(y + i, FMA(av, LOAD(x + i), LOAD(y + i)));
}
#else
// Rows k on, of which the layer has at least that many.
static inline __attribute__((always_inline)) TARGET void FN(range_rows)(const struct actor_layer *l,
	const struct kernel_range *g, const struct kernel_range *y, int k, const int rows)
{
	const T *w = l->away + (size_t)k * l->stride;
	V centre[ROWS][ACTOR_PAD / LANES] = {0}, radius[ROWS][ACTOR_PAD / LANES] = {0};
	V most[ROWS][ACTOR_PAD / LANES] = {0};

	for (int c = 0; c < l->stride; c += ACTOR_PAD)
#pragma GCC unroll 4
		for (int i = 0; i < ACTOR_PAD / LANES; i++) {
			int at = c + i * LANES;
			V gc = LOAD(g->centre + at), gr = LOAD(g->radius + at),
			  gm = LOAD(g->most + at);

#pragma GCC unroll 4
			for (int r = 0; r < rows; r++) {
				V wv = LOAD(w + (size_t)r * l->stride + at), mag = ABS(wv);

				centre[r][i] = FMA(wv, gc, centre[r][i]);
				radius[r][i] = FMA(mag, gr, radius[r][i]);
				most[r][i] = FMA(mag, gm, most[r][i]);
			}
		}
#pragma GCC unroll 4
	for (int r = 0; r < rows; r++) {
		y->centre[k + r] = FN(total)(centre[r]);
		y->radius[k + r] = FN(total)(radius[r]);
		y->most[k + r] = FN(total)(most[r]);
	}
}

static TARGET void FN(backward_range)(
	const struct actor_layer *l, const struct kernel_range *g, const struct kernel_range *y)
{
	int k = 0;

	for (; k + ROWS <= l->in; k += ROWS)
		FN(range_rows)(l, g, y, k, ROWS);
	for (; k < l->in; k++)
		FN(range_rows)(l, g, y, k, 1);
}
#endif

#undef COLUMNS
#undef FN
#undef TARGET
#undef T
#undef WEIGHT
#undef FOLD
#undef ABS
#undef DOUBLE
#undef V
#undef LANES
#undef LOAD
#undef STORE
#undef SET1
#undef FMA
#undef WIDE
#undef WIDE3
#undef ROWS
