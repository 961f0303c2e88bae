/* Layer 1's sums over a box, as functions of the varied inputs. */
#include "cert/basis.h"

#include <math.h>
#include <string.h>

#include "cert/kernel.h"

void basis_init(struct basis *b, const struct actor *a, double *still, double *w)
{
	*b = (struct basis){.layer = &a->layer[0], .still = still, .rows = a->layer[0]};
	b->rows.w = w;
}

void basis_region(struct basis *b, const struct region *r, double *x)
{
	b->region = r;
	memcpy(x, r->x, r->nin * sizeof(*x));
	for (int d = 0; d < r->ndims; d++) {
		x[r->dim[d].input] = 0;
		if (r->dim[d].tied >= 0)
			x[r->dim[d].tied] = 0;
	}
	kernel_forward(b->layer, 1, (const double *[]){x}, (double *[]){b->still});
	for (int j = 0; j < b->layer->out; j++)
		b->still[j] += b->layer->b[j];
}

// Appends a function whose row is that of an input, or of one and the slope times another.
static void append(struct basis *b, const struct basis_function *f, int input, int tied)
{
	size_t stride = b->layer->stride;
	double *row = b->rows.w + b->n * stride;

	memcpy(row, b->layer->w + input * stride, stride * sizeof(*row));
	if (tied >= 0)
		kernel_axpy((int)stride, REGION_TIED_SLOPE, b->layer->w + tied * stride, row);
	b->f[b->n] = *f;
	for (int p = 0; p < f->points; p++)
		b->f[b->n].reach = fmax(b->f[b->n].reach, fabs(f->value[p]));
	b->n++;
}

// The functions of dimension d over [lo, hi]; the sums at their centre are added to `centre`.
static void vary(struct basis *b, int d, double lo, double hi, double *centre)
{
	const struct region_dim *dim = &b->region->dim[d];
	double mid = lo + (hi - lo) / 2, tied = region_tied(mid);
	bool bent = dim->tied >= 0 && lo < REGION_KINK && hi > REGION_KINK;
	struct basis_function t = {
		d, bent ? 2 : 1, bent ? 3 : 2, {lo - mid, hi - mid, REGION_KINK - mid}, 0};
	struct basis_function u = {
		d, 1, 3, {region_tied(lo) - tied, region_tied(hi) - tied, 1 - tied}, 0};
	int stride = b->layer->stride;

	kernel_axpy(stride, mid, b->layer->w + (size_t)dim->input * stride, centre);
	if (dim->tied >= 0)
		kernel_axpy(stride, tied, b->layer->w + (size_t)dim->tied * stride, centre);
	append(b, &t, dim->input, dim->tied >= 0 && hi <= REGION_KINK ? dim->tied : -1);
	if (bent)
		append(b, &u, dim->tied, -1);
}

void basis_box(struct basis *b, const double *lo, const double *hi)
{
	size_t stride = b->layer->stride;
	double *centre = b->rows.w + BASIS_MOST * stride;

	memcpy(centre, b->still, stride * sizeof(*centre));
	b->n = 0;
	for (int d = 0; d < b->region->ndims; d++)
		vary(b, d, lo[d], hi[d], centre);
	if (b->n < BASIS_MOST)
		memcpy(b->rows.w + b->n * stride, centre, stride * sizeof(*centre));
	b->rows.in = b->n + 1;
}

void basis_along(const struct basis *b, int e, const double *g, size_t step, double *lo, double *hi)
{
	const struct basis_function *f = &b->f[e];

	*lo = INFINITY;
	*hi = -INFINITY;
	for (int p = 0; p < f->points; p++) {
		double v = g[0] * f->value[p];

		if (f->count > 1)
			v += g[step] * f[1].value[p];
		*lo = v < *lo ? v : *lo;
		*hi = v > *hi ? v : *hi;
	}
}

void basis_ranges(
	const struct basis *b, const double *g, size_t step, int n, double *lo, double *hi)
{
	for (int e = 0; e < b->n; e += b->f[e].count) {
		const double *row = g + e * step;
		double reach = b->f[e].reach;

		if (b->f[e].count > 1) {
			for (int j = 0; j < n; j++) {
				double from, to;

				basis_along(b, e, row + j, step, &from, &to);
				lo[j] += from;
				hi[j] += to;
			}
			continue;
		}
		for (int j = 0; j < n; j++) {
			double by = fabs(row[j]) * reach;

			lo[j] -= by;
			hi[j] += by;
		}
	}
}
