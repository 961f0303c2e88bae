/* Shields in flows: evaluations, environments and training roll-outs install what a shield that
 * tries every window would, whatever the number of threads. */
#include "slow_shield.h"

#include <stdio.h>
#include <errno.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "canopy/env.h"
#include "learn/rollout.h"
#include "plans.h"
#include "policy/decision_file.h"

#define ENVS 5
#define INSTALLED_MOST 4000 // windows up to which every one is tried

static int shell(const char *cmd)
{
	int status;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	status = system(cmd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int begin(void **state)
{
	int err = set_up(state);

	setenv("C", getenv("CANOPY") ? getenv("CANOPY") : "", 1);
	setenv("D", dir, 1);
	setenv("M", model ? model : "", 1);
	return err;
}

/* --- Evaluation --- */

struct tally {
	long decisions, applied, moved, missed; // missed: a target that some window would meet
};

// A row's decision; windows are whole, states are the floats that the network saw.
static void check_row(const struct property_file *f, const struct decision_row *r, struct tally *t)
{
	struct part parts[PROPERTY_MAX];
	double x[STATE_SIZE];
	const struct cert_decision d = {.x = x,
		.nin = STATE_SIZE,
		.w = (uint32_t)r->w,
		.p = (uint32_t)r->p,
		.nchanges = (int)r->ndeltas,
		.changes = r->deltas};
	uint32_t wanted = action_window((int)r->percent, d.w);
	int n, most;

	for (int i = 0; i < STATE_SIZE; i++)
		x[i] = (double)r->state[i];
	t->decisions++;
	assert_int_equal(r->shield, r->installed != wanted);
	t->moved += r->shield;
	n = slow_parts(parts, f, &d);
	t->applied += n > 0;
	for (int i = 0; i < n; i++) // each of these sets can be met whole, within reach
		t->missed += (r->installed < parts[i].lo || r->installed > parts[i].hi) &&
			     parts[i].lo <= 4 * r->w;
	if (d.w < INSTALLED_MOST)
		assert_int_equal(r->installed, slow_shield(f, &d, wanted, &n, &most));
}

static void check_flow(const char *name, const struct property_file *f, struct tally *t)
{
	struct decision_file *d;

	assert_int_equal(decision_file_read(&d, name), 0);
	for (size_t i = 0; i < d->n; i++)
		if (d->rows[i].open)
			check_row(f, &d->rows[i], t);
	decision_file_free(d);
}

static void check_set(const char *properties, long least)
{
	char *cmd = file_path("\"$C\" eval -q -o $D/%s -c $M@shield -t wired24,sawtooth500_24_12 -b 0.5,3 "
			      "-d 6 --properties %s --decisions --noise 0,0.05 >/dev/null && "
			      "ls $D/%s/decisions/*.safetensors >$D/list",
		properties, properties, properties);
	char *list = file_path("%s/list", dir), name[512];
	struct tally t = {0};
	struct property_file *f;
	FILE *files;

	assert_int_equal(shell(cmd), 0);
	assert_int_equal(property_load(&f, properties, NULL, 0), 0);
	files = fopen(list, "r");
	assert_non_null(files);
	while (fgets(name, sizeof(name), files)) {
		name[strcspn(name, "\n")] = 0;
		check_flow(name, f, &t);
	}
	fclose(files);
	print_message("%s: %ld decisions, a target on %ld, %ld moved\n", properties, t.decisions,
		t.applied, t.moved);
	assert_int_equal(t.missed, 0);
	assert_true(t.applied >= least && t.moved >= least / 3);
	property_free(f);
	free(list);
	free(cmd);
}

// No actual state violates what can be met; the flag of a decision says whether it was moved.
static void test_evaluation(void **state)
{
	check_set("deep-buffer", 100);
	check_set("safety", 300);
	check_set("safety-relative", 300);
	check_set("shallow-buffer", 0); // its states are rare
}

static void test_results(void **state)
{
	assert_int_equal(shell("\"$C\" eval -q -o $D/r -c $M@shield,$M -t wired24 -b 0.5 -d 4 --properties safety "
			       ">$D/out && grep -q 'shield %' $D/out && "
			       "grep -q '\"controller\":\"small@shield\".*\"qc_mean\":1,.*\"shield_pct\":[1-9]' "
			       "$D/r/runs.jsonl && "
			       "grep -q '\"controller\":\"small\",.*\"shield_pct\":null' $D/r/runs.jsonl"),
		0);
	assert_int_equal(shell("\"$C\" report -q $D/r -o $D/r.html >/dev/null && grep -q Shield $D/r.html"), 0);
	// another number of threads: the same bytes
	assert_int_equal(shell("for j in 1 3; do \"$C\" eval -q -j $j -o $D/j$j -c $M@shield -t wired24,wired12 "
			       "-b 1,5 -d 4 --properties deep-buffer --decisions >/dev/null || exit 9; done; "
			       "cmp $D/j1/runs.csv $D/j3/runs.csv && diff -r $D/j1/decisions $D/j3/decisions"),
		0);
	assert_int_equal(shell("\"$C\" eval -q -o $D/none -c $M@shield -t wired24 2>$D/err"), 1);
	assert_int_equal(shell("grep -q '@shield needs --properties' $D/err"), 0);
}

/* --- Environments --- */

static void env_confs(struct canopy_env_conf *c, const char *shield)
{
	for (int i = 0; i < ENVS; i++)
		c[i] = (struct canopy_env_conf){.rate_mbps = 6 * (i + 1),
			.delay_ms = 10 + 5 * i,
			.buffer_bdp = i % 2 ? 0.5 : 4,
			.seed = 5 + (uint64_t)i,
			.steps = i == 2 ? 40 : 0,
			.shield = shield};
}

struct seen {
	float obs[ENVS][CANOPY_ENV_OBS], actions[ENVS], rewards[ENVS];
	uint32_t flags[ENVS], w[ENVS], p[ENVS], installed[ENVS], wanted[ENVS];
	int32_t nchanges[ENVS], percent[ENVS];
	int64_t changes[ENVS][CANOPY_ENV_CHANGES];
};

// What the shield should have made of the action that was answered in state `was`.
static void check_step(const struct property_file *f, const struct seen *was, const struct seen *is,
	int i, long moved[2])
{
	double x[STATE_SIZE];
	int64_t changes[CANOPY_ENV_CHANGES];
	const struct cert_decision d = {.x = x,
		.nin = STATE_SIZE,
		.w = was->w[i],
		.p = was->p[i],
		.nchanges = was->nchanges[i],
		.changes = changes};
	int n, most;

	for (int k = 0; k < STATE_SIZE; k++)
		x[k] = (double)was->obs[i][k];
	for (int k = 0; k < was->nchanges[i]; k++)
		changes[k] = was->changes[i][CANOPY_ENV_CHANGES - 1 - k];
	assert_int_equal(is->wanted[i], action_window(is->percent[i], d.w));
	assert_int_equal(is->installed[i], slow_shield(f, &d, is->wanted[i], &n, &most));
	if (!(is->flags[i] & CANOPY_ENV_RESTARTED)) { // the change is that of what was installed
		assert_int_equal(is->p[i], is->installed[i]);
		assert_true(!d.p || is->changes[i][CANOPY_ENV_CHANGES - 1] ==
					    (int64_t)is->installed[i] - d.p);
	}
	moved[is->installed[i] != is->wanted[i]]++;
}

static void test_environments(void **state)
{
	struct canopy_env_conf confs[ENVS];
	struct seen was, is = {0};
	const struct canopy_env_info info = {.flags = is.flags,
		.w = is.w,
		.p = is.p,
		.nchanges = is.nchanges,
		.changes = is.changes[0],
		.percent = is.percent,
		.installed = is.installed,
		.wanted = is.wanted};
	struct property_file *f;
	struct canopy_env *e;
	long moved[2] = {0};

	env_confs(confs, "deep-buffer");
	assert_int_equal(property_load(&f, "deep-buffer", NULL, 0), 0);
	assert_int_equal(canopy_env_new(&e, confs, sizeof(*confs), ENVS, 2), 0);
	assert_int_equal(canopy_env_reset(e, is.obs[0], &info), 0);
	for (int t = 0; t < 300; t++) {
		was = is;
		for (int i = 0; i < ENVS; i++)
			is.actions[i] = 0.4f * sinf(0.3f * t + i);
		assert_int_equal(
			canopy_env_step(e, is.actions, is.obs[0], is.rewards, &info), 0);
		for (int i = 0; i < ENVS; i++)
			if (!(was.flags[i] & CANOPY_ENV_IDLE))
				check_step(f, &was, &is, i, moved);
	}
	print_message("%ld windows moved, %ld as wanted\n", moved[1], moved[0]);
	assert_true(moved[0] > 100 && moved[1] > 100);
	canopy_env_free(e);
	property_free(f);
	canopy_messages(-1);
	confs[3].shield = "deep-bufer";
	assert_int_equal(canopy_env_new(&e, confs, sizeof(*confs), ENVS, 2), -ENOENT);
	canopy_messages(2);
}

/* --- Training --- */

static const struct opt setup_opts[] = {SETUPS_OPTS, {.kind = OPT_END}};

// Plays steps with or without a shield: all experience as a digest, and what was counted.
static struct rollout_stats play(char hex[HASH_HEX], const struct shield *shield, int threads)
{
	static const int dims[] = {STATE_SIZE, 1};
	struct rollout_conf conf = {.table = &state_published,
		.exploration = 0.2,
		.seed = 3,
		.shield = shield,
		.threads = threads};
	struct setups setups;
	struct rollout_stats stats;
	struct experience e;
	struct rollout *r;
	struct crew *crew;
	struct opts o;
	char all[HASH_HEX] = "";

	opts_init(&o, setup_opts);
	assert_int_equal(opts_set(&o, "rates", "6,24,96", 2, "test"), 0);
	assert_int_equal(opts_set(&o, "delays", "10,40", 2, "test"), 0);
	assert_int_equal(setups_init(&setups, &o, false, 1), 0);
	assert_int_equal(crew_new(&crew, threads), 0);
	conf.setups = &setups;
	conf.crew = crew;
	assert_int_equal(rollout_new(&r, &conf, mlp_new(1, dims, 0.2)), 0);
	assert_int_equal(experience_init(&e, setups.n), 0);
	assert_int_equal(rollout_begin(r, 0, &e), 0);
	for (int t = 0; t < 200; t++) {
		const struct hash_part parts[] = {{all, strlen(all)}, {e.block, e.bytes}};

		assert_int_equal(rollout_step(r, &e), 0);
		for (int i = 0; i < setups.n; i++) // the action is the policy's, before the shield
			assert_true(fabsf(e.step.action[i]) <= 1);
		hash_sha256(hex, parts, 2);
		strcpy(all, hex);
	}
	stats = rollout_tell(r);
	rollout_end(r);
	rollout_free(r);
	experience_free(&e);
	crew_free(crew);
	setups_free(&setups);
	opts_free(&o);
	return stats;
}

static void test_rollouts(void **state)
{
	char hex[3][HASH_HEX];
	struct property_file *f;
	struct shield *shield;
	struct rollout_stats bare, one, three;

	assert_int_equal(property_load(&f, "safety", NULL, 0), 0);
	assert_int_equal(shield_new(&shield, f), 0);
	bare = play(hex[0], NULL, 1);
	one = play(hex[1], shield, 1);
	three = play(hex[2], shield, 3);
	assert_string_equal(hex[1], hex[2]);
	assert_string_not_equal(hex[0], hex[1]);
	print_message("%g of %g windows moved\n", one.moved, one.decisions);
	assert_true(bare.moved == 0 && one.moved > 0);
	assert_true(one.moved == three.moved && one.raw == three.raw);
	shield_free(shield);
	property_free(f);
}

#define TRAIN                                                                                      \
	"\"$C\" train -q --rates 6,24 --delays 10 --transitions 1200 --updates 40 --warmup 400 "      \
	"--hidden 8,8 --batch 32 --eval-every 600 --checkpoint-every 600 --log-every 300 "          \
	"--eval-decisions 40 --eval-rates 9 --eval-traces wired12 --eval-delays 10 "

// The same model for any number of threads; another than without; its file says so.
static void test_training(void **state)
{
	assert_int_equal(shell("for j in 1 2; do mkdir -p $D/t$j; " TRAIN
			       "-p safety --shield -j $j -o $D/t$j/m.safetensors || exit 9; done; "
			       "cmp $D/t1/m.safetensors $D/t2/m.safetensors && "
			       "cmp $D/t1/m.run/checkpoint.safetensors $D/t2/m.run/checkpoint.safetensors"),
		0);
	assert_int_equal(shell("mkdir -p $D/t3; " TRAIN "-p safety -o $D/t3/m.safetensors && "
			       "\"$C\" model show $D/t3/m.safetensors >$D/bare && "
			       "\"$C\" model show $D/t1/m.safetensors >$D/shielded && "
			       "! cmp -s $D/t1/m.run/last.safetensors $D/t3/m.run/last.safetensors"),
		0);
	assert_int_equal(shell("grep -q 'shield = yes' $D/shielded && grep -q '^shield .*Safety' $D/shielded && "
			       "! grep -q shield $D/bare"),
		0);
	assert_int_equal(shell("grep -q '\"action/moved\":0\\.' $D/t1/m.run/metrics.jsonl && "
			       "grep -q '\"held_out/moved\":0,' $D/t3/m.run/metrics.jsonl"),
		0);
	assert_int_equal(shell(TRAIN "--shield -o $D/no.safetensors 2>$D/err"), 1);
	assert_int_equal(shell("grep -q 'shield: name what it is to enforce' $D/err"), 0);
	assert_int_equal(shell("\"$C\" eval -q -o $D/own1 -c $D/t1/m.safetensors -t wired12 -d 1 2>$D/err >/dev/null && "
			       "grep -q 'trained behind a shield' $D/err && "
			       "\"$C\" certify $D/t1/m.safetensors -n 20 -p safety 2>$D/err >/dev/null && "
			       "grep -q 'about the bare policy' $D/err"),
		0);
	// what it was trained behind is what its shield enforces
	assert_int_equal(shell("\"$C\" eval -q -o $D/own -c $D/t1/m.safetensors@shield -t wired12 -d 3 >/dev/null && "
			       "grep -q \"the model's properties\" $D/own/runs.jsonl"),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_evaluation),
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_environments),
		cmocka_unit_test(test_rollouts),
		cmocka_unit_test(test_training),
	};

	return cmocka_run_group_tests(tests, begin, tear_down);
}
