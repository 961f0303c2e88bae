/* The plane cut by the zeros of a network's neurons. */
#include "cert/subdivision.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cert/sweep.h"

#define AXES SUBDIVISION_AXES
#define MAX_LEAVES (1 << 16)
#define MAX_NODES (2 * MAX_LEAVES)
#define MAX_CORNERS (8 * MAX_LEAVES)
#define MAX_WORK (1 << 18) // numbers of corners along a branch of the tree
#define MAX_PLANES 512	   // rows of affine sums along a branch
#define MAX_DEPTH 4096	   // cuts along a branch

// The hidden layer l on the cell that is being cut.
struct level {
	struct sweep_plane z; // sums
	struct sweep_plane
		h; // what it gives where every neuron is on the side of the middle of its range
	double *middle, *lo, *hi;
	int *cross; // neurons with zeros on the cell
	int n;
};

// What the layer above is on a part of the cell: sums of a hidden layer, or y.
struct above {
	struct sweep_plane z;
	double y[3];
};

struct work {
	struct subdivision out; // first, so that one pointer is the other
	const struct actor *actor;
	int hidden; // layers
	struct level level[MLP_MAX_LAYERS];
	double *out_w; // the last layer's weights, a row of the last hidden layer
	double *x;     // a state, a row
	uint64_t *crossed;
	double *work; // polygons along the branch
	int worked;
	double *plane; // rows along the branch
	int planes, depth;
	void *memory; // holds the rows
};

static double *take_row(double **at, int width)
{
	double *row = *at;

	*at += width;
	return row;
}

static struct sweep_plane take_rows(double **at, int width)
{
	return (struct sweep_plane){
		{take_row(at, width), take_row(at, width), take_row(at, width)}};
}

static int row_width(const struct actor *a)
{
	return a->width > REGION_INPUTS ? a->width : REGION_INPUTS;
}

void subdivision_free(struct subdivision *s)
{
	struct work *e = (struct work *)s;

	if (!e)
		return;
	for (int l = 0; l < e->hidden; l++)
		free(e->level[l].cross);
	for (int i = 0; i < 3; i++)
		free(e->out.corner[i]);
	free(e->out.node);
	free(e->crossed);
	free(e->work);
	free(e->plane);
	free(e->memory);
	free(e);
}

static int allocate(struct work *e)
{
	const struct actor *a = e->actor;
	int width = row_width(a), rows = 9 * e->hidden + 2;
	size_t bytes = (size_t)rows * width * sizeof(double);
	double *at = e->memory = aligned_alloc(ACTOR_ALIGN, bytes);
	bool ok = at;

	e->crossed = malloc(sweep_words(width) * sizeof(*e->crossed));
	e->out.node = malloc(MAX_NODES * sizeof(*e->out.node));
	e->work = malloc(MAX_WORK * sizeof(*e->work));
	e->plane = aligned_alloc(ACTOR_ALIGN, (size_t)MAX_PLANES * 3 * width * sizeof(*e->plane));
	for (int i = 0; i < 3; i++) {
		e->out.corner[i] = malloc(MAX_CORNERS * sizeof(double));
		ok = ok && e->out.corner[i];
	}
	for (int l = 0; l < e->hidden; l++) {
		e->level[l].cross = malloc(a->layer[l].out * sizeof(int));
		ok = ok && e->level[l].cross;
	}
	if (!ok || !e->crossed || !e->out.node || !e->work || !e->plane)
		return -ENOMEM;
	memset(at, 0, bytes);
	for (int l = 0; l < e->hidden; l++) {
		struct level *v = &e->level[l];

		v->z = take_rows(&at, width);
		v->h = take_rows(&at, width);
		v->middle = take_row(&at, width);
		v->lo = take_row(&at, width);
		v->hi = take_row(&at, width);
		e->out.z_lo[l] = v->lo;
		e->out.z_hi[l] = v->hi;
	}
	e->out_w = take_row(&at, width);
	e->x = take_row(&at, width);
	return 0;
}

struct subdivision *subdivision_new(const struct actor *a)
{
	struct work *e = calloc(1, sizeof(*e));
	const struct actor_layer *last = &a->layer[a->n - 1];

