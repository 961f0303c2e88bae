/* Rows of neurons along lines and over polygons, for three instruction sets. */
#include "cert/sweep.h"

#include <string.h>

#define LANES 2
#include "cert/lanes.h"
#include "cert/sweep_body.h"
#include "cert/lanes_end.h"
#ifdef __x86_64__
#define LANES 4
#include "cert/lanes.h"
#include "cert/sweep_body.h"
#include "cert/lanes_end.h"
#define LANES 8
#include "cert/lanes.h"
#include "cert/sweep_body.h"
#include "cert/lanes_end.h"
#endif

struct sweep {
	void (*leaky)(int n, double slope, const double *z, double *h);
	void (*derive)(int n, double slope, const double *z, const double *d, double *g);
	double (*dot)(int n, double slope, const double *z, const double *w);
	void (*advance)(int n, double a, const double *w, double dt, double *s, const double *za,
		double *zb);
	void (*cross)(int n, const double *za, const double *zb, double *lo, double *hi,
		uint64_t *crossed);
	void (*tilt)(int n, const double f[3], const double *w, const struct sweep_plane *from,
		const struct sweep_plane *to);
	void (*rebase)(int n, const struct sweep_plane *z, const double p[3][2],
		const struct sweep_plane *to);
	void (*polygon)(int n, const struct sweep_plane *z, int m, const double *u, const double *v,
		double *lo, double *hi, uint64_t *crossed, double *middle);
};

#define SWEEP(isa)                                                                                 \
	{                                                                                          \
		leaky_##isa, derive_##isa, dot_##isa, advance_##isa, cross_##isa, tilt_##isa,      \
			rebase_##isa, polygon_##isa                                                \
	}

static const struct sweep sweeps[] = {
#ifdef __x86_64__
	[MLP_AVX2] = SWEEP(avx2),
	[MLP_AVX512] = SWEEP(avx512),
#endif
	[MLP_C] = SWEEP(c),
};

void sweep_leaky(int n, double slope, const double *z, double *h)
{
	sweeps[mlp_isa()].leaky(n, slope, z, h);
}

void sweep_derive(int n, double slope, const double *z, const double *d, double *g)
{
	sweeps[mlp_isa()].derive(n, slope, z, d, g);
}

double sweep_dot(int n, double slope, const double *z, const double *w)
{
	return sweeps[mlp_isa()].dot(n, slope, z, w);
}

void sweep_advance(
	int n, double a, const double *w, double dt, double *s, const double *za, double *zb)
{
	sweeps[mlp_isa()].advance(n, a, w, dt, s, za, zb);
}

void sweep_cross(
	int n, const double *za, const double *zb, double *lo, double *hi, uint64_t *crossed)
{
	sweeps[mlp_isa()].cross(n, za, zb, lo, hi, crossed);
}

void sweep_tilt(int n, const double f[3], const double *w, const struct sweep_plane *from,
	const struct sweep_plane *to)
{
	sweeps[mlp_isa()].tilt(n, f, w, from, to);
}

void sweep_rebase(
	int n, const struct sweep_plane *z, const double p[3][2], const struct sweep_plane *to)
{
	sweeps[mlp_isa()].rebase(n, z, p, to);
}

void sweep_polygon(int n, const struct sweep_plane *z, int m, const double *u, const double *v,
	double *lo, double *hi, uint64_t *crossed, double *middle)
{
	sweeps[mlp_isa()].polygon(n, z, m, u, v, lo, hi, crossed, middle);
}
