/* Certificates of shielded policies through files and the checker: what was proved is believed, an
 * altered shield, leaf or window is not, whatever the digest says. */
#include "slow_shield.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cert/cert_file.h"
#include "cert/shielded.h"
#include "check/check.h"
#include "check/enforce.h"
#include "check_model.h"

static char dir[] = "/tmp/canopy-check-shield-XXXXXX";
static char *path, *model_path;
static struct model *model;
static struct mlp *mlp;
static struct actor *actor;
static struct engine *engine;
static float *scratch;

static int set_up(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	path = file_path("%s/c.json", dir);
	model_path = file_path("%s/m.safetensors", dir);
	model = check_model(2, 2, 5);
	mlp = model_fold(model);
	scratch = malloc(mlp_scratch(mlp) * sizeof(*scratch));
	return model_save(model, model_path) || actor_new(&actor, mlp) ||
	       !(engine = engine_new(actor));
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	free(path);
	free(model_path);
	free(scratch);
	engine_free(engine);
	actor_free(actor);
	mlp_free(mlp);
	model_free(model);
	return err;
}

/* What is altered before a file is written. */
struct alteration {
	const char *name;
	void (*head)(struct cert_head *h);
	bool (*entry)(struct cert_entry *e); // false: there is nothing in it to alter
};

static struct cert_text text_of(const struct property_file *f)
{
	return (struct cert_text){f->path, f->text, (char *)property_name(f, f->main), ""};
}

static void put_parts(struct cert_entry *e, const struct property_file *f,
	const struct shield *shield, const struct cert_decision *d)
{
	const struct engine_ask plain = {.slices = 3, .budget = 20, .witness = true};

	e->parts = calloc(f->n, sizeof(*e->parts));
	for (int i = 0; i < f->n; i++) {
		struct cert_part *to = &e->parts[e->nparts];
		struct engine_ask ask = plain;
		struct engine_answer a;
		struct engine_sink sink;
		struct part part;

		if (!f->property[i].used)
			continue;
		assert_int_equal(part_make(&part, &f->property[i], d), 0);
		if (part.status != PART_TRIGGERED)
			continue;
		to->property = strdup(f->property[i].name);
		to->region = part.region;
		to->lo = part.lo;
		to->hi = part.hi;
		sink = cert_tree_sink(&to->tree, part.region.ndims);
		ask.sink = &sink;
		assert_int_equal(shielded_run(engine, ENGINE_AUTO, shield, d, &part, &ask, &a), 0);
		assert_int_equal(cert_part_claim(to, &a), 0);
		e->nparts++;
	}
}

static struct cert_entry entry_of(
	const struct property_file *f, const struct shield *shield, struct rng *g)
{
	struct shield_decision s;
	struct cert_entry e = {.nstate = STATE_SIZE};

	shield_decide(&s, g, 300);
	for (int i = 0; i < STATE_SIZE; i++)
		e.state[i] = (float)(i % FRAME_FEATURES == FRAME_DELAY
					     ? region_tied(e.state[i - 1])
					     : rng_uniform(g));
	s.d.x = e.state;
	s.d.clean = part_window(actor_run(actor, e.state, scratch), s.d.w);
	if (shield)
		s.d.clean = shield_window(shield, &s.d, s.d.clean);
	e.w = s.d.w;
	e.p = s.d.p;
	e.clean = s.d.clean;
	e.nchanges = s.d.nchanges;
	memcpy(e.changes, s.d.changes, s.d.nchanges * sizeof(*e.changes));
	put_parts(&e, f, shield, &s.d);
	return e;
}

