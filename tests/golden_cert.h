/* The reference's certificates of our definitions: cases, and which properties their parts are. */
#ifndef TESTS_GOLDEN_CERT_H
#define TESTS_GOLDEN_CERT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "cert/part.h"
#include "golden.h"
#include "policy/action.h"

#define GOLDEN_CERT GOLDEN "cert_recommended.json"
#define GOLDEN_K 3

struct golden_case {
	int id, slices;
	double x[STATE_SIZE];
	int64_t changes[GOLDEN_K]; /* newest first */
	struct cert_decision d;
	struct property_file *properties;
	const json_t *good, *bad; /* null: not triggered */
};

/* The properties of a published id, with the case's parameters. */
static inline struct property_file *golden_properties(const json_t *c)
{
	static const char *const names[] = {
		"safety", "robustness", "loss", NULL, NULL, "deep-buffer", "shallow-buffer"};
	const int id = golden_number(c, "pid");
	const char *first = id == 7 ? "noise" : "theta", *second = id == 7 ? "change" : "x";
	char *let[2] = {file_path("%s=%.15g", first, golden_number(c, "theta")),
		file_path("%s=%g/%d", second, golden_number(c, "x2"), id == 7 ? 100 : 1)};
	struct property_file *f = NULL;

	assert_int_equal(property_load(&f, names[id - 6], (const char *const *)let, 2), 0);
	free(let[0]);
	free(let[1]);
	return f;
}

/* Fills the case; its pointers lead into itself and j. Free its properties. */
static inline void golden_case(struct golden_case *g, const json_t *j)
{
	const json_t *state = json_object_get(j, "state"),
		     *past = json_object_get(j, "past_deltas");
	const json_t *out = json_object_get(j, "out");
	const uint32_t w = golden_number(j, "w");

	memset(g, 0, sizeof(*g));
	g->id = golden_number(j, "pid");
	g->slices = golden_number(j, "N");
	for (int i = 0; i < STATE_SIZE; i++)
		g->x[i] = json_number_value(json_array_get(state, i));
	for (int i = 0; i < GOLDEN_K; i++)
		g->changes[i] = json_number_value(json_array_get(past, GOLDEN_K - 1 - i));
	g->d = (struct cert_decision){.x = g->x,
		.nin = STATE_SIZE,
		.w = w,
		.p = golden_number(j, "prev_window"),
		.nchanges = GOLDEN_K,
		.changes = g->changes,
		.clean = action_window(action_percent(golden_number(j, "a_now")), w)};
	g->properties = golden_properties(j);
	g->good = json_object_get(out, g->id == 7 ? "robust" : "good");
	g->bad = json_object_get(out, "bad");
}

/* The case's part that belongs to a property, NULL if none triggered. */
static inline const json_t *golden_part(const struct golden_case *g, const char *property)
{
	const bool good = !strcmp(property, "grow") || !strcmp(property, "short-queue") ||
			  !strcmp(property, "robust");
	const json_t *part = good ? g->good : g->bad;
	bool recovers = false;

	for (int i = 0; i < GOLDEN_K; i++)
		recovers |= g->changes[i] < 0;
	if (!part || json_is_null(part) || (!strcmp(property, "recover") && !recovers) ||
		(!strcmp(property, "shrink") && recovers))
		return NULL;
	return part;
}

#endif
