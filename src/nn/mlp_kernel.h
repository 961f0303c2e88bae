/*
 * The inner loops of mlp.c, a template included once per instruction set. Needs: FN(name), TARGET,
 * V (a vector of LANES floats), LOAD, STORE, SET1, FMA (a * b + c, rounded once), and the block
 * sizes BIG_ROWS (x 1 panel), MID_ROWS x MID_PANELS and ONE_PANELS (x 1 row), which fill the
 * registers with sums.
 */
#define WIDTH (MLP_PANEL / LANES) // vectors of a panel

// acc = acc + x[from..to) . w, chains of fused multiply-adds.
static inline __attribute__((always_inline)) TARGET void FN(chain)(const struct mlp_layer *l,
	const float *x, int xs, const float *w, int from, int to,
	V acc[BIG_ROWS][ONE_PANELS * WIDTH], const int rows, const int panels)
{
	for (int k = from; k < to; k++) {
		V wv[ONE_PANELS * WIDTH];

#pragma GCC unroll 32
		for (int c = 0; c < panels * WIDTH; c++)
			wv[c] = LOAD(w + ((size_t)(c / WIDTH) * l->in + k) * MLP_PANEL +
				     c % WIDTH * LANES);
#pragma GCC unroll 16
		for (int r = 0; r < rows; r++) {
			V xv = SET1(x[(size_t)r * xs + k]);

#pragma GCC unroll 32
			for (int c = 0; c < panels * WIDTH; c++)
				acc[r][c] = FMA(xv, wv[c], acc[r][c]);
		}
	}
}

// rows x panels outputs: y = (bias + x[0..C) . w) + x[C..2C) . w + ..., C = MLP_CHAIN.
static inline __attribute__((always_inline)) TARGET void FN(block)(const struct mlp_layer *l,
	const float *x, int xs, float *y, int ys, int panel, float slope, const int rows,
	const int panels)
{
	const float *w = l->panels + (size_t)panel * l->in * MLP_PANEL;
	V acc[BIG_ROWS][ONE_PANELS * WIDTH]; // of which [rows][panels * WIDTH] are used

#pragma GCC unroll 16
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 32
		for (int c = 0; c < panels * WIDTH; c++)
			acc[r][c] = LOAD(l->bias + panel * MLP_PANEL + c * LANES);
	for (int from = 0;; from += MLP_CHAIN) {
		int to = from + MLP_CHAIN < l->in ? from + MLP_CHAIN : l->in;

		FN(chain)(l, x, xs, w, from, to, acc, rows, panels);
#pragma GCC unroll 16
		for (int r = 0; r < rows; r++)
#pragma GCC unroll 32
			for (int c = 0; c < panels * WIDTH; c++) {
				float *at = y + (size_t)r * ys + panel * MLP_PANEL + c * LANES;
				V sum = acc[r][c];

				if (from)
					sum += LOAD(at);
				STORE(at, to < l->in ? sum : LEAKY(sum, slope));
				acc[r][c] = (V){0};
			}
		if (to == l->in)
			break;
	}
}

#define BLOCKS(name, r, p)                                                                         \
	static TARGET void FN(name)(                                                               \
		const struct mlp_layer *l, const float *x, int xs, float *y, int ys, float slope)  \
	{                                                                                          \
		int n = (l->out + MLP_PANEL - 1) / MLP_PANEL, i = 0;                               \
                                                                                                   \
		for (; i + (p) <= n; i += (p))                                                     \
			FN(block)(l, x, xs, y, ys, i, slope, r, p);                                \
		for (; i < n; i++)                                                                 \
			FN(block)(l, x, xs, y, ys, i, slope, r, 1);                                \
	}
BLOCKS(mid, MID_ROWS, MID_PANELS)
BLOCKS(one, 1, ONE_PANELS)

// y = leaky(x w + b) for some rows; xs and ys are row strides.
static TARGET void FN(layer)(
	const struct mlp_layer *l, const float *x, int xs, float *y, int ys, int rows, float slope)
{
	int panels = (l->out + MLP_PANEL - 1) / MLP_PANEL, big = rows / BIG_ROWS * BIG_ROWS,
	    r = big;

	for (int p = 0; p < panels; p++) // a panel stays in the first-level cache over the rows
		for (int i = 0; i < big; i += BIG_ROWS)
			FN(block)
			(l, x + (size_t)i * xs, xs, y + (size_t)i * ys, ys, p, slope, BIG_ROWS, 1);
	for (; r + MID_ROWS <= rows; r += MID_ROWS)
		FN(mid)(l, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, slope);
	for (; r < rows; r++)
		FN(one)(l, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, slope);
}

// One output of `in` inputs: MLP_PANEL chains, added in a fixed tree.
static TARGET float FN(dot)(const struct mlp_layer *l, const float *x)
{
	float lane[MLP_PANEL];
	V acc[WIDTH] = {0};
	int k = 0;

	for (; k + MLP_PANEL <= l->in; k += MLP_PANEL)
#pragma GCC unroll 8
		for (int c = 0; c < WIDTH; c++)
			acc[c] = FMA(
				LOAD(x + k + c * LANES), LOAD(l->panels + k + c * LANES), acc[c]);
	for (int c = 0; c < WIDTH; c++)
		STORE(lane + c * LANES, acc[c]);
	for (int c = 0; k + c < l->in; c++)
		lane[c] = fmaf(x[k + c], l->panels[k + c], lane[c]);
	for (int half = MLP_PANEL / 2; half; half /= 2)
		for (int c = 0; c < half; c++)
			lane[c] += lane[c + half];
	return lane[0] + l->bias[0];
}

#undef BLOCKS
#undef WIDTH
#undef FN
#undef TARGET
#undef V
#undef LANES
#undef LOAD
#undef STORE
#undef SET1
#undef FMA
#undef LEAKY
#undef BIG_ROWS
#undef MID_ROWS
#undef MID_PANELS
#undef ONE_PANELS
