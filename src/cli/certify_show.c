/* The certificate's figures: a row for the set, each property and each range of windows. */
#include "cli/certify_show.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *const kinds[] = {"auto", "box", "exact", "linear"};

static void put_share(double x)
{
	if (isnan(x))
		printf(" %9s", "-");
	else
		printf(" %9.4f", x);
}

// Where only some decisions have an exact share, their mean says little of all.
static double exact_of(const struct qc_total *t)
{
	return t->exact_known == t->triggered ? t->exact : NAN;
}

static void put_row(const char *name, const struct qc_total *t)
{
	printf("%-24s %8.1f %%", name, t->decisions ? 100.0 * t->triggered / t->decisions : 0);
	put_share(t->proven);
	put_share(t->refuted);
	put_share(exact_of(t));
	put_share(t->qc);
	put_share(t->nothing);
	put_share(t->hold);
	put_share(t->ceiling);
	putchar('\n');
}

static void bucket_name(char *buf, size_t size, int i)
{
	if (i + 1 < QC_BUCKETS)
		snprintf(buf, size, "  w %u..%u", qc_bucket_from[i], qc_bucket_from[i + 1] - 1);
	else
		snprintf(buf, size, "  w %u..", qc_bucket_from[i]);
}

static void show_shield(const struct shield *s)
{
	printf("policy shielded by %s of %s\n", property_name(s->file, s->file->main), s->file->path);
	for (int i = 0; i < s->file->n; i++)
		if (s->file->property[i].used && !shield_enforces(s, &s->file->property[i]))
			printf("  not enforced: %s, which compares with what the policy itself installs in the "
			       "observed state\n",
				s->file->property[i].name);
}

static void show_text(const struct certify *c, const struct qc_model *m, long counterexamples)
{
	const struct qc_total *all = &m->all;
	char name[80];

	printf("%s (tensors %.12s) on %ld decisions of %s; %s, engine %s\n", c->model_path, c->model->sha256,
		all->decisions, c->source, c->properties->path, kinds[c->conf.engine]);
	if (c->shield)
		show_shield(c->shield);
	putchar('\n');
	printf("%-24s %10s %9s %9s %9s %9s %9s %9s %9s\n", "", "triggered", "proven", "refuted", "exact", "QC",
		"a = 0", "hold", "ceiling");
	put_row(property_name(c->properties, c->properties->main), all);
	for (int i = 0; i < c->properties->n; i++)
		if (c->properties->property[i].used) {
			snprintf(name, sizeof(name), "  %s", c->properties->property[i].name);
			put_row(name, &m->property[i]);
		}
	for (int i = 0; i < QC_BUCKETS; i++)
		if (m->bucket[i].decisions) {
			bucket_name(name, sizeof(name), i);
			put_row(name, &m->bucket[i]);
		}
	if (all->triggered)
		printf("\nof %ld triggered decisions %ld are proven on all of their regions, %ld refuted somewhere; "
		       "%ld counterexamples found\n",
			all->triggered, all->full, all->caught, counterexamples);
	printf("of %ld decisions %ld install the smallest window\n", all->decisions, all->floor);
}

static void set_real(json_t *o, const char *key, double x)
{
	json_object_set_new(o, key, isfinite(x) ? json_real(x) : json_null());
}

static json_t *total_json(const struct qc_total *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "decisions", json_integer(t->decisions));
	json_object_set_new(o, "triggered", json_integer(t->triggered));
	set_real(o, "proven", t->proven);
	set_real(o, "refuted", t->refuted);
	set_real(o, "exact", exact_of(t));
	set_real(o, "qc", t->qc);
	set_real(o, "qc_nothing", t->nothing);
	set_real(o, "qc_hold", t->hold);
	set_real(o, "ceiling", t->ceiling);
	json_object_set_new(o, "fully_proven", json_integer(t->full));
	json_object_set_new(o, "refuted_somewhere", json_integer(t->caught));
	json_object_set_new(o, "at_floor", json_integer(t->floor));
	return o;
}

static void show_json(const struct certify *c, const struct qc_model *m, long counterexamples)
{
	json_t *properties = json_object(), *windows = json_object(), *o;
	char name[80];

	for (int i = 0; i < c->properties->n; i++)
		if (c->properties->property[i].used) {
			json_t *p = total_json(&m->property[i]);

			set_real(p, "y_width", m->property[i].y_width);
			set_real(p, "slack", m->property[i].slack);
			json_object_set_new(properties, c->properties->property[i].name, p);
		}
	for (int i = 0; i < QC_BUCKETS; i++) {
		snprintf(name, sizeof(name), "%u", qc_bucket_from[i]);
		json_object_set_new(windows, name, total_json(&m->bucket[i]));
	}
	o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:I, s:s, s:o, s:o, s:o, s:I, s:s, s:s*}", "canopy",
		CANOPY_VERSION, "model", c->model_path, "sha256", c->model->sha256, "properties",
		c->properties->path, "set", property_name(c->properties, c->properties->main), "engine",
		kinds[c->conf.engine], "slices", c->conf.slices, "budget", (json_int_t)c->conf.budget, "decisions_of",
		c->source, "all", total_json(&m->all), "property", properties, "window_from", windows,
		"counterexamples", (json_int_t)counterexamples, "policy", c->shield ? "shielded" : "bare", "shield",
		c->shield ? c->shield->file->path : NULL);
	json_dumpf(o, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(o);
}

void certify_show(const struct certify *c, const struct qc_model *m, long counterexamples)
{
	if (opts_flag(c->opts, "json"))
		show_json(c, m, counterexamples);
	else
		show_text(c, m, counterexamples);
}