// Writes n random decisions, altered if asked, and checks the file. *altered: it was.
static int write_and_check(const struct property_file *f, const struct shield *shield, int n,
	const struct alteration *alter, bool *altered)
{
	struct cert_head head = {.model_name = (char *)"m", .property = text_of(f)};
	struct check_report report;
	struct cert_writer *w;
	struct rng g;

	if (shield)
		head.shield = text_of(shield->file);
	memcpy(head.model_sha256, model->sha256, HASH_HEX);
	*altered = alter && alter->head;
	if (*altered)
		alter->head(&head);
	assert_int_equal(cert_file_create(&w, path, &head), 0);
	rng_init(&g, 1, 0);
	for (int i = 0; i < n; i++) {
		struct cert_entry e = entry_of(f, shield, &g);
		char *line;

		if (alter && alter->entry && !*altered)
			*altered = alter->entry(&e);
		line = cert_entry_format(&e);
		assert_non_null(line);
		cert_file_add(w, line);
		free(line);
		cert_entry_free(&e);
	}
	assert_int_equal(cert_file_finish(w, true), 0);
	return check_file(path, model_path, &report);
}

// Every shipped set and more, by their own shield and by another.
static void test_believed(void **state)
{
	struct property_file *f, *by;
	struct shield *own, *other;
	bool altered;

	assert_int_equal(property_parse(&by, shield_texts[0], "by", NULL, 0), 0);
	assert_int_equal(shield_new(&other, by), 0);
	for (int i = 0; (f = shield_file(i)); i++) {
		assert_int_equal(shield_new(&own, f), 0);
		assert_int_equal(write_and_check(f, own, 30, NULL, &altered), 0);
		assert_int_equal(write_and_check(f, other, 30, NULL, &altered), 0);
		shield_free(own);
		property_free(f);
	}
	shield_free(other);
	property_free(by);
}

// More cells than a part may have: what is left is undecided, and so are bounds on y.
static void test_too_many_cells(void **state)
{
	const struct engine_ask ask = {.slices = 1};
	struct shield_decision s;
	struct engine_answer a;
	struct property_file *f;
	struct shield *shield;
	struct part part;
	struct rng g;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (int i = 0; i < 24; i++)
		fprintf(out, "property p%d\n over inv_rtt in [0.%02d, 0.%02d], thr in [0.%02d, 0.%02d], loss in "
			     "[0.%02d, 0.%02d]\n then cwnd %s cwnd(report)\n",
			i, 10 + 2 * i, 60 + i, 11 + 2 * i, 62 + i, 12 + 2 * i, 64 + i, i % 2 ? ">" : "<");
	fprintf(out, "property like\n over inv_rtt in [0, 1], thr in [0, 1], loss in [0, 1]\n"
		     " then cwnd / cwnd(clean) in [0.99, 1.01]\n");
	fclose(out);
	assert_int_equal(property_parse(&f, text, "many", NULL, 0), 0);
	assert_int_equal(shield_new(&shield, f), 0);
	rng_init(&g, 3, 0);
	shield_decide(&s, &g, 300);
	s.d.w = s.d.clean = 100;
	assert_int_equal(part_make(&part, &f->property[24], &s.d), 0);
	assert_int_equal(shielded_run(engine, ENGINE_BOX, shield, &s.d, &part, &ask, &a), 0);
	assert_true(!a.complete && a.y_lo == -INFINITY && a.y_hi == INFINITY);
	assert_true(a.proven + a.refuted < 1);
	shield_free(shield);
	property_free(f);
	free(text);
}

/* --- Alterations --- */

static void no_shield(struct cert_head *h)
{
	h->shield.text = NULL;
}

static void weaker_shield(struct cert_head *h)
{
	h->shield.text = (char *)"property p\n then cwnd >= 4\n";
	h->shield.set = (char *)"p";
}

static void part_of_shield(struct cert_head *h)
{
	h->shield.set = (char *)"cap";
}

static bool other_clean(struct cert_entry *e)
{
	e->clean++;
	return true;
}