	if (!e)
		return NULL;
	e->actor = a;
	e->hidden = a->n - 1;
	if (allocate(e)) {
		subdivision_free(&e->out);
		return NULL;
	}
	for (int k = 0; k < last->in; k++)
		e->out_w[k] = last->w[(size_t)k * last->stride];
	return &e->out;
}

// Numbers for a branch's polygons, NULL when there is no more room.
static double *take_work(struct work *e, int n)
{
	double *at = e->work + e->worked;

	if (e->worked + n > MAX_WORK)
		return NULL;
	e->worked += n;
	return at;
}

static bool take_polygon(struct work *e, struct polygon *p, int m)
{
	double *at = take_work(e, 4 * m);

	*p = (struct polygon){.x = at, .y = at + m, .u = at + 2 * m, .v = at + 3 * m};
	return at;
}

static int take_plane(struct work *e, struct sweep_plane *p)
{
	int width = row_width(e->actor);
	double *at = e->plane + (size_t)e->planes * 3 * width;

	if (e->planes == MAX_PLANES)
		return -E2BIG;
	e->planes++;
	*p = take_rows(&at, width);
	return 0;
}

static struct subdivision_node *add_node(struct work *e)
{
	return e->out.nodes < MAX_NODES ? &e->out.node[e->out.nodes++] : NULL;
}

void subdivision_place(const struct subdivision_patch *p, double normal[AXES], double *offset)
{
	for (int d = 0; d < AXES; d++) {
		normal[d] /= p->width[d];
		*offset += normal[d] * p->lo[d];
	}
}

struct polygon subdivision_leaf(
	const struct subdivision *s, const struct subdivision_node *n, const double **y)
{
	*y = s->corner[2] + n->corner;
	return (struct polygon){
		.m = n->corners, .x = s->corner[0] + n->corner, .y = s->corner[1] + n->corner};
}

static int add_leaf(struct work *e, const struct polygon *p, const double y[3])
{
	struct subdivision_node *n = add_node(e);

	if (!n || e->out.corners + p->m > MAX_CORNERS)
		return -E2BIG;
	*n = (struct subdivision_node){.leaf = true,
		.corner = e->out.corners,
		.corners = p->m,
		.patch = e->out.patches - 1};
	e->out.leaves++;
	for (int i = 0; i < p->m; i++, e->out.corners++) {
		e->out.corner[0][e->out.corners] = p->x[i];
		e->out.corner[1][e->out.corners] = p->y[i];
		e->out.corner[2][e->out.corners] = y[0] + y[1] * p->u[i] + y[2] * p->v[i];
	}
	return 0;
}

static int cell(struct work *e, int l, const struct polygon *p, const struct sweep_plane *z);

// The layer above where neuron k is on the other side than the middle of its range.
static int flip(struct work *e, int l, int k, const struct above *from, struct above *to)
{
	const struct level *v = &e->level[l];
	const struct actor_layer *next = &e->actor->layer[l + 1];
	double by = (v->middle[k] < 0 ? 1 : -1) * (1 - e->actor->slope), f[3];
	int err;

	for (int c = 0; c < 3; c++)
		f[c] = by * v->z.c[c][k];
	if (l == e->hidden - 1) {
		for (int c = 0; c < 3; c++)
			to->y[c] = from->y[c] + e->out_w[k] * f[c];
		return 0;
	}
	err = take_plane(e, &to->z);
	if (!err)
		sweep_tilt(next->stride, f, next->w + (size_t)k * next->stride, &from->z, &to->z);
	return err;
}

// Values of neuron k at the corners, those within rounding as 0; bit 0: some are negative, bit 1:
// positive.
static int values(const struct level *v, int k, const struct polygon *p, double *f)
{
	double a = v->z.c[0][k], b = v->z.c[1][k], c = v->z.c[2][k];
	double tolerance = SWEEP_TOLERANCE * (fabs(a) + fabs(b) + fabs(c));
	int signs = 0;

	for (int i = 0; i < p->m; i++) {
		f[i] = a + b * p->u[i] + c * p->v[i];
		if (fabs(f[i]) <= tolerance)
			f[i] = 0;
		signs |= f[i] < 0 ? 1 : f[i] > 0 ? 2 : 0;
	}
	return signs;
}

