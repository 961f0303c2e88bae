/* Where the decisions come from that canopy certify judges. */
#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/certify.h"
#include "eval/eval.h"

/* The reference decisions: CUBIC flows with a slow drift over many set-ups. */
static const struct {
	const char *name, *spec;
} setups[] = {
	{"reference", "traces = wired6, wired12, wired24, wired48, wired96, wired192\n"
		      "delays = 2, 10, 25, 50, 100, 200\nbuffers = 0.5, 2, 5\nduration = 20\nseed = 1\n"},
	{"deep", "traces = wired6, wired12, wired24, wired48, wired96, wired192\n"
		 "delays = 2, 10, 25, 50, 100, 200\nbuffers = 5\nduration = 20\nseed = 1\n"},
	{"shallow", "traces = wired6, wired12, wired24, wired48, wired96, wired192\n"
		    "delays = 2, 10, 25, 50, 100, 200\nbuffers = 0.5\nduration = 20\nseed = 1\n"},
	{"cellular", "traces = cellular:1, cellular:2, cellular:3\n"
		     "delays = 10, 25, 50\nbuffers = 0.5, 2, 5\nduration = 20\nseed = 1\n"},
};
#define NSETUPS ((int)(sizeof(setups) / sizeof(setups[0])))

static const struct opt eval_opts[] = {PLAN_OPTS, {.kind = OPT_END}};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