// Turns the first leaf of a kind into one of another.
static bool turn(struct cert_entry *e, char from, char to)
{
	for (int i = 0; i < e->nparts; i++) {
		struct cert_tree *t = &e->parts[i].tree;
		size_t at = 0;

		for (size_t k = 0; k < t->nodes; k++) {
			if (t->kind[k] != from) {
				at += cert_bounded(t->kind[k]) ? 2 : 0;
				continue;
			}
			if (cert_bounded(from) && !cert_bounded(to)) {
				memmove(t->bounds + at, t->bounds + at + 2,
					(t->nbounds - at - 2) * sizeof(*t->bounds));
				t->nbounds -= 2;
			}
			t->kind[k] = to;
			return true;
		}
	}
	return false;
}

static bool unknown_by_shield(struct cert_entry *e)
{
	return turn(e, CERT_UNKNOWN, CERT_SHIELD_HOLDS);
}

static bool fails_by_shield(struct cert_entry *e)
{
	return turn(e, CERT_FAILS, CERT_SHIELD_HOLDS);
}

static bool holds_by_shield(struct cert_entry *e)
{
	return turn(e, CERT_HOLDS, CERT_SHIELD_FAILS);
}

static bool shield_fails(struct cert_entry *e)
{
	return turn(e, CERT_SHIELD_HOLDS, CERT_SHIELD_FAILS);
}

static bool shield_holds(struct cert_entry *e)
{
	return turn(e, CERT_SHIELD_FAILS, CERT_SHIELD_HOLDS);
}

static bool more_proven(struct cert_entry *e)
{
	for (int i = 0; i < e->nparts; i++)
		if (e->parts[i].proven < 0.9) {
			e->parts[i].proven += 1e-6;
			return true;
		}
	return false;
}

static bool cut_moved(struct cert_entry *e)
{
	for (int i = 0; i < e->nparts; i++) {
		struct cert_tree *t = &e->parts[i].tree;
		const struct region_dim *dim = e->parts[i].region.dim;

		if (t->ndims != 1 || !memmem(t->kind, t->nodes, "as", 2) || t->kind[0] != CERT_AXIS)
			continue;
		t->cuts[1] = dim->lo + 0.97 * (dim->hi - dim->lo);
		return true;
	}
	return false;
}

static const struct alteration alterations[] = {
	{"no shield", no_shield, NULL}, {"weaker shield", weaker_shield, NULL},
	{"part of the shield", part_of_shield, NULL}, {"clean", NULL, other_clean},
	{"unknown by shield", NULL, unknown_by_shield}, {"fails by shield", NULL, fails_by_shield},
	{"holds by shield", NULL, holds_by_shield}, {"shield fails", NULL, shield_fails},
	{"shield holds", NULL, shield_holds}, {"more proven", NULL, more_proven},
	{"cut", NULL, cut_moved},
};
#define ALTERATIONS ((int)(sizeof(alterations) / sizeof(alterations[0])))

// Overlapping and contradicting properties, a relational one beside them.
static const char mixed[] =
	"property grow\n over inv_rtt in [0.4, 1]\n then dcwnd in [0, 25]\n"
	"property shrink\n over inv_rtt in [0, 0.6]\n then dcwnd in [-25, -1]\n"
	"property cap\n over inv_rtt in [0.3, 0.5], loss in [0.25, 1]\n then dcwnd <= -5\n"
	"property like\n over inv_rtt in [0, 1]\n then cwnd / cwnd(clean) in [0.9, 1.1]\n";

static void test_altered(void **state)
{
	struct property_file *f;
	struct shield *shield;
	bool altered;

	assert_int_equal(property_parse(&f, mixed, "mixed", NULL, 0), 0);
	assert_int_equal(shield_new(&shield, f), 0);
	assert_int_equal(write_and_check(f, shield, 60, NULL, &altered), 0);
	log_set_level(-1);
	for (int i = 0; i < ALTERATIONS; i++) {
		int err = write_and_check(f, shield, 60, &alterations[i], &altered);

		if (!altered || err != -EKEYREJECTED)
			fail_msg("%s: %s, %d", alterations[i].name,
				altered ? "believed" : "not altered", err);
	}
	log_set_level(2);
	shield_free(shield);
	property_free(f);
}

