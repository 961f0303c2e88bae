/* Counterexamples of a certificate, run again and shown as states and windows. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/cert_file.h"
#include "cert/part.h"
#include "cli/certify.h"
#include "policy/action.h"

// The frames of a state, newest last; what the counterexample changed is marked.
static void print_state(const double *x, const double *observed, int nin)
{
	printf("    %5s", "frame");
	for (int f = 0; f < FRAME_FEATURES; f++)
		printf(" %13s", frame_features[f].name);
	putchar('\n');
	for (int i = 0; i < FRAME_HISTORY; i++) {
		printf("    %5d", i - FRAME_HISTORY + 1);
		for (int f = 0; f < FRAME_FEATURES; f++) {
			int k = i * FRAME_FEATURES + f;

			printf(" %12.6g%c", x[k], x[k] == observed[k] ? ' ' : '*');
		}
		putchar('\n');
	}
	for (int k = STATE_SIZE; k < nin; k++)
		printf("    input %d: %.6g\n", k, x[k]);
}

static uint32_t shielded(const struct shield *s, const struct cert_entry *e, const double *x, uint32_t window)
{
	const struct cert_decision d = {.x = x, .nin = e->nstate, .w = e->w, .p = e->p,
		.nchanges = e->nchanges, .changes = e->changes};
	uint32_t moved = shield_window(s, &d, window);

	printf("  the policy wants %u packets, its shield installs %u\n", window, moved);
	return moved;
}

// Whether the model misses the target there, as the certificate says.
static bool show(const struct certify *c, const struct cert_entry *e, const struct cert_part *p, float *scratch)
{
	double x[REGION_INPUTS];
	uint32_t window;
	float y;
	bool misses;

	region_state(&p->region, p->t, x);
	y = actor_run(c->actor, x, scratch);
	window = part_window(y, e->w);
	printf("%s: %s\n", e->source, p->property);
	printf("  window %u, installed before %u; in the observed state the model installs %u\n", e->w, e->p, e->clean);
	if (c->shield)
		window = shielded(c->shield, e, x, window);
	misses = window < p->lo || window > p->hi;
	printf("  here action %.6f, %d %% of %u: %u packets; the target is %lld to %lld: %s\n", mlp_action(y),
		action_percent(mlp_action(y)), e->w, window, (long long)p->lo, (long long)p->hi,
		misses ? "missed" : "MET, the certificate is wrong");
	print_state(x, e->state, e->nstate);
	return misses;
}

static int replay_entry(const struct certify *c, const struct cert_entry *e, float *scratch, long count[2])
{
	if (e->nstate != c->actor->layer[0].in) {
		pr_err("%s: a state of %d numbers, the model's have %d\n", opts_text(c->opts, "replay"), e->nstate,
			c->actor->layer[0].in);
		return -EINVAL;
	}
	for (int i = 0; i < e->nparts; i++)
		if (e->parts[i].missed)
			count[show(c, e, &e->parts[i], scratch)]++;
	return 0;
}

// The shield that a certificate's policy has.
static int open_shield(struct certify *c, const struct cert_text *text, const char *path)
{
	int err = text->text ? property_parse(&c->shielding, text->text, path, NULL, 0) : 0;

	if (!err && text->text)
		err = property_pick(c->shielding, text->set);
	return err || !text->text ? err : shield_new(&c->shield, c->shielding);
}

int certify_replay(struct certify *c, const char *path)
{
	float *scratch = malloc(mlp_scratch(c->mlp) * sizeof(*scratch));
	long count[2] = {0, 0};
	struct cert_reader *r;
	struct cert_entry e;
	int err = scratch ? cert_file_open(&r, path) : -ENOMEM, more = 1;

	if (!err) {
		if (strcmp(cert_file_head(r)->model_sha256, c->model->sha256))
			pr_warn("%s is about another model than %s\n", path, c->model_path);
		err = open_shield(c, &cert_file_head(r)->shield, path);
		while (!err && (more = cert_file_next(r, &e)) > 0) {
			err = replay_entry(c, &e, scratch, count);
			cert_entry_free(&e);
		}
		err = err ? err : more;
		cert_file_close(r);
	}
	if (!err)
		printf("%ld counterexample%s, %ld of them missed again\n", count[0] + count[1],
			count[0] + count[1] == 1 ? "" : "s", count[1]);
	free(scratch);
	return err;
}
