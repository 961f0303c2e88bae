/* The ways to prove a claim about y, from cheap to thorough. */
#include "check/bound.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/rounding.h"
#include "check/upward.h"

#define PARTS 4 // of a cell cut at its kinks, at most

_Static_assert(CORNERS_BATCH + PARTS * CELL_CORNERS <= CORNERS_MAX,
	"there is room for a cell in a batch that is not full");

int bound_open(struct bound *b, const struct net *net)
{
	b->net = net;
	b->room = malloc(rounding_room(net) * sizeof(*b->room));
	return b->room && !corners_open(&b->corners, net) && !lines_open(&b->lines, net) ? 0
											 : -ENOMEM;
}

void bound_close(struct bound *b)
{
	corners_close(&b->corners);
	lines_close(&b->lines);
	free(b->room);
	free(b->waiting.at);
}

void bound_start(struct bound *b, const struct region *r)
{
	b->region = r;
	corners_begin(&b->corners);
	b->waiting.n = 0;
	b->whole = NAN;
}

static bool within(const struct bound_claim *claim, double lo, double hi, double off)
{
	return down_add(lo, -off) >= claim->lo && hi + off <= claim->hi;
}

static bool kinks(const struct bound *b, const struct cell *c, int d)
{
	return b->region->dim[d].tied >= 0 && c->lo[d] < REGION_KINK && c->hi[d] > REGION_KINK;
}

// A dimension whose kink lies inside a cell, -1 for none.
static int kinked(const struct bound *b, const struct cell *c)
{
	int d = b->region->ndims - 1;

	while (d >= 0 && !kinks(b, c, d))
		d--;
	return d;
}

// Adds a cell without kinks inside as a set of corners.
static void add_set(struct bound *b, const struct bound_claim *claim, const struct cell *c)
{
	const double ends[2][2] = {{c->lo[0]}, {c->hi[0]}}, none[1][2] = {{0}};
	int ndims = b->region->ndims;

	b->claim[b->corners.nsets] = *claim;
	corners_add(&b->corners, b->region,
		ndims == 2 ? c->t
		: ndims	   ? ends
			   : none,
		ndims == 2 ? c->corners : ndims + 1, cell_off(c));
}

// Bounds by lines or intervals over the box around a cell.
static void bound_box(struct bound *b, const struct cell *c, bool lines)
{
	const struct region *r = b->region;
	double lo[REGION_INPUTS], hi[REGION_INPUTS];

	for (int d = 0; d < r->ndims; d++) {
		double off = cell_off(c) * fmax(fabs(r->dim[d].lo), fabs(r->dim[d].hi));

		lo[d] = fmax(r->dim[d].lo, down_add(c->lo[d], -off));
		hi[d] = fmin(r->dim[d].hi, c->hi[d] + off);
	}
	lines_box(&b->lines, b->net, r, lo, hi, lines);
}

// Tries a piece by the ways that suit it.
static bool prove(struct bound *b, const struct bound_claim *claim, const struct cell *c)
{
	double lo = -INFINITY, hi = INFINITY, off = INFINITY;

	if (b->region->ndims <= 2 && kinked(b, c) < 0) {
		corners_begin(&b->corners);
		add_set(b, claim, c);
		corners_bound(&b->corners, b->net, b->region);
		lo = b->corners.set[0].y_lo;
		hi = b->corners.set[0].y_hi;
		off = rounding_bound(b->net, &b->corners.all, b->room);
		corners_begin(&b->corners);
		if (within(claim, lo, hi, off))
			return true;
	}
	bound_box(b, c, true);
	lo = fmax(lo, b->lines.y_lo);
	hi = fmin(hi, b->lines.y_hi);
	return within(claim, lo, hi, fmin(off, rounding_bound(b->net, &b->lines.set, b->room)));
}

// Puts both halves of b->piece on the stack, split where y varies most, at a kink if there is one.
static int split(struct bound *b)
{
	const struct region *r = b->region;
	struct cell *c = &b->piece;
	int d = r->ndims <= 2 ? kinked(b, c) : -1, err;
	double at;

	for (int i = 0, search = d < 0; search && i < r->ndims; i++)
		if (d < 0 || b->lines.gain[i] > b->lines.gain[d])
			d = i;
	if (d < 0)
		return -ERANGE;
	at = kinks(b, c, d) ? REGION_KINK : c->lo[d] + (c->hi[d] - c->lo[d]) / 2;
	if (!(at > c->lo[d] && at < c->hi[d]))
		return -ERANGE;
	cell_copy(&b->half, c, r);
	if (!cell_cut_axis(c, r, d, at, false) || !cell_cut_axis(&b->half, r, d, at, true))
		return -ERANGE;
	err = cell_push(&b->waiting, &b->half, r);
	return err ? err : cell_push(&b->waiting, c, r);
}

