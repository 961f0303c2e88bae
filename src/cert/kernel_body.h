/*
 * The loops of kernel.c, a template included once per instruction set and precision. Needs: FN(name),
 * TARGET, T (double or float), W (the layer's matrix member), V (a vector of LANES T), LOAD, STORE,
 * SET1, FMA (a * b + c, rounded once) and WIDE (vectors of a column block).
 */
static inline __attribute__((always_inline)) TARGET void FN(columns)(const struct actor_layer *l,
	const T *const *x, T *const *y, int col, const int wide, const int nv)
{
	V acc[KERNEL_VECTORS][WIDE] = {0};

	for (int k = 0; k < l->in; k++) {
		const T *w = l->W + (size_t)k * l->stride + col;

#pragma GCC unroll 8
		for (int c = 0; c < wide; c++) {
			V wv = LOAD(w + c * LANES);

#pragma GCC unroll 2
			for (int v = 0; v < nv; v++)
				acc[v][c] = FMA(SET1(x[v][k]), wv, acc[v][c]);
		}
	}
#pragma GCC unroll 2
	for (int v = 0; v < nv; v++)
#pragma GCC unroll 8
		for (int c = 0; c < wide; c++)
			STORE(y[v] + col + c * LANES, acc[v][c]);
}

#define COLUMNS(nv)                                                                                \
	for (; col + WIDE * LANES <= l->stride; col += WIDE * LANES)                               \
		FN(columns)(l, x, y, col, WIDE, nv);                                               \
	for (; col < l->stride; col += LANES)                                                      \
		FN(columns)(l, x, y, col, 1, nv)

static TARGET void FN(forward)(const struct actor_layer *l, int nv, const T *const *x, T *const *y)
{
	int col = 0;

	if (nv == 1) {
		COLUMNS(1);
	} else {
		COLUMNS(2);
	}
}

// ACTOR_PAD chains, added in a fixed tree.
static TARGET void FN(backward)(const struct actor_layer *l, const T *g, T *y)
{
	for (int k = 0; k < l->in; k++) {
		const T *w = l->W + (size_t)k * l->stride;
		V acc[ACTOR_PAD / LANES] = {0};
		T lane[ACTOR_PAD];

		for (int c = 0; c < l->stride; c += ACTOR_PAD)
#pragma GCC unroll 8
			for (int i = 0; i < ACTOR_PAD / LANES; i++)
				acc[i] = FMA(LOAD(w + c + i * LANES), LOAD(g + c + i * LANES), acc[i]);
#pragma GCC unroll 8
		for (int i = 0; i < ACTOR_PAD / LANES; i++)
			memcpy(lane + i * LANES, &acc[i], sizeof(V));
		for (int half = ACTOR_PAD / 2; half; half /= 2)
			for (int i = 0; i < half; i++)
				lane[i] += lane[i + half];
		y[k] = lane[0];
	}
}

static __attribute__((unused)) TARGET void FN(axpy)(int n, T a, const T *x, T *y)
{
	V av = SET1(a);

	for (int i = 0; i < n; i += LANES)
		STORE(y + i, FMA(av, LOAD(x + i), LOAD(y + i)));
}

#undef COLUMNS
#undef FN
#undef TARGET
#undef T
#undef W
#undef V
#undef LANES
#undef LOAD
#undef STORE
#undef SET1
#undef FMA
#undef WIDE
