/* Cutting cells, outward, and measuring them from above. */
#include "check/cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check/upward.h"

static double size_of(const struct region *r, int d)
{
	return fmax(fabs(r->dim[d].lo), fabs(r->dim[d].hi));
}

void cell_copy(struct cell *to, const struct cell *from, const struct region *r)
{
	to->empty = from->empty;
	to->corners = from->corners;
	to->steps = from->steps;
	memcpy(to->lo, from->lo, r->ndims * sizeof(*to->lo));
	memcpy(to->hi, from->hi, r->ndims * sizeof(*to->hi));
	memcpy(to->axis_lo, from->axis_lo, r->ndims * sizeof(*to->axis_lo));
	memcpy(to->axis_hi, from->axis_hi, r->ndims * sizeof(*to->axis_hi));
	memcpy(to->t, from->t, from->corners * sizeof(to->t[0]));
}

void cell_whole(struct cell *c, const struct region *r)
{
	c->empty = false;
	c->steps = 0;
	c->corners = 0;
	for (int d = 0; d < r->ndims; d++) {
		c->lo[d] = c->axis_lo[d] = r->dim[d].lo;
		c->hi[d] = c->axis_hi[d] = r->dim[d].hi;
	}
	if (r->ndims != 2)
		return;
	c->corners = 4;
	for (int i = 0; i < 4; i++) {
		c->t[i][0] = i == 1 || i == 2 ? c->hi[0] : c->lo[0];
		c->t[i][1] = i >= 2 ? c->hi[1] : c->lo[1];
	}
}

// A half-plane n . t <= o of the plane, and what lies beyond it.
struct half {
	double n[2], o;
};

// n . t - o, at least.
static double beyond(const struct half *h, const double *t)
{
	return -(-h->n[0] * t[0] + -h->n[1] * t[1] + h->o);
}

// On the edge from a corner inside to one outside: where it surely leaves the half-plane.
static void leave(const struct half *h, const double *in, const double *out, double *to)
{
	double a = fmax(0, -beyond(h, in)), b = beyond(h, out);
	double s = fmin(1, a / down_add(a, b));

	for (int d = 0; d < 2; d++)
		to[d] = s < 1 ? in[d] + s * (out[d] - in[d]) : out[d];
}

static void box_of_polygon(struct cell *c)
{
	for (int d = 0; d < 2; d++) {
		c->lo[d] = INFINITY;
		c->hi[d] = -INFINITY;
		for (int i = 0; i < c->corners; i++) {
			c->lo[d] = fmin(c->lo[d], c->t[i][d]);
			c->hi[d] = fmax(c->hi[d], c->t[i][d]);
		}
	}
}

static bool cut_polygon(struct cell *c, const struct region *r, struct half h)
{
	double t[CELL_CORNERS + 2][2];
	bool in[CELL_CORNERS], crossed = false;
	int n = 0;

	h.o += cell_off(c) * (fabs(h.n[0]) * size_of(r, 0) + fabs(h.n[1]) * size_of(r, 1));
	for (int i = 0; i < c->corners; i++) {
		in[i] = !(beyond(&h, c->t[i]) > 0);
		crossed |= !in[i];
	}
	if (!crossed)
		return true;
	for (int i = 0; i < c->corners; i++) {
		int next = (i + 1) % c->corners;

		if (n > CELL_CORNERS)
			return false;
		if (in[i])
			memcpy(t[n++], c->t[i], sizeof(t[0]));
		if (in[i] != in[next])
			leave(&h, c->t[in[i] ? i : next], c->t[in[i] ? next : i], t[n++]);
	}
	if (n > CELL_CORNERS)
		return false;
	c->empty = !n;
	c->corners = n;
	c->steps++;
	memcpy(c->t, t, n * sizeof(t[0]));
	box_of_polygon(c);
	return true;
}

bool cell_cut_axis(struct cell *c, const struct region *r, int dim, double offset, bool other)
{
	struct half h = {{0, 0}, other ? -offset : offset};

	if (other)
		c->axis_lo[dim] = fmax(c->axis_lo[dim], offset);
	else
		c->axis_hi[dim] = fmin(c->axis_hi[dim], offset);
	if (r->ndims == 2) {
		h.n[dim] = other ? -1 : 1;
		return c->empty || cut_polygon(c, r, h);
	}
	if (other)
		c->lo[dim] = fmax(c->lo[dim], offset);
	else
		c->hi[dim] = fmin(c->hi[dim], offset);
	c->empty |= c->lo[dim] > c->hi[dim];
	return true;
}

bool cell_cut(
	struct cell *c, const struct region *r, const double *normal, double offset, bool other)
{
	double sign = other ? -1 : 1;

