/* The walk over a part's leaves, its shares and its counterexample. */
#include "check/proof.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cert/part.h"
#include "check/bound.h"
#include "check/upward.h"
#include "check/window.h"

struct proof {
	struct bound bound;
	struct cell_stack waiting; // cells of the tree
	struct cell cell, other;
	/* the part at hand */
	const struct cert_part *part;
	const struct enforce *shield;	// or NULL
	uint32_t w;
	struct window_target target;
	int64_t aim_lo, aim_hi;		// the windows of target
	const double *cuts, *bounds;	// the next ones
	double not_proven, not_refuted; // shares, at most
	long leaf;
	char *why;
	size_t len;
};

int proof_new(struct proof **out, const struct net *net)
{
	struct proof *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	if (bound_open(&p->bound, net)) {
		proof_free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

void proof_free(struct proof *p)
{
	if (!p)
		return;
	bound_close(&p->bound);
	free(p->waiting.at);
	free(p);
}

static int reject(struct proof *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int reject(struct proof *p, const char *fmt, ...)
{
	int was = fegetround();
	va_list ap;

	fesetround(FE_TONEAREST);
	va_start(ap, fmt);
	vsnprintf(p->why, p->len, fmt, ap);
	va_end(ap);
	fesetround(was);
	return -EKEYREJECTED;
}

// Cuts the cell at hand; the second side waits.
static int branch(struct proof *p, char kind)
{
	const struct region *r = &p->part->region;
	int n = kind == CERT_AXIS ? 1 : r->ndims, err;
	bool good;

	cell_copy(&p->other, &p->cell, r);
	if (kind == CERT_AXIS)
		good = cell_cut_axis(&p->cell, r, (int)p->cuts[0], p->cuts[1], false) &&
		       cell_cut_axis(&p->other, r, (int)p->cuts[0], p->cuts[1], true);
	else
		good = cell_cut(&p->cell, r, p->cuts, p->cuts[n], false) &&
		       cell_cut(&p->other, r, p->cuts, p->cuts[n], true);
	p->cuts += n + 1;
	if (!good)
		return reject(p, "a polygon of its tree has more than %d corners", CELL_CORNERS);
	err = cell_push(&p->waiting, &p->other, r);
	if (!err)
		err = cell_push(&p->waiting, &p->cell, r);
	return err == -E2BIG ? reject(p, "too many branches of its tree wait to be followed") : err;
}

static void aim(struct proof *p, int64_t lo, int64_t hi)
{
	p->aim_lo = lo;
	p->aim_hi = hi;
	window_aim(&p->target, lo, hi, p->w);
}

// What the leaf takes from the shares.
static void count_leaf(struct proof *p, bool holds, bool fails)
{
	double share = cell_share(&p->cell, &p->part->region);

	p->not_proven += holds ? 0 : share;
	p->not_refuted += fails ? 0 : share;
}

// A leaf on which the shield decides, whatever the network answers.
static int judge_shield(struct proof *p, char kind)
{
	struct enforce_leaf found = {.known = false};

	p->leaf++;
	if (p->shield)
		enforce_judge(p->shield, &p->part->region, &p->cell, p->part->lo, p->part->hi,
			&found);
	if (kind == CERT_SHIELD_HOLDS ? !found.holds : !found.fails)
		return reject(p, "leaf %ld: no shield makes the target %s whatever y is", p->leaf,
			kind == CERT_SHIELD_HOLDS ? "hold" : "fail");
	count_leaf(p, found.holds, found.fails);
	return 0;
}

// Of a shielded policy: the windows wanted of the policy itself on the leaf.
static int aim_leaf(struct proof *p, char kind)
{
	struct enforce_leaf found;

	if (!p->shield || kind == CERT_UNKNOWN)
		return 0;
	enforce_judge(p->shield, &p->part->region, &p->cell, p->part->lo, p->part->hi, &found);
	if (!found.known)
		return reject(p, "leaf %ld: what its shield enforces differs within it", p->leaf);
	if (found.lo != p->aim_lo || found.hi != p->aim_hi)
		aim(p, found.lo, found.hi);
	return 0;
}

// Whether the verdict follows from the bounds claimed; the claim to prove.
static int judge_leaf(struct proof *p, char kind, struct bound_claim *claim)
{
	const struct cert_part *part = p->part;
	int err;

	*claim = (struct bound_claim){++p->leaf, p->bounds[0], p->bounds[1]};
	p->bounds += 2;
	err = aim_leaf(p, kind);
	if (err)
		return err;
	if (kind == CERT_HOLDS
			? !window_holds(&p->target, claim->lo, claim->hi)
			: kind == CERT_FAILS && !window_fails(&p->target, claim->lo, claim->hi))
		return reject(p,
			"leaf %ld: the target does not %s wherever y is within %.9g and %.9g",
			claim->leaf, kind == CERT_HOLDS ? "hold" : "fail", claim->lo, claim->hi);
	if (!(part->y_lo <= claim->lo && claim->hi <= part->y_hi))
		return reject(p, "leaf %ld: its bounds on y are not within those of the part",
			claim->leaf);
	count_leaf(p, kind == CERT_HOLDS, kind == CERT_FAILS);
	return 0;
}

static int not_bound(struct proof *p, int err, long leaf)
{
	if (err == -ERANGE || err == -E2BIG)
		return reject(p, "leaf %ld: its bounds on y are not proved", leaf);
	return err;
}

static int prove_leaves(struct proof *p)
{
	const struct cert_part *part = p->part;
	const struct region *r = &part->region;
	bool intervals = !strcmp(part->engine, "box"), batch = r->ndims <= 2 && !intervals;
	struct bound_claim claim;
	long bad = 0;
	int err = 0;

	for (size_t i = 0; i < part->tree.nodes && !err; i++) {
		char kind = part->tree.kind[i];

		cell_pop(&p->waiting, &p->cell, r);
		if (!cert_bounded(kind)) {
			err = cert_shield_leaf(kind) ? judge_shield(p, kind) : branch(p, kind);
			continue;
		}
		err = judge_leaf(p, kind, &claim);
		if (err || p->cell.empty || (claim.lo == -INFINITY && claim.hi == INFINITY))
			continue;
		bad = claim.leaf;
		err = batch ? bound_add(&p->bound, &claim, &p->cell, &bad)
			    : bound_alone(&p->bound, &claim, &p->cell, intervals);
		err = not_bound(p, err, bad);
	}
	if (err)
		return err;
	err = bound_flush(&p->bound, &bad);
	return not_bound(p, err, bad);
}

static int check_shares(struct proof *p, struct proof_result *out)
{
	const struct cert_part *part = p->part;

	out->leaves = p->leaf;
	out->proven = fmax(0, down_add(1, -p->not_proven));
	out->refuted = fmax(0, down_add(1, -p->not_refuted));
	if (!(part->proven >= 0 && part->proven <= out->proven))
		return reject(p, "proven is claimed to be %.9g, its leaves make up %.9g",
			part->proven, out->proven);
	if (!(part->refuted >= 0 && part->refuted <= out->refuted))
		return reject(p, "refuted is claimed to be %.9g, its leaves make up %.9g",
			part->refuted, out->refuted);
	if (!isnan(part->exact) &&
		!(part->exact >= part->proven && part->exact <= 1 - part->refuted))
		return reject(p, "exact, %.9g, is not between proven and 1 - refuted", part->exact);
	return 0;
}

static int walk(struct proof *p, struct proof_result *out)
{
	int was = upward_begin(), err;

	aim(p, p->part->lo, p->part->hi);
	bound_start(&p->bound, &p->part->region);
	cell_whole(&p->cell, &p->part->region);
	p->waiting.n = 0;
	err = cell_push(&p->waiting, &p->cell, &p->part->region);
	if (!err)
		err = prove_leaves(p);
	if (!err)
		err = check_shares(p, out);
	upward_end(was);
	return err;
}

// Executes the network at the point where it is said to miss.
static int check_counterexample(struct proof *p)
{
	const struct cert_part *part = p->part;
	double x[REGION_INPUTS];
	uint32_t window;
	float y;

	for (int d = 0; d < part->region.ndims; d++)
		if (!(part->t[d] >= part->region.dim[d].lo && part->t[d] <= part->region.dim[d].hi))
			return reject(p, "its counterexample is outside the region");
	region_state(&part->region, part->t, x);
	y = net_run(p->bound.net, x);
	window = part_window(y, p->w);
	if (p->shield)
		window = enforce_window(p->shield, x, window);
	if (isfinite(y) && (window < part->lo || window > part->hi))
		return 0;
	return reject(p, "its counterexample is none: the window there is %u", window);
}

int proof_part(struct proof *p, const struct cert_part *part, uint32_t w,
	const struct enforce *shield, struct proof_result *out, char *why, size_t len)
{
	int err;

	p->part = part;
	p->w = w;
	p->shield = shield;
	p->cuts = part->tree.cuts;
	p->bounds = part->tree.bounds;
	p->not_proven = p->not_refuted = 0;
	p->leaf = 0;
	p->why = why;
	p->len = len;
	if (part->region.nin != p->bound.net->layer[0].in || !region_valid(&part->region))
		return reject(p, "its region is none of this network's");
	err = walk(p, out);
	if (!err && part->missed)
		err = check_counterexample(p);
	return err;
}
