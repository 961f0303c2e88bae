/* Decisions and files: model, windows, regions and targets are what they should be; then the
 * proofs. */
#include "check/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/part.h"
#include "check/net.h"
#include "check/proof.h"
#include "check/upward.h"

struct check {
	const struct property_file *shield; // or NULL
	struct net *net;
	struct proof *proof;
};

int check_new(struct check **out, const struct model *m)
{
	struct check *c;
	int err;

	if (!upward_works()) {
		pr_err("this machine or build does not round upward when told to: nothing can be "
		       "checked\n");
		return -ENOTSUP;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	err = net_new(&c->net, m);
	if (!err)
		err = proof_new(&c->proof, c->net);
	if (err)
		check_free(c);
	else
		*out = c;
	return err;
}

void check_free(struct check *c)
{
	if (!c)
		return;
	proof_free(c->proof);
	net_free(c->net);
	free(c);
}

void check_shielded(struct check *c, const struct property_file *shield)
{
	c->shield = shield;
}

static bool same_region(const struct region *a, const struct region *b)
{
	bool varied[REGION_INPUTS] = {false};

	if (a->nin != b->nin || a->ndims != b->ndims)
		return false;
	for (int d = 0; d < a->ndims; d++) {
		const struct region_dim *x = &a->dim[d], *y = &b->dim[d];

		if (x->input != y->input || x->tied != y->tied || x->lo != y->lo || x->hi != y->hi)
			return false;
		varied[x->input] = true;
		if (x->tied >= 0)
			varied[x->tied] = true;
	}
	for (int i = 0; i < a->nin; i++)
		if (!varied[i] && a->x[i] != b->x[i])
			return false;
	return true;
}

// A property that triggers must be the next part.
static int check_part(struct check *c, const struct part *want, const struct cert_part *part,
	const struct enforce *shield, const char *where, struct check_report *report)
{
	char why[160];
	struct proof_result found;
	int err;

	if (strcmp(want->property->name, part->property))
		snprintf(why, sizeof(why), "it should be '%s', which triggers here",
			want->property->name);
	else if (want->lo != part->lo || want->hi != part->hi)
		snprintf(why, sizeof(why),
			"its target is %" PRId64 " to %" PRId64 " packets, not %" PRId64
			" to %" PRId64,
			want->lo, want->hi, part->lo, part->hi);
	else if (!same_region(&want->region, &part->region))
		snprintf(why, sizeof(why), "its region is another than the property's");
	else {
		err = proof_part(c->proof, part, shield->d->w, c->shield ? shield : NULL, &found,
			why, sizeof(why));
		if (err == -ENOMEM)
			return err;
		if (!err) {
			report->parts++;
			report->leaves += found.leaves;
			report->proven += found.proven;
			report->refuted += found.refuted;
			pr_debug("%s: %s: proven %.6f, refuted %.6f on %ld leaves\n", where,
				part->property, found.proven, found.refuted, found.leaves);
			return 0;
		}
	}
	pr_err("%s: %s: %s\n", where, part->property, why);
	return -EKEYREJECTED;
}

static int check_clean(struct check *c, const struct cert_entry *e, const struct enforce *shield,
	const char *where)
{
	uint32_t clean;

	if (e->nstate != c->net->layer[0].in) {
		pr_err("%s: the state has %d numbers, the network takes %d\n", where, e->nstate,
			c->net->layer[0].in);
		return -EKEYREJECTED;
	}
	clean = part_window(net_run(c->net, e->state), e->w);
	if (c->shield)
		clean = enforce_window(shield, e->state, clean);
	if (clean == e->clean)
		return 0;
	pr_err("%s: the model installs %u packets, not %u\n", where, clean, e->clean);
	return -EKEYREJECTED;
}

int check_entry(struct check *c, const struct property_file *f, const struct cert_entry *e,
	const char *where, struct check_report *report)
{
	struct cert_decision d = {.x = e->state,
		.nin = e->nstate,
		.w = e->w,
		.p = e->p,
		.clean = e->clean,
		.nchanges = e->nchanges,
		.changes = e->changes};
	struct enforce shield = {.d = &d};
	int err, n = 0;
	struct part part;

	if (c->shield)
		enforce_begin(&shield, c->shield, &d);
	err = check_clean(c, e, &shield, where);
	for (int i = 0; i < f->n && !err; i++) {
		if (!f->property[i].used)
			continue;
		err = part_make(&part, &f->property[i], &d);
		if (err) {
			pr_err("%s: %s: %s\n", where, f->property[i].name, part_error(err));
			return -EKEYREJECTED;
		}
		if (part.status != PART_TRIGGERED)
			continue;
		if (n == e->nparts) {
			pr_err("%s: %s triggers, but has no part\n", where, f->property[i].name);
			return -EKEYREJECTED;
		}
		err = check_part(c, &part, &e->parts[n++], &shield, where, report);
	}
	if (!err && n < e->nparts) {
		pr_err("%s: %s: it does not trigger here\n", where, e->parts[n].property);
		err = -EKEYREJECTED;
	}
	report->decisions++;
	report->triggered += n > 0;
	return err;
}

// Head and model; what there is to verify.
static int open_head(const struct cert_head *h, const struct model *m, const char *path,
	struct property_file **file)
{
	int err;

	if (strcmp(h->model_sha256, m->sha256)) {
		pr_err("%s: is about the model %.16s..., this one is %.16s...\n", path,
			h->model_sha256, m->sha256);
		return -EKEYREJECTED;
	}
	err = property_parse(file, h->property.text, path, NULL, 0);
	if (err)
		return err;
	for (int i = 0; i < h->nparams && !err; i++)
		if (property_let(*file, h->params[i].name) != h->params[i].value) {
			pr_err("%s: parameter '%s' is not what the property text says\n", path,
				h->params[i].name);
			err = -EKEYREJECTED;
		}
	return err ? err : property_pick(*file, h->property.set);
}

// The shield's properties, if the policy has one.
static int open_shield(const struct cert_head *h, const char *path, struct property_file **shield)
{
	int err;

	if (!h->shield.text)
		return 0;
	err = property_parse(shield, h->shield.text, path, NULL, 0);
	return err ? err : property_pick(*shield, h->shield.set);
}

static int check_entries(struct check *c, struct cert_reader *r, const struct property_file *f,
	const char *path, struct check_report *report)
{
	struct cert_entry e;
	char where[256];
	int more;

	while ((more = cert_file_next(r, &e)) > 0) {
		int err;

		snprintf(where, sizeof(where), "%.200s:%ld", path, cert_file_line(r));
		err = check_entry(c, f, &e, where, report);
		cert_entry_free(&e);
		if (err)
			return err;
	}
	return more;
}

int check_file(const char *cert, const char *model, struct check_report *report)
{
	struct cert_reader *r = NULL;
	struct property_file *f = NULL, *shield = NULL;
	struct model *m = NULL;
	struct check *c = NULL;
	int err = model_load(&m, model);

	*report = (struct check_report){0};
	if (!err)
		err = cert_file_open(&r, cert);
	if (!err)
		err = open_head(cert_file_head(r), m, cert, &f);
	if (!err)
		err = open_shield(cert_file_head(r), cert, &shield);
	if (!err)
		err = check_new(&c, m);
	if (!err)
		check_shielded(c, shield);
	if (!err)
		err = check_entries(c, r, f, cert, report);
	check_free(c);
	property_free(shield);
	property_free(f);
	cert_file_close(r);
	model_free(m);
	return err;
}