// The options of a simulated set of flows; by default the model's own with a drifting action.
static int read_setups(struct opts *o, const struct certify *c)
{
	const char *name = opts_text(c->opts, "setups"), *names[NSETUPS], *near;
	char *drift = file_path("%s@drift", c->model_path);
	int err = -ENOENT;

	for (int i = 0; i < NSETUPS; i++) {
		names[i] = setups[i].name;
		if (!strcmp(name, names[i])) {
			char *text = file_path("%s", setups[i].spec);

			err = opts_load_text(o, text, strlen(text), name);
			free(text);
		}
	}
	if (err == -ENOENT && !access(name, F_OK))
		err = opts_load(o, name);
	if (err == -ENOENT) {
		near = opts_nearest(name, names, NSETUPS);
		pr_err("--setups: there are no set-ups '%s' and no such spec file%s%s%s; known: reference, deep, "
		       "shallow, cellular\n",
			name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
	if (!err && !opts_given(o, "controllers"))
		err = opts_set(o, "controllers", drift, 2, "--setups");
	free(drift);
	return err;
}

// Simulates and records in a folder of its own, which goes again.
static int simulate(struct certify *c)
{
	char dir[] = "/tmp/canopy-decisions.XXXXXX";
	struct eval_conf conf = {.dir = dir, .threads = c->threads, .decisions = true};
	struct plan plan;
	struct opts o;
	int err;

	opts_init(&o, eval_opts);
	err = read_setups(&o, c);
	if (!err)
		err = plan_init(&plan, &o);
	if (!err) {
		conf.spec = json_object();
		if (!mkdtemp(dir)) {
			err = -errno;
			pr_err("%s: %s\n", dir, strerror(-err));
		} else {
			err = eval_run(&plan, &conf);
			if (!err)
				err = recorded_load(&c->recorded, dir);
			nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
		}
		json_decref(conf.spec);
		plan_free(&plan);
	}
	opts_free(&o);
	return err;
}

// Decision i of the recording, with those of its flow that a set looks back on before it, as many as there are.
static void take(struct certify *c, long i, int before)
{
	const struct cert_decision *at = &c->recorded->decisions[i];

	before = at->nth < before ? at->nth : before;
	for (int nth = 0; nth <= before; nth++) {
		c->from[c->n] = i - before + nth;
		c->decisions[c->n] = at[nth - before];
		c->decisions[c->n++].nth = nth;
	}
}

static bool chosen(const struct recorded *r, long i, long stride)
{
	return r->decisions[i].nth % stride == stride - 1;
}

// As few decisions between two of a flow as give half of those wanted at least: flows may be short.
static long stride_for(const struct recorded *r, long want)
{
	long stride = (r->n + want - 1) / want, n = 0;

	for (;; stride -= (stride + 7) / 8, n = 0) {
		for (long i = 0; i < r->n; i++)
			n += chosen(r, i, stride);
		if (stride <= 1 || 2 * n >= want)
			return stride;
	}
}

// About --decisions of what was recorded, the same of each flow wherever it stands in the recording; the
// published code looks at flows as a whole.
static int choose(struct certify *c)
{
	long want = opts_int(c->opts, "decisions"), all = c->recorded->n;
	int before = c->properties->history - 1;
	bool whole = want == 0 || want * (before + 1) >= all ||
		     !strcmp(opts_text(c->opts, "semantics"), "published");
	long stride = whole ? 1 : stride_for(c->recorded, want);

	c->decisions = calloc(all, sizeof(*c->decisions));
	c->from = calloc(all, sizeof(*c->from));
	if (!c->decisions || !c->from)
		return -ENOMEM;
	for (long i = 0; i < all; i++)
		if (chosen(c->recorded, i, stride))
			take(c, i, whole ? 0 : before);
	for (long i = 0; whole && i < all; i++)
		c->decisions[i].nth = c->recorded->decisions[i].nth;
	return 0;
}

// The one decision that the options spell out.
static int from_options(struct certify *c)
{
	const struct opts *o = c->opts;
	double *x, *changes;
	int nin = opts_reals(o, "state", &x), nchanges = opts_reals(o, "changes", &changes), err = 0;
	struct cert_decision *d = calloc(1, sizeof(*d));
	int64_t *whole = calloc(nchanges + 1, sizeof(*whole));

	c->decisions = d;
	c->from = calloc(1, sizeof(*c->from));
	c->n = 1;
	if (!d || !whole || !c->from) {
		err = -ENOMEM;
	} else if (nin != c->actor->layer[0].in) {
		pr_err("--state: %d numbers, the model's states have %d\n", nin, c->actor->layer[0].in);
		err = -EINVAL;
	} else if (!opts_given(o, "cwnd")) {
		pr_err("--state needs --cwnd, the window that the decision is based on\n");
		err = -EINVAL;
	}
	for (int i = 0; i < nchanges; i++)
		whole[i] = changes[i];
	if (!err)
		*d = (struct cert_decision){.x = x, .nin = nin, .w = opts_int(o, "cwnd"),
			.p = opts_int(o, "prev"), .nchanges = nchanges, .changes = whole};
	if (nchanges)
		free(changes);
	if (err) {
		free(whole);
		free(x);
	}
	return err;
}

int certify_decisions(struct certify *c, const char *path)
{
	int err;

	if (opts_given(c->opts, "state")) {
		c->source = file_path("the command line");
		return from_options(c);
	}
	c->source = path ? file_path("%s", path) : file_path("set-ups %s", opts_text(c->opts, "setups"));
	err = path ? recorded_load(&c->recorded, path) : simulate(c);
	if (!err && c->recorded->nin != c->actor->layer[0].in) {
		pr_err("%s: states of %d numbers, the model's have %d\n", c->source, c->recorded->nin,
			c->actor->layer[0].in);
		err = -EINVAL;
	}
	return err ? err : choose(c);
}

void certify_free_decisions(struct certify *c)
{
	if (!c->recorded && c->decisions) {
		free((void *)c->decisions->x);
		free((void *)c->decisions->changes);
	}
	recorded_free(c->recorded);
	free(c->decisions);
	free(c->from);
	free(c->source);
}

char *certify_source(const struct certify *c, long i)
{
	for (int f = 0; c->recorded && f < c->recorded->nfiles; f++) {
		const struct recorded_file *file = &c->recorded->files[f];

		if (c->from[i] - file->first < file->n)
			return file_path("%s on %s, run %s, decision %ld", file->controller, file->trace,
				file->run, c->from[i] - file->first + 1);
	}
	return file_path("%s", c->source);
}