static int split(struct work *e, int l, const struct polygon *p, int i, const struct above *above);

// Cuts p, on which neuron number i of the list has values f of both signs.
static int cut(struct work *e, int l, const struct polygon *p, int i, const double *f,
	const struct above *above)
{
	const struct level *v = &e->level[l];
	int k = v->cross[i], err;
	struct polygon side[2]; // f <= 0, f >= 0
	struct above flipped;
	struct subdivision_node *n = add_node(e);
	int kept = v->middle[k] < 0 ? 0 : 1;

	if (!n || !take_polygon(e, &side[0], 2 * p->m) || !take_polygon(e, &side[1], 2 * p->m) ||
		e->depth == MAX_DEPTH)
		return -E2BIG;
	n->leaf = false;
	polygon_split(p, f, &side[0], &side[1]);
	if (!polygon_line(p, f, 0, n->normal, &n->offset)) { // both signs at one place
		e->out.nodes--;
		return split(e, l, p, i + 1, above);
	}
	subdivision_place(&e->out.patch[e->out.patches - 1], n->normal, &n->offset);
	err = flip(e, l, k, above, &flipped);
	e->depth++;
	for (int s = 0; s < 2 && !err; s++)
		err = split(e, l, &side[s], i + 1, s == kept ? above : &flipped);
	e->depth--;
	return err;
}

// Cuts p, a part of layer l's cell, by the zeros from number i of the list on.
static int split(struct work *e, int l, const struct polygon *p, int i, const struct above *above)
{
	const struct level *v = &e->level[l];
	int worked = e->worked, planes = e->planes, err = 0, signs = 0;
	struct above now = *above;
	double *f = take_work(e, p->m);

	if (!f)
		return -E2BIG;
	for (; i < v->n && !err; i++) {
		int k = v->cross[i];

		signs = values(v, k, p, f);
		if (signs == 3)
			break;
		if (signs == (v->middle[k] < 0 ? 2 : 1)) {
			struct above before = now;

			err = flip(e, l, k, &before, &now);
		}
	}
	if (err)
		;
	else if (i < v->n)
		err = cut(e, l, p, i, f, &now);
	else if (l == e->hidden - 1)
		err = add_leaf(e, p, now.y);
	else
		err = cell(e, l + 1, p, &now.z);
	e->worked = worked;
	e->planes = planes;
	return err;
}

// Layer l's neurons on p, where its sums are v->z; lists those with zeros.
static void classify(struct work *e, int l, const struct polygon *p)
{
	struct level *v = &e->level[l];
	int stride = e->actor->layer[l].stride;

	sweep_polygon(stride, &v->z, p->m, p->u, p->v, v->lo, v->hi, e->crossed, v->middle);
	v->n = 0;
	for (int word = 0; word < sweep_words(stride); word++)
		for (uint64_t bits = e->crossed[word]; bits; bits &= bits - 1)
			v->cross[v->n++] = word * SWEEP_WORD + __builtin_ctzll(bits);
	for (int c = 0; c < 3; c++)
		sweep_derive(stride, e->actor->slope, v->middle, v->z.c[c], v->h.c[c]);
}

// The layer above layer l where every neuron is on the side of its middle.
static int start_above(struct work *e, int l, struct above *above)
{
	const struct level *v = &e->level[l];
	const struct actor_layer *layer = &e->actor->layer[l], *next = layer + 1;
	int err;

	if (l == e->hidden - 1) {
		for (int c = 0; c < 3; c++)
			above->y[c] = sweep_dot(layer->stride, 1, v->h.c[c], e->out_w);
		above->y[0] += next->b[0];
		return 0;
	}
	err = take_plane(e, &above->z);
	if (err)
		return err;
	kernel_forward(next, 3, (const double *const *)v->h.c, above->z.c);
	kernel_axpy(next->stride, 1, next->b, above->z.c[0]);
	return 0;
}