// By intervals, with what execution may add anywhere in the region, or, if that is too much, in the
// cell.
static bool prove_by_intervals(
	struct bound *b, const struct bound_claim *claim, const struct cell *c)
{
	if (isnan(b->whole)) {
		cell_whole(&b->piece, b->region);
		bound_box(b, &b->piece, false);
		b->whole = rounding_bound(b->net, &b->lines.set, b->room);
	}
	bound_box(b, c, false);
	return within(claim, b->lines.y_lo, b->lines.y_hi, b->whole) ||
	       within(claim, b->lines.y_lo, b->lines.y_hi,
		       rounding_bound(b->net, &b->lines.set, b->room));
}

int bound_alone(
	struct bound *b, const struct bound_claim *claim, const struct cell *c, bool intervals)
{
	size_t bottom = b->waiting.n;
	int err;

	if (intervals && prove_by_intervals(b, claim, c))
		return 0;
	err = cell_push(&b->waiting, c, b->region);
	for (int pieces = 0; !err && b->waiting.n > bottom; pieces++) {
		cell_pop(&b->waiting, &b->piece, b->region);
		if (!b->piece.empty && !prove(b, claim, &b->piece))
			err = pieces < BOUND_PIECES ? split(b) : -ERANGE;
	}
	b->waiting.n = bottom;
	return err;
}

// The cell that a set of corners is.
static void cell_of_set(const struct bound *b, const struct corners_set *s, struct cell *c)
{
	*c = (struct cell){
		.corners = b->region->ndims == 2 ? s->n : 0, .steps = (int)(s->off / CELL_STEP)};
	for (int d = 0; d < b->region->ndims; d++) {
		c->lo[d] = INFINITY;
		c->hi[d] = -INFINITY;
	}
	for (int i = 0; i < s->n; i++)
		for (int d = 0; d < b->region->ndims; d++) {
			double t = b->corners.t[b->corners.index[s->from + i]][d];

			c->t[i][d] = t;
			c->lo[d] = fmin(c->lo[d], t);
			c->hi[d] = fmax(c->hi[d], t);
		}
}

int bound_flush(struct bound *b, long *leaf)
{
	struct corners *c = &b->corners;
	struct bound_claim claims[CORNERS_SETS];
	struct cell hard;
	int nhard = 0, err = 0;
	double off;

	if (!c->nsets)
		return 0;
	corners_bound(c, b->net, b->region);
	off = rounding_bound(b->net, &c->all, b->room);
	for (int i = 0; i < c->nsets && !err; i++) {
		const struct corners_set *s = &c->set[i];

		if (within(&b->claim[i], s->y_lo, s->y_hi, off))
			continue;
		cell_of_set(b, s, &hard);
		err = cell_push(&b->waiting, &hard, b->region);
		claims[nhard++] = b->claim[i];
	}
	corners_begin(c);
	while (!err && nhard) {
		cell_pop(&b->waiting, &hard, b->region);
		*leaf = claims[--nhard].leaf;
		err = bound_alone(b, &claims[nhard], &hard, false);
	}
	return err;
}

// Adds a cell cut at its kinks.
static int add_parts(struct bound *b, const struct bound_claim *claim, const struct cell *c)
{
	struct cell part[PARTS];
	int n = 1;

	cell_copy(&part[0], c, b->region);
	for (int d = 0; d < b->region->ndims; d++)
		for (int i = 0, had = n; i < had; i++) {
			if (!kinks(b, &part[i], d))
				continue;
			cell_copy(&part[n], &part[i], b->region);
			if (!cell_cut_axis(&part[i], b->region, d, REGION_KINK, false) ||
				!cell_cut_axis(&part[n++], b->region, d, REGION_KINK, true))
				return -ERANGE;
		}
	for (int i = 0; i < n; i++)
		if (!part[i].empty)
			add_set(b, claim, &part[i]);
	return 0;
}

int bound_add(struct bound *b, const struct bound_claim *claim, const struct cell *c, long *leaf)
{
	int err = 0;

	if (b->corners.ncorners > CORNERS_BATCH || b->corners.nsets + PARTS > CORNERS_SETS ||
		b->corners.nindex > 3 * CORNERS_MAX)
		err = bound_flush(b, leaf);
	if (err)
		return err;
	if (kinked(b, c) < 0) {
		add_set(b, claim, c);
		return 0;
	}
	err = add_parts(b, claim, c);
	if (err)
		*leaf = claim->leaf;
	return err;
}
