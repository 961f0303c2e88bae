/* Judging decisions, and the files that come of it: certificate, VNN-LIB, pictures. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "cert/cert_file.h"
#include "cert/picture.h"
#include "cert/shielded.h"
#include "cert/vnnlib.h"
#include "cli/certify.h"
#include "cli/certify_show.h"

/* What the run keeps while parts come in, decision after decision. */
struct output {
	const struct certify *c;
	struct engine *engine; // asked once more where the partition is wanted
	struct cert_writer *file; // or NULL
	const char *vnnlib;	  // folder, or NULL
	long at;		  // decision of entry
	struct cert_entry entry;
	long picture_at; // decision to draw, -1: none yet
	struct part picture_part;
	bool picture_fixed; // named by --part, or refuted
	long want_at;	    // --part's decision, -1: any
	const char *want;   // ... and property
	long counterexamples;
	struct progress progress;
};

static int flush(struct output *o)
{
	char *line;
	int err = 0;

	if (o->at >= 0 && o->file) {
		line = cert_entry_format(&o->entry);
		err = line ? cert_file_add(o->file, line) : -ENOMEM;
		free(line);
	}
	cert_entry_free(&o->entry);
	o->at = -1;
	return err;
}

static int begin(struct output *o, long i, const struct cert_decision *d)
{
	struct cert_entry *e = &o->entry;

	if (d->nchanges > CERT_CHANGES)
		return -E2BIG;
	*e = (struct cert_entry){.nstate = d->nin, .w = d->w, .p = d->p, .nchanges = d->nchanges};
	e->source = certify_source(o->c, i);
	e->clean = d->clean;
	memcpy(e->state, d->x, d->nin * sizeof(*d->x));
	memcpy(e->changes, d->changes, d->nchanges * sizeof(*d->changes));
	e->parts = calloc(o->c->properties->n, sizeof(*e->parts));
	o->at = i;
	return e->parts && e->source ? 0 : -ENOMEM;
}

// Adds a part to its decision's entry, with the partition that its answer rests on.
static int add_part(struct output *o, const struct cert_decision *d, const struct part *part)
{
	struct cert_part *to = &o->entry.parts[o->entry.nparts++];
	struct engine_ask ask = qc_ask(&o->c->conf);
	struct engine_answer answer;
	struct engine_sink sink;
	int err;

	to->property = file_path("%s", part->property->name);
	to->region = part->region;
	to->lo = part->lo;
	to->hi = part->hi;
	sink = cert_tree_sink(&to->tree, part->region.ndims);
	ask.sink = &sink;
	err = shielded_run(o->engine, o->c->conf.engine, o->c->conf.shield, d, part, &ask, &answer);
	return err ? err : cert_part_claim(to, &answer);
}

static void consider_picture(struct output *o, long i, const struct part *part, const struct engine_answer *answer)
{
	bool named = o->want && i == o->want_at && !strcmp(part->property->name, o->want);
	bool drawable = part->region.ndims >= 1 && part->region.ndims <= 2;
	bool better = o->picture_at < 0 || (!o->picture_fixed && answer->refuted > 0);

	if (o->want ? !named : !drawable || !better)
		return;
	o->picture_at = i;
	o->picture_part = *part;
	o->picture_fixed = named || answer->refuted > 0;
}

static int write_vnnlib(const struct output *o, long i, const struct part *part)
{
	char *path = file_path("%s/%ld-%s.vnnlib", o->vnnlib, i + 1, part->property->name);
	char *comment = file_path("%s: %s", o->entry.source, part->property->name);
	int err = vnnlib_write(&part->region, &part->band, strcmp(opts_text(o->c->opts, "vnnlib-inputs"), "box") ? VNNLIB_EXACT : VNNLIB_BOX, comment,
		path);

	if (err == -EDOM) // every window hits the target: there is nothing to claim
		err = 0;

	free(path);
	free(comment);
	return err;
}

static int each(void *arg, long i, const struct cert_decision *d, const struct part *part,
	const struct engine_answer *answer)
{
	struct output *o = arg;
	int err = 0;

	progress_update(&o->progress, i + 1, NULL);
	o->counterexamples += answer->missed;
	consider_picture(o, i, part, answer);
	if (!o->file && !o->vnnlib)
		return 0;
	if (i != o->at)
		err = flush(o);
	if (!err && i != o->at)
		err = begin(o, i, d);
	if (!err && o->file)
		err = add_part(o, d, part);
	if (!err && o->vnnlib)
		err = write_vnnlib(o, i, part);
	return err;
}

