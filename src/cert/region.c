/* Regions: which inputs vary, and what is tied to them. */
#include "cert/region.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

void region_point(struct region *r, const double *x, int nin)
{
	assert(nin >= 1 && nin <= REGION_INPUTS);
	r->nin = nin;
	r->ndims = 0;
	memcpy(r->x, x, nin * sizeof(*x));
}

// The delay_metric of the frame whose inv_rtt this is, or -1. Whatever follows the frames is tied to nothing.
static int tied_to(int input)
{
	return input < STATE_SIZE && input % FRAME_FEATURES == FRAME_INV_RTT ?
		       input - FRAME_INV_RTT + FRAME_DELAY :
		       -1;
}

int region_vary(struct region *r, int input, double lo, double hi)
{
	int tied = input >= 0 && input < r->nin ? tied_to(input) : -1;

	if (input < 0 || input >= r->nin || tied >= r->nin || !isfinite(lo) || !isfinite(hi) || lo > hi)
		return -EINVAL;
	for (int d = 0; d < r->ndims; d++)
		if (r->dim[d].input == input || r->dim[d].tied == input ||
			(tied >= 0 && r->dim[d].input == tied))
			return -EINVAL;
	if (lo < hi) {
		r->dim[r->ndims++] = (struct region_dim){input, tied, lo, hi};
		return 0;
	}
	r->x[input] = lo;
	if (tied >= 0)
		r->x[tied] = region_tied(lo);
	return 0;
}

void region_state(const struct region *r, const double *t, double *x)
{
	memcpy(x, r->x, r->nin * sizeof(*x));
	for (int d = 0; d < r->ndims; d++) {
		x[r->dim[d].input] = t[d];
		if (r->dim[d].tied >= 0)
			x[r->dim[d].tied] = region_tied(t[d]);
	}
}

void region_hull(const struct region *r, double *lo, double *hi)
{
	double t[REGION_INPUTS];

	for (int d = 0; d < r->ndims; d++)
		t[d] = r->dim[d].lo;
	region_state(r, t, lo);
	for (int d = 0; d < r->ndims; d++)
		t[d] = r->dim[d].hi;
	region_state(r, t, hi);
}

bool region_valid(const struct region *r)
{
	for (int i = 0; i < r->nin; i++)
		if (!isfinite(r->x[i]))
			return false;
	for (int d = 0; d < r->ndims; d++)
		if (!(r->dim[d].lo < r->dim[d].hi))
			return false;
	return true;
}