static void same_as_judged(struct cert_head *h)
{
	h->shield = h->property;
}

// A bare policy's certificate is none of a shielded one, unless the shield never moves anything.
static void test_bare_is_another_policy(void **state)
{
	const struct alteration idle = {"idle shield", weaker_shield, NULL},
				own = {"shielded", same_as_judged, NULL};
	struct property_file *f;
	bool altered;

	assert_int_equal(property_load(&f, "safety", NULL, 0), 0);
	assert_int_equal(write_and_check(f, NULL, 20, NULL, &altered), 0);
	assert_int_equal(write_and_check(f, NULL, 20, &idle, &altered), 0);
	log_set_level(-1);
	assert_int_equal(write_and_check(f, NULL, 20, &own, &altered), -EKEYREJECTED);
	log_set_level(2);
	property_free(f);
}

static char *slurp(void)
{
	char *text;
	size_t len;

	assert_int_equal(file_read(path, 1 << 28, &text, &len), 0);
	return text;
}

// Writes text with `from`, which is in it once, replaced.
static int check_replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	struct check_report report;
	FILE *f = fopen(path, "wb");

	assert_true(f && at);
	fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	fclose(f);
	return check_file(path, model_path, &report);
}

// The bytes themselves: the member that says which policy, and its shield's digest.
static void test_bytes(void **state)
{
	struct property_file *f;
	struct shield *shield;
	bool altered;
	char *text;

	assert_int_equal(property_load(&f, "safety", NULL, 0), 0);
	assert_int_equal(shield_new(&shield, f), 0);
	assert_int_equal(write_and_check(f, NULL, 5, NULL, &altered), 0);
	text = slurp();
	assert_non_null(strstr(text, "\"version\":1,")); // as before there were shields
	assert_null(strstr(text, "\"policy\""));
	free(text);
	assert_int_equal(write_and_check(f, shield, 5, NULL, &altered), 0);
	text = slurp();
	log_set_level(-1);
	assert_int_not_equal(check_replaced(text, "\"policy\":\"shielded\"", "\"policy\":\"bare\""), 0);
	assert_int_not_equal(check_replaced(text, "\"policy\":\"shielded\",", ""), 0);
	assert_int_not_equal(check_replaced(text, "\"version\":2", "\"version\":1"), 0);
	assert_int_not_equal(check_replaced(text, "\"shield\":{\"file\":\"safety\"", "\"shield\":{\"file\":\"savety\""), 0);
	assert_int_not_equal(check_replaced(text, "\"shield\":{", "\"shield\":{\"more\":1,"), 0);
	assert_int_not_equal(check_replaced(text, "\"tree\":\"s\"", "\"tree\":\"v\""), 0);
	log_set_level(2);
	free(text);
	shield_free(shield);
	property_free(f);
}

// The checker's own shield, at points, is the shield.
static void test_same_windows(void **state)
{
	struct property_file *f;

	for (int i = 0; (f = shield_file(i)); i++) {
		struct shield_decision s;
		struct shield *shield;
		struct enforce e;
		struct rng g;

		rng_init(&g, 2, (uint64_t)i);
		assert_int_equal(shield_new(&shield, f), 0);
		for (int k = 0; k < 3000; k++) {
			uint32_t c;

			shield_decide(&s, &g, k % 10 ? 300 : UINT32_MAX / 3);
			c = action_window(25 + (int)rng_below(&g, 376), s.d.w);
			enforce_begin(&e, f, &s.d);
			assert_int_equal(
				enforce_window(&e, s.x, c), shield_window(shield, &s.d, c));
		}
		shield_free(shield);
		property_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_windows),
		cmocka_unit_test(test_believed),
		cmocka_unit_test(test_too_many_cells),
		cmocka_unit_test(test_altered),
		cmocka_unit_test(test_bare_is_another_policy),
		cmocka_unit_test(test_bytes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