static struct cert_text text_of(const struct property_file *f)
{
	return (struct cert_text){.file = f->path, .text = f->text, .set = (char *)property_name(f, f->main)};
}

static int open_certificate(struct output *o, const char *path)
{
	const struct certify *c = o->c;
	struct cert_head head = {.model_name = c->model->info.name ? c->model->info.name : (char *)c->model_path,
		.property = text_of(c->properties)};

	if (c->conf.shield)
		head.shield = text_of(c->conf.shield->file);
	memcpy(head.model_sha256, c->model->sha256, sizeof(head.model_sha256));
	return cert_file_create(&o->file, path, &head);
}

static int open_output(struct output *o, const struct certify *c)
{
	const char *path = opts_text(c->opts, "output"), *part = opts_text(c->opts, "part"), *colon;
	int err = 0;

	*o = (struct output){.c = c, .at = -1, .picture_at = -1, .want_at = -1,
		.vnnlib = opts_text(c->opts, "vnnlib")};
	if (part) {
		char *end;

		colon = strchr(part, ':');
		o->want_at = strtol(part, &end, 10) - 1;
		o->want = colon ? colon + 1 : "";
		if (!colon || !colon[1] || end != colon || o->want_at < 0 || o->want_at >= c->n) {
			pr_err("--part: '%s' is not DECISION:PROPERTY with a decision from 1 to %ld\n", part, c->n);
			return -EINVAL;
		}
	}
	if (path && (file_same(path, c->model_path) || file_same(path, c->properties->path) ||
			    (c->shielding && file_same(path, c->shielding->path)) ||
			    (c->opts->nargs > 1 && file_same(path, c->opts->args[1])))) {
		pr_err("--output: %s is what is certified\n", path);
		return -EINVAL;
	}
	o->engine = engine_new(c->actor);
	if (!o->engine)
		return -ENOMEM;
	if (o->vnnlib)
		err = file_mkdirs(o->vnnlib);
	if (!err && path)
		err = open_certificate(o, path);
	return err;
}

static int draw(const struct output *o)
{
	const char *path = opts_text(o->c->opts, "picture");
	struct engine_ask ask;
	struct picture p;
	char *source, *title;
	int err;

	if (!path)
		return 0;
	if (o->picture_at < 0) {
		pr_err("--picture: %s\n", o->want ? "that part does not trigger"
						  : "no part of one or two dimensions triggers");
		return -ENOENT;
	}
	ask = qc_ask(&o->c->conf);
	ask.region = o->picture_part.region;
	ask.band = o->picture_part.band;
	source = certify_source(o->c, o->picture_at);
	title = file_path("%s: %s", o->picture_part.property->name, source);
	p = (struct picture){path, title, &o->picture_part, &o->c->decisions[o->picture_at], &ask,
		o->c->conf.engine};
	err = picture_draw(&p, o->c->actor, o->engine);
	if (!err)
		pr_info("%s: decision %ld, %s\n", path, o->picture_at + 1, o->picture_part.property->name);
	free(source);
	free(title);
	return err;
}

static int close_output(struct output *o, int err)
{
	if (!err)
		err = flush(o);
	if (o->file) {
		int closed = cert_file_finish(o->file, !err);

		err = err ? err : closed;
	}
	if (!err)
		err = draw(o);
	cert_entry_free(&o->entry);
	engine_free(o->engine);
	return err;
}

int certify_run(struct certify *c)
{
	double require = opts_given(c->opts, "require") ? opts_real(c->opts, "require") : -1;
	struct qc_model *result = calloc(1, sizeof(*result));
	struct output o = {.c = NULL};
	struct qc_run run = {.file = c->properties, .actor = c->actor, .conf = c->conf,
		.decisions = c->decisions, .n = c->n, .threads = c->threads, .each = each, .arg = &o};
	int err = result ? open_output(&o, c) : -ENOMEM;

	progress_start(&o.progress, "decisions", c->n);
	if (!err)
		err = qc_measure(result, &run);
	progress_end(&o.progress);
	err = close_output(&o, err);
	if (err == -EINTR)
		pr_err("stopped; nothing was written\n");
	if (!err && !result->all.triggered)
		pr_warn("no property triggers on any of the %ld decisions\n", c->n);
	if (!err)
		certify_show(c, result, o.counterexamples);
	if (!err && require >= 0 && !(result->all.qc >= require)) {
		pr_err("QC %.4f is under the %g that --require asks for\n", result->all.qc, require);
		err = -ERANGE;
	}
	free(result);
	return err;
}