// All layers from l on, on the polygon p over which the sums of layer l are z. For layer 0 z is in
// place.
static int cell(struct work *e, int l, const struct polygon *p, const struct sweep_plane *z)
{
	int worked = e->worked, planes = e->planes, err;
	struct polygon own = *p;
	struct above above;

	if (l > 0) {
		double base[3][2], *at = take_work(e, 2 * p->m);

		if (!at)
			return -E2BIG;
		own.u = at;
		own.v = at + p->m;
		polygon_frame(p, base, own.u, own.v);
		sweep_rebase(e->actor->layer[l].stride, z, base, &e->level[l].z);
	}
	classify(e, l, &own);
	err = start_above(e, l, &above);
	if (!err)
		err = split(e, l, &own, 0, &above);
	e->worked = worked;
	e->planes = planes;
	return err;
}

// Layer 0's sums over a patch.
static void start_patch(struct work *e, const struct region *r, const struct subdivision_patch *p,
	struct sweep_plane *z)
{
	const struct actor_layer *l = &e->actor->layer[0];

	region_state(r, p->lo, e->x);
	kernel_forward(l, 1, (const double *[]){e->x}, z->c);
	kernel_axpy(l->stride, 1, l->b, z->c[0]);
	for (int d = 0; d < AXES; d++) {
		const struct region_dim *dim = &r->dim[d];

		memset(z->c[1 + d], 0, l->stride * sizeof(double));
		kernel_axpy(
			l->stride, p->width[d], l->w + (size_t)dim->input * l->stride, z->c[1 + d]);
		if (dim->tied >= 0 && p->lo[d] < REGION_KINK)
			kernel_axpy(l->stride, p->width[d] * REGION_TIED_SLOPE,
				l->w + (size_t)dim->tied * l->stride, z->c[1 + d]);
	}
}

static int run_patch(
	struct work *e, const struct region *r, const double lo[AXES], const double hi[AXES])
{
	struct subdivision_patch *p = &e->out.patch[e->out.patches++];
	struct polygon square;

	for (int d = 0; d < AXES; d++) {
		p->lo[d] = lo[d];
		p->width[d] = hi[d] - lo[d];
	}
	e->worked = e->planes = e->depth = 0;
	take_polygon(e, &square, 4);
	square.m = 4;
	for (int i = 0; i < 4; i++) {
		square.x[i] = square.u[i] = i == 1 || i == 2;
		square.y[i] = square.v[i] = i >= 2;
	}
	if (!e->hidden) { // layer 0 is the output
		struct sweep_plane z;

		take_plane(e, &z);
		start_patch(e, r, p, &z);
		return add_leaf(e, &square, (double[]){z.c[0][0], z.c[1][0], z.c[2][0]});
	}
	start_patch(e, r, p, &e->level[0].z);
	return cell(e, 0, &square, NULL);
}

// The patches of lo..hi, cut at the kinks of inputs d and on.
static int trace(struct work *e, const struct region *r, int d, double lo[AXES], double hi[AXES])
{
	bool kink = d < AXES && r->dim[d].tied >= 0 && lo[d] < REGION_KINK && hi[d] > REGION_KINK;
	double end, start;
	struct subdivision_node *n;
	int err;

	if (d == AXES)
		return run_patch(e, r, lo, hi);
	if (!kink)
		return trace(e, r, d + 1, lo, hi);
	n = add_node(e);
	if (!n)
		return -E2BIG;
	*n = (struct subdivision_node){.normal = {d == 0, d == 1}, .offset = REGION_KINK};
	end = hi[d];
	hi[d] = REGION_KINK;
	err = trace(e, r, d + 1, lo, hi);
	hi[d] = end;
	start = lo[d];
	lo[d] = REGION_KINK;
	err = err ? err : trace(e, r, d + 1, lo, hi);
	lo[d] = start;
	return err;
}

int subdivision_run(struct subdivision *s, const struct region *r)
{
	struct work *e = (struct work *)s;
	double lo[AXES] = {r->dim[0].lo, r->dim[1].lo}, hi[AXES] = {r->dim[0].hi, r->dim[1].hi};

	e->out.nodes = e->out.leaves = e->out.corners = e->out.patches = 0;
	for (int l = 0; l < e->hidden; l++)
		for (int j = 0; j < e->actor->layer[l].stride; j++) {
			e->level[l].lo[j] = INFINITY;
			e->level[l].hi[j] = -INFINITY;
		}
	return trace(e, r, 0, lo, hi);
}