	if (c->empty || r->ndims > 2)
		return true;
	if (r->ndims == 2)
		return cut_polygon(
			c, r, (struct half){{sign * normal[0], sign * normal[1]}, sign * offset});
	if (normal[0] == 0) { // all or nothing
		c->empty = other ? offset > 0 : offset < 0;
		return true;
	}
	if (other == (normal[0] > 0))
		return cell_cut_axis(c, r, 0, down_div(offset, normal[0]), true);
	return cell_cut_axis(c, r, 0, offset / normal[0], false);
}

// Twice the area that the corners enclose, at most, and at least 0.
static double twice_area(const struct cell *c)
{
	double sum = 0, back = 0;

	for (int i = 1; i + 1 < c->corners; i++) { // fans: differences from the first corner
		double x0 = c->t[0][0], y0 = c->t[0][1];
		double ax = c->t[i][0] - x0, ay = c->t[i][1] - y0;
		double bx = c->t[i + 1][0] - x0, by = c->t[i + 1][1] - y0;

		sum += ax * by + -ay * bx;
		back += -ax * by + ay * bx;
	}
	return fmax(fmax(sum, back), 0);
}

/*
 * The polygon of true corners holds at most what the given ones enclose and, as every corner may be
 * off by k, less than 4 k (width + height) and (corners + 4) k^2 more.
 */
static double polygon_area(const struct cell *c, const struct region *r)
{
	double k0 = cell_off(c) * size_of(r, 0) + UPWARD_UNIT * size_of(r, 0);
	double k1 = cell_off(c) * size_of(r, 1) + UPWARD_UNIT * size_of(r, 1);
	double w = c->hi[0] - c->lo[0], h = c->hi[1] - c->lo[1];

	return twice_area(c) / 2 + 4 * (k0 * h + k1 * w) + (c->corners + 4) * k0 * k1;
}

double cell_share(const struct cell *c, const struct region *r)
{
	double share = 1;

	if (c->empty)
		return 0;
	if (r->ndims == 2)
		return polygon_area(c, r) / down_mul(down_add(r->dim[0].hi, -r->dim[0].lo),
						    down_add(r->dim[1].hi, -r->dim[1].lo));
	for (int d = 0; d < r->ndims; d++)
		share *= (c->hi[d] - c->lo[d]) / down_add(r->dim[d].hi, -r->dim[d].lo);
	return share;
}

// A cell on the stack: its numbers, then how many corners, cuts and whether it is empty.
enum { CORNERS, STEPS, EMPTY, TAIL };

int cell_push(struct cell_stack *s, const struct cell *c, const struct region *r)
{
	size_t n = 2 * (size_t)(2 * r->ndims + c->corners), room = s->room ? s->room : 1024;
	double *to;

	while (room < s->n + n + TAIL)
		room *= 2;
	if (room > CELL_STACK)
		return -E2BIG;
	if (room > s->room) {
		to = realloc(s->at, room * sizeof(*to));
		if (!to)
			return -ENOMEM;
		s->at = to;
		s->room = room;
	}
	to = s->at + s->n;
	memcpy(to, c->lo, r->ndims * sizeof(*to));
	memcpy(to + r->ndims, c->hi, r->ndims * sizeof(*to));
	memcpy(to + 2 * r->ndims, c->axis_lo, r->ndims * sizeof(*to));
	memcpy(to + 3 * r->ndims, c->axis_hi, r->ndims * sizeof(*to));
	memcpy(to + 4 * r->ndims, c->t, c->corners * sizeof(c->t[0]));
	s->n += n + TAIL;
	to = s->at + s->n - TAIL;
	to[CORNERS] = c->corners;
	to[STEPS] = c->steps;
	to[EMPTY] = c->empty;
	return 0;
}

void cell_pop(struct cell_stack *s, struct cell *c, const struct region *r)
{
	const double *tail = s->at + s->n - TAIL, *from;

	c->corners = (int)tail[CORNERS];
	c->steps = (int)tail[STEPS];
	c->empty = tail[EMPTY] != 0;
	from = tail - 2 * (2 * r->ndims + c->corners);
	memcpy(c->lo, from, r->ndims * sizeof(*from));
	memcpy(c->hi, from + r->ndims, r->ndims * sizeof(*from));
	memcpy(c->axis_lo, from + 2 * r->ndims, r->ndims * sizeof(*from));
	memcpy(c->axis_hi, from + 3 * r->ndims, r->ndims * sizeof(*from));
	memcpy(c->t, from + 4 * r->ndims, c->corners * sizeof(c->t[0]));
	s->n = from - s->at;
}
