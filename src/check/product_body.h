/* The loops of product.c, a template included once per instruction set. Needs: FN(name), TARGET,
 * ROWS and COLS (rows and vectors of a block that fill the registers with sums), FEW (rows when
 * fewer are left). */
static inline __attribute__((always_inline)) TARGET void FN(block)(const struct product *p,
	bool magnitudes, const double *x, int xs, double *y, int ys, int col, const int rows,
	const int cols)
{
	v8 acc[ROWS * COLS + SOLO];

#pragma GCC unroll 16
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (int c = 0; c < cols; c++)
			acc[r * cols + c] = p->b ? *(const v8 *)(p->b + col + c * LANES) : (v8){0};
	for (int k = 0; k < p->in; k++) {
		const double *w = p->w + (size_t)k * p->stride + col;
		v8 wv[SOLO];

#pragma GCC unroll 8
		for (int c = 0; c < cols; c++)
			wv[c] = LOAD(w + c * LANES, magnitudes);
#pragma GCC unroll 16
		for (int r = 0; r < rows; r++) {
			double xv = x[(size_t)r * xs + k];

#pragma GCC unroll 8
			for (int c = 0; c < cols; c++)
				acc[r * cols + c] += xv * wv[c];
		}
	}
#pragma GCC unroll 16
	for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
		for (int c = 0; c < cols; c++)
			*(v8 *)(y + (size_t)r * ys + col + c * LANES) = acc[r * cols + c];
}

static inline __attribute__((always_inline)) TARGET void FN(all_rows)(const struct product *p,
	bool magnitudes, int rows, const double *x, int xs, double *y, int ys)
{
	int r = 0, col;

	for (; r + ROWS <= rows; r += ROWS)
		for (col = 0; col < p->stride; col += COLS * LANES)
			FN(block)
			(p, magnitudes, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, col, ROWS,
				COLS);
	for (; r + FEW <= rows; r += FEW)
		for (col = 0; col < p->stride; col += COLS * LANES)
			FN(block)
			(p, magnitudes, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, col, FEW,
				COLS);
	for (; r < rows; r++) {
		for (col = 0; col + SOLO * LANES <= p->stride; col += SOLO * LANES)
			FN(block)
			(p, magnitudes, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, col, 1,
				SOLO);
		for (; col < p->stride; col += LANES)
			FN(block)
			(p, magnitudes, x + (size_t)r * xs, xs, y + (size_t)r * ys, ys, col, 1, 1);
	}
}

static TARGET void FN(rows)(
	const struct product *p, int rows, const double *x, int xs, double *y, int ys)
{
	if (p->magnitudes)
		FN(all_rows)(p, true, rows, x, xs, y, ys);
	else
		FN(all_rows)(p, false, rows, x, xs, y, ys);
}

static inline __attribute__((always_inline)) TARGET void FN(back_rows)(const struct product *p,
	bool magnitudes, const double *x, int xs, double *y, int ys, const int rows)
{
	for (int k = 0; k < p->in; k++) {
		v8 acc[2 * BACK] = {0};

		for (int c = 0; c < p->stride; c += 2 * LANES)
#pragma GCC unroll 2
			for (int h = 0; h < 2; h++) {
				int at = c + h * LANES;
				v8 wv = LOAD(p->w + (size_t)k * p->stride + at, magnitudes);

#pragma GCC unroll 8
				for (int r = 0; r < rows; r++)
					acc[2 * r + h] +=
						wv * *(const v8 *)(x + (size_t)r * xs + at);
			}
		for (int r = 0; r < rows; r++) {
			v8 sum = acc[2 * r] + acc[2 * r + 1];

			y[(size_t)r * ys + k] = ((sum[0] + sum[1]) + (sum[2] + sum[3])) +
						((sum[4] + sum[5]) + (sum[6] + sum[7]));
		}
	}
}

static TARGET void FN(back)(
	const struct product *p, int rows, const double *x, int xs, double *y, int ys)
{
	for (int r = 0; r < rows; r += r + BACK <= rows ? BACK : 1) {
		const double *from = x + (size_t)r * xs;
		double *to = y + (size_t)r * ys;

		if (r + BACK <= rows && !p->magnitudes)
			FN(back_rows)(p, false, from, xs, to, ys, BACK);
		else if (r + BACK <= rows)
			FN(back_rows)(p, true, from, xs, to, ys, BACK);
		else
			FN(back_rows)(p, p->magnitudes, from, xs, to, ys, 1);
	}
}

static TARGET void FN(add)(const double *w, int n, double a, double *to, bool magnitudes)
{
	for (int c = 0; c < n; c += LANES)
		*(v8 *)(to + c) += a * LOAD(w + c, magnitudes);
}

static TARGET void FN(spread)(int n, int rows, const double *x, int xs, double *lo, double *hi)
{
	for (int c = 0; c < n; c += LANES) {
		v8 least = *(const v8 *)(x + c), most = least;

		for (int r = 1; r < rows; r++) {
			v8 v = *(const v8 *)(x + (size_t)r * xs + c);
			i8 less = v<least, more = v> most;

			least = SELECT(less, v, least);
			most = SELECT(more, v, most);
		}
		*(v8 *)(lo + c) = least;
		*(v8 *)(hi + c) = most;
	}
}

static TARGET bool FN(bend)(int n, int rows, const int *row, const double *x, int xs, double rest,
	const struct product_bend *b)
{
	i8 any = {0};

	for (int c = 0; c < n; c += LANES) {
		v8 least = *(const v8 *)(x + (size_t)row[0] * xs + c), most = least,
		   *bent = (v8 *)(b->bent + c);
		v8 *z_lo = (v8 *)(b->z_lo + c), *z_hi = (v8 *)(b->z_hi + c), lo, hi, error;
		i8 less, more, minus;

		for (int r = 1; r < rows; r++) {
			v8 v = *(const v8 *)(x + (size_t)row[r] * xs + c);

			less = v < least;
			more = v > most;
			least = SELECT(less, v, least);
			most = SELECT(more, v, most);
		}
		error = *(const v8 *)(b->error + c) + *bent;
		lo = -(error - least);
		hi = most + error;
		less = lo < *z_lo;
		more = hi > *z_hi;
		*z_lo = SELECT(less, lo, *z_lo);
		*z_hi = SELECT(more, hi, *z_hi);
		minus = most > -least;
		hi = rest * SELECT(minus, -least, most);
		*bent += SELECT((least < 0) & (most > 0), hi, (v8){0});
		any |= *bent > 0;
	}
	for (int i = 1; i < LANES; i++)
		any[0] |= any[i];
	return any[0];
}

static TARGET void FN(residual)(int n, int parts, const double *const *of, const double *factor,
	const double *x, const double *least, double *r)
{
	for (int c = 0; c < n; c += LANES) {
		v8 v = *(const v8 *)(x + c);
		i8 far;

		for (int i = 0; i < parts; i++)
			v -= factor[i] * *(const v8 *)(of[i] + c);
		far = LOAD(&v, true) > *(const v8 *)(least + c);
		*(v8 *)(r + c) = SELECT(far, v, (v8){0});
	}
}

static TARGET void FN(leaky)(
	int n, int rows, double slope, const double *x, int xs, double *y, int ys)
{
	for (int r = 0; r < rows; r++)
		for (int c = 0; c < n; c += LANES) {
			v8 v = *(const v8 *)(x + (size_t)r * xs + c), s = slope * v;
			i8 below = v < s;

			*(v8 *)(y + (size_t)r * ys + c) = SELECT(below, s, v);
		}
}

#undef FN
#undef TARGET
#undef ROWS
#undef FEW
#undef COLS
