/* The loops of sweep.c, compiled once per instruction set (lanes.h). */
static TARGET void FN(leaky)(int n, double slope, const double *z, double *h)
{
	V s = SET1(slope);

	for (int i = 0; i < n; i += LANES)
		STORE(h + i, MAX(LOAD(z + i), LOAD(z + i) * s));
}

static TARGET void FN(derive)(int n, double slope, const double *z, const double *d, double *g)
{
	V s = SET1(slope);

	for (int i = 0; i < n; i += LANES)
		STORE(g + i, CHOOSE(LOAD(z + i), LOAD(d + i) * s, LOAD(d + i)));
}

static TARGET double FN(dot)(int n, double slope, const double *z, const double *w)
{
	V s = SET1(slope), acc[ACTOR_PAD / LANES] = {0};
	double lane[ACTOR_PAD];

	for (int i = 0; i < n; i += ACTOR_PAD)
#pragma GCC unroll 8
		for (int c = 0; c < ACTOR_PAD / LANES; c++) {
			V zv = LOAD(z + i + c * LANES);

			acc[c] = FMA(LOAD(w + i + c * LANES), MAX(zv, zv * s), acc[c]);
		}
#pragma GCC unroll 8
	for (int c = 0; c < ACTOR_PAD / LANES; c++)
		memcpy(lane + c * LANES, &acc[c], sizeof(V));
	for (int half = ACTOR_PAD / 2; half; half /= 2)
		for (int i = 0; i < half; i++)
			lane[i] += lane[i + half];
	return lane[0];
}

static TARGET void FN(advance)(
	int n, double a, const double *w, double dt, double *s, const double *za, double *zb)
{
	V av = SET1(a), dv = SET1(dt);

	for (int i = 0; i < n; i += LANES) {
		V slope = FMA(av, LOAD(w + i), LOAD(s + i));

		STORE(s + i, slope);
		STORE(zb + i, FMA(dv, slope, LOAD(za + i)));
	}
}

static TARGET void FN(cross)(
	int n, const double *za, const double *zb, double *lo, double *hi, uint64_t *crossed)
{
	for (int from = 0; from < n; from += SWEEP_WORD) {
		uint64_t bits = 0;

		for (int i = from; i < n && i < from + SWEEP_WORD; i += LANES) {
			V a = LOAD(za + i), b = LOAD(zb + i);

			STORE(lo + i, MIN(LOAD(lo + i), b));
			STORE(hi + i, MAX(LOAD(hi + i), b));
			bits |= (uint64_t)(NEGATIVE(a) ^ NEGATIVE(b)) << (i - from);
		}
		crossed[from / SWEEP_WORD] = bits;
	}
}

static TARGET void FN(tilt)(int n, const double f[3], const double *w,
	const struct sweep_plane *from, const struct sweep_plane *to)
{
	V f0 = SET1(f[0]), f1 = SET1(f[1]), f2 = SET1(f[2]);

	for (int i = 0; i < n; i += LANES) {
		V wv = LOAD(w + i);

		STORE(to->c[0] + i, FMA(f0, wv, LOAD(from->c[0] + i)));
		STORE(to->c[1] + i, FMA(f1, wv, LOAD(from->c[1] + i)));
		STORE(to->c[2] + i, FMA(f2, wv, LOAD(from->c[2] + i)));
	}
}

static TARGET void FN(rebase)(
	int n, const struct sweep_plane *z, const double p[3][2], const struct sweep_plane *to)
{
	for (int i = 0; i < n; i += LANES) {
		V c0 = LOAD(z->c[0] + i), c1 = LOAD(z->c[1] + i), c2 = LOAD(z->c[2] + i), at[3];

#pragma GCC unroll 3
		for (int j = 0; j < 3; j++)
			at[j] = FMA(c2, SET1(p[j][1]), FMA(c1, SET1(p[j][0]), c0));
		STORE(to->c[0] + i, at[0]);
		STORE(to->c[1] + i, at[1] - at[0]);
		STORE(to->c[2] + i, at[2] - at[0]);
	}
}

static TARGET void FN(polygon)(int n, const struct sweep_plane *z, int m, const double *u,
	const double *v, double *lo, double *hi, uint64_t *crossed, double *middle)
{
	V tolerance = SET1(SWEEP_TOLERANCE);

	for (int from = 0; from < n; from += SWEEP_WORD) {
		uint64_t both = 0;

		for (int i = from; i < n && i < from + SWEEP_WORD; i += LANES) {
			V c0 = LOAD(z->c[0] + i), c1 = LOAD(z->c[1] + i), c2 = LOAD(z->c[2] + i);
			V tol = tolerance * (ABS(c0) + ABS(c1) + ABS(c2));
			V least = FMA(c2, SET1(v[0]), FMA(c1, SET1(u[0]), c0)), most = least;

			for (int j = 1; j < m; j++) {
				V at = FMA(c2, SET1(v[j]), FMA(c1, SET1(u[j]), c0));

				least = MIN(least, at);
				most = MAX(most, at);
			}
			STORE(lo + i, MIN(LOAD(lo + i), least));
			STORE(hi + i, MAX(LOAD(hi + i), most));
			both |= (uint64_t)(NEGATIVE(least + tol) & NEGATIVE(tol - most))
				<< (i - from);
			STORE(middle + i, least + most);
		}
		crossed[from / SWEEP_WORD] = both;
	}
}
