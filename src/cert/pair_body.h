/*
 * The loops of pair.c, a template included once per instruction set and precision. Needs: FN(name),
 * TARGET, T (float or double), LAYER (struct pair_f or pair_d), PANEL, V (a vector of LANES T),
 * LOAD, STORE, SET1, FMA (a * b + c, rounded once), ABS and ROWS, whose 4 ROWS sums fill the
 * registers; for what activated rows need ACTIVATES, MAX, and FMA1 and ABS1 of one T.
 */

#ifdef ACTIVATES
// What the activation makes of sums in c +- s, as the next layer reads it.
static inline __attribute__((always_inline)) TARGET void FN(activate)(
	const LAYER *l, V c, V s, T *yc, T *ys)
{
	V lo = c - s, hi = c + s, slope = SET1(l->slope), half = SET1((T)0.5), radius;

	lo = MAX(lo, slope * lo);
	hi = MAX(hi, slope * hi);
	c = half * (lo + hi);
	radius = half * (hi - lo);
	STORE(yc, c);
	STORE(ys, FMA(SET1(l->keep), radius, FMA(SET1(l->add), ABS(c), SET1(l->least))));
}
#endif

// rows x 2 vectors of columns. Centres are added in chains, as mlp_forward adds.
static inline __attribute__((always_inline)) TARGET void FN(tile)(const LAYER *l, const T *x,
	int xs, T *y, int ys, int col, const enum pair_kind kind, const int rows)
{
	const T *w = l->w + (size_t)(col / PANEL) * l->in * PANEL + col % PANEL;
	const T *xr = x + xs / 2;
	V c[ROWS][2], s[ROWS][2];

#pragma GCC unroll 8
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
		for (int v = 0; v < 2; v++) {
			c[r][v] = LOAD(l->bias + col + v * LANES);
			s[r][v] = LOAD(l->bias_radius + col + v * LANES);
		}
	for (int from = 0; from < l->in; from += MLP_CHAIN) {
		int to = from + MLP_CHAIN < l->in ? from + MLP_CHAIN : l->in;

		for (int k = from; k < to; k++) {
			V wv[2] = {LOAD(w + (size_t)k * PANEL), LOAD(w + (size_t)k * PANEL + LANES)};
			V mag[2] = {ABS(wv[0]), ABS(wv[1])};

#pragma GCC unroll 8
			for (int r = 0; r < rows; r++) {
				V cv = SET1(x[(size_t)r * xs + k]);

				c[r][0] = FMA(cv, wv[0], c[r][0]);
				c[r][1] = FMA(cv, wv[1], c[r][1]);
				if (kind != PAIR_CENTRES) {
					V sv = SET1(xr[(size_t)r * xs + k]);

					s[r][0] = FMA(sv, mag[0], s[r][0]);
					s[r][1] = FMA(sv, mag[1], s[r][1]);
				}
			}
		}
#pragma GCC unroll 8
		for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
			for (int v = 0; v < 2; v++) {
				T *at = y + (size_t)r * ys + col + v * LANES;
				V sum = c[r][v];

				if (from)
					sum += LOAD(at);
				STORE(at, sum);
				c[r][v] = (V){0};
				if (to < l->in)
					continue;
				if (kind == PAIR_SUMS)
					STORE(at + ys / 2, s[r][v]);
#ifdef ACTIVATES
				if (kind == PAIR_ACTIVATED)
					FN(activate)(l, sum, s[r][v], at, at + ys / 2);
#endif
			}
	}
}

#ifdef ACTIVATES
#define TILE_ACTIVATED(n)                                                                          \
	if (kind == PAIR_ACTIVATED)                                                                \
	FN(tile)(l, from, xs, to, ys, col, PAIR_ACTIVATED, n)
#else
#define TILE_ACTIVATED(n)
#endif
#define TILE(n)                                                                                    \
	case n:                                                                                    \
		if (kind == PAIR_CENTRES)                                                          \
			FN(tile)(l, from, xs, to, ys, col, PAIR_CENTRES, n);                       \
		if (kind == PAIR_SUMS)                                                             \
			FN(tile)(l, from, xs, to, ys, col, PAIR_SUMS, n);                          \
		TILE_ACTIVATED(n);                                                                 \
		break

static TARGET void FN(rows)(
	const LAYER *l, const T *x, int xs, T *y, int ys, int rows, enum pair_kind kind)
{
	for (int col = 0; col < l->stride; col += 2 * LANES) // its weights stay in the nearest cache
		for (int at = 0; at < rows; at += ROWS) {
			const T *from = x + (size_t)at * xs;
			T *to = y + (size_t)at * ys;

			switch (rows - at < ROWS ? rows - at : ROWS) {
				TILE(1);
				TILE(2);
#if ROWS > 2
				TILE(3);
				TILE(4);
				TILE(5);
				TILE(6);
#endif
			}
		}
}

#ifdef ACTIVATES
// y = activated(x + sum of in[v] times row input[v] of w): x holds sums, in[v] is a pair.
static TARGET void FN(shift)(
	const LAYER *l, int nv, const int *input, const T (*in)[2], const T *x, T *y, int stride)
{
	for (int col = 0; col < l->stride; col += LANES) {
		const T *w = l->w + (size_t)(col / PANEL) * l->in * PANEL + col % PANEL;
		V c = LOAD(x + col), s = LOAD(x + stride / 2 + col);

		for (int v = 0; v < nv; v++) {
			V wv = LOAD(w + (size_t)input[v] * PANEL);

			c = FMA(SET1(in[v][0]), wv, c);
			s = FMA(SET1(in[v][1]), ABS(wv), s);
		}
		FN(activate)(l, c, s, y + col, y + stride / 2 + col);
	}
}

// One output: PANEL chains each of centres and radii, added in a fixed tree.
static TARGET void FN(dot)(const LAYER *l, const T *x, int xs, T y[2])
{
	T lane[2][PANEL];
	V c[PANEL / LANES] = {0}, s[PANEL / LANES] = {0};
	int k = 0;

	for (; k + PANEL <= l->in; k += PANEL)
#pragma GCC unroll 8
		for (int v = 0; v < PANEL / LANES; v++) {
			V w = LOAD(l->w + k + v * LANES);

			c[v] = FMA(LOAD(x + k + v * LANES), w, c[v]);
			s[v] = FMA(LOAD(x + xs / 2 + k + v * LANES), ABS(w), s[v]);
		}
#pragma GCC unroll 8
	for (int v = 0; v < PANEL / LANES; v++) {
		memcpy(lane[0] + v * LANES, &c[v], sizeof(V));
		memcpy(lane[1] + v * LANES, &s[v], sizeof(V));
	}
	for (int v = 0; k + v < l->in; v++) {
		lane[0][v] = FMA1(x[k + v], l->w[k + v], lane[0][v]);
		lane[1][v] = FMA1(x[xs / 2 + k + v], ABS1(l->w[k + v]), lane[1][v]);
	}
	for (int half = PANEL / 2; half; half /= 2)
		for (int v = 0; v < half; v++) {
			lane[0][v] += lane[0][v + half];
			lane[1][v] += lane[1][v + half];
		}
	y[0] = lane[0][0] + l->bias[0];
	y[1] = lane[1][0] + l->bias_radius[0];
}

#endif

#undef TILE
#undef TILE_ACTIVATED
#undef ACTIVATES
#undef FN
#undef TARGET
#undef T
#undef LAYER
#undef PANEL
#undef V
#undef LANES
#undef LOAD
#undef STORE
#undef SET1
#undef FMA
#undef ABS
#undef MAX
#undef FMA1
#undef ABS1
#undef ROWS
