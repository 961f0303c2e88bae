/* What goes wrong with canopy train, as its user meets it: specs that make no sense, numbers that
 * are not finite, full disks, signals. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "model/safetensors.h"
#include "train_fixture.h"

// Each has a value somewhere in a certified run.
static void every_curve_is_there(void **state)
{
	static const char *const names[] = {"reward/raw", "reward/trained", "reward/qc",
		"reward/triggered", "qc/grow", "triggered/shrink", "action/mean", "action/abs",
		"action/floor", "critic/loss1", "critic/loss2", "critic/q", "critic/target",
		"actor/q", "actor/action_abs", "actor/extra_loss", "speed/transitions",
		"speed/updates", "time/environments", "time/inference", "time/certificates",
		"time/updates", "time/held_out", "time/checkpoints", "held_out/score",
		"held_out/best", "held_out/raw", "held_out/qc", "held_out/reference_qc",
		"held_out/floor", "reference/grow", "held_out_qc/shrink"};

	need_program();
	need_whole();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *cmd = file_path("grep -q '\"%s\":[-0-9]' whole.run/metrics.jsonl", names[i]);

		if (system(cmd))
			fail_msg("no value of %s", names[i]);
		free(cmd);
	}
}

/* --- Specs --- */

static void specs_that_make_no_sense(void **state)
{
	static const struct {
		const char *args;
		int status;
		const char *said;
	} rows[] = {
		{"typo.spec -o none.safetensors", 2,
			"typo.spec:2: unknown option 'lamda', did you mean 'lambda'?"},
		{"nosuch.spec -o none.safetensors", 2, "nosuch.spec: No such file"},
		{"-o none.safetensors --bacth 3", 2, "unknown option 'bacth', did you mean 'batch'?"},
		{"--rates 12", 2, "name the model file with --output"},
		{"-o none.safetensors --rates 12 --delays 10 --replay 100 --batch 512", 1,
			"--batch: 512 transitions are more than the 100 of --replay"},
		{"-o none.safetensors --replay 255", 1, "fewer than the 256 environments"},
		{"-o none.safetensors --setups random --envs 0", 2,
			"--envs: '0' is not a whole number"},
		{"-o none.safetensors --setups random --traces wired12", 1,
			"only a grid takes traces"},
		{"-o none.safetensors --hidden 64", 1, "--hidden: wants 2 to"},
		{"-o none.safetensors --hidden 99999,64", 2, "--hidden: '99999' is not a number"},
		{"-o none.safetensors --replay 1000000000", 1, "GB"},
		{"-o none.safetensors --batch 65536 --hidden 4096,4096,4096,4096,4096,4096,4096", 1,
			"GB"},
		{"-o none.safetensors -n 50 --warmup 100", 1, "--warmup: 100 of 50 transitions"},
		{"-o none.safetensors --lambda 0.25", 1, "--lambda: asks for certificates"},
		{"-o none.safetensors --loss-weight 1", 1, "--loss-weight: asks for certificates"},
		{"-o none.safetensors --loss-first 5", 1, "--loss-first: there is no certified loss"},
		{"-o none.safetensors --let x=1", 1, "--let: there are no properties"},
		{"-o none.safetensors -p deep-bufer --lambda 0.25", 1, "deep-buffer"},
		{"-o none.safetensors -p deep-buffer --loss-weight 1 --batch 64", 1,
			"--loss-decisions: 128 of a batch of 64"},
		{"-o none.safetensors --init nosuch.safetensors", 1,
			"nosuch.safetensors: No such file"},
		{"-o none.safetensors --init ''", 2, "--init: an empty name"},
		{"-o none.safetensors ''", 2, "argument 1 is empty"},
		{"-o none.safetensors --episode 1", 1, "--episode: a transition takes 2 decisions"},
		{"-o none.safetensors -p ''", 1, "'': there are no such properties"},
		{"-o none.safetensors --envs 9", 1, "--envs: a grid is all combinations of its lists"},
		{"-o none.safetensors --trace-share 0.5", 1, "--trace-share: a grid is"},
		{"-o none.safetensors --init m.safetensors --start hold --features windowed --no-batch-norm", 1,
			"--start: hold is one first policy, and the model of --init another"},
	};
	static const char typo[] = "batch = 64\nlamda = 0\n";

	need_program();
	assert_int_equal(file_write("typo.spec", typo, sizeof(typo) - 1), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse(rows[i].args, rows[i].status, rows[i].said);
	assert_int_equal(access("none.safetensors", F_OK), -1);
	assert_int_equal(access("none.run", F_OK), -1);
}

/* --- Where to --- */

static void places_that_cannot_be_written(void **state)
{
	need_program();
	refuse(SMALL SIZES "-o nosuch/m.safetensors --dir x.run", 1,
		"--output: nosuch/m.safetensors: No such file or directory");
	refuse(SMALL SIZES "-o . --dir x.run", 1, "--output: .: Is a directory");
	assert_int_equal(access("x.run", F_OK), -1); // before anything was begun
	assert_int_equal(file_write("file", "", 0), 0);
	refuse(SMALL SIZES "-o m.safetensors --dir file", 1, "file: Not a directory");
	refuse(SMALL SIZES "-o m.safetensors --dir file/x.run", 1, "file/x.run: Not a directory");
}

// As a user who may not write there.
static void folders_of_others(void **state)
{
	pid_t child;
	int status;

	need_program();
	if (geteuid()) {
		print_message("skip: needs root to become another user\n");
		skip();
	}
	assert_int_equal(file_mkdirs("closed"), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	child = fork();
	if (!child) {
		if (setgid(65534) || setuid(65534) || access(getenv("CANOPY"), X_OK))
			_exit(77);
		unlink("said");
		_exit(train(SMALL SIZES "-o mine.safetensors --dir closed"));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 77) {
		print_message("skip: another user cannot run %s\n", getenv("CANOPY"));
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_said("as nobody", "closed/");
	assert_said("as nobody", "Permission denied");
	unlink("said");
}

/* --- Numbers --- */

#define ABSURD                                                                                     \
	SMALL "--hidden 256,256,256,256,256,256,256 --actor-rate 1 --critic-rate 1 "               \
	      "--no-batch-norm "                                                                   \
	      "--gamma 1 --tau 1 --loss-weight 0 -u 2000 "

static void numbers_that_are_not_finite(void **state)
{
	struct st_file *f;

	need_program();
	refuse(ABSURD "-o nan.safetensors", 1, "is not finite");
	assert_said("", "canopy: update ");
	assert_said("", "stopped at transition ");
	refuse(ABSURD "-o nan.safetensors --checkpoint-every 300 --restart", 1, "is not finite");
	assert_said("", "the last checkpoint stays");
	assert_int_equal(st_read(&f, "nan.run/checkpoint.safetensors"), 0);
	for (int i = 0; i < f->n; i++)
		for (uint64_t k = 0; f->tensors[i].dtype == ST_F32 && k < st_items(&f->tensors[i]);
			k++)
			assert_true(isfinite(((const float *)f->tensors[i].data)[k]) ||
				    strstr(f->tensors[i].name, "replay"));
	st_free(f);
	assert_int_equal(access("nan.safetensors", F_OK), -1);
}

/* --- Disks --- */

// In a namespace of its own, in which full.run is so large.
static void on_small_disk(void)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("none", "full.run", "tmpfs", 0, "size=300k"))
		_exit(77);
	if (train(SMALL SIZES "-o m.safetensors --dir full.run") != 1 ||
		system("grep -q 'full.run/.*: No space left on device' said") ||
		system("grep -q 'stopped at transition .*: the same command goes on from the last "
		       "checkpoint' said") ||
		access("full.run/checkpoint.safetensors", F_OK))
		_exit(1);
	if (system("cat /dev/zero >full.run/rest 2>/dev/null; "
		   "! $CANOPY certify whole.run/best.safetensors -q -n 200 -o full.run/c.cert >/dev/null 2>said && "
		   "grep -q 'full.run/c.cert.*: No space left on device' said && rm full.run/rest"))
		_exit(3);
	if (mount("none", "full.run", "tmpfs", MS_REMOUNT, "size=30m") ||
		train(SMALL SIZES "-o m.safetensors --dir full.run") ||
		system("grep -q 'going on from transition' said") ||
		system("cp -r full.run room.run"))
		_exit(2);
	_exit(0);
}

static void full_disks(void **state)
{
	pid_t child;
	int status;

	need_program();
	need_whole();
	assert_int_equal(file_mkdirs("full.run"), 0);
	child = fork();
	if (!child)
		on_small_disk();
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WEXITSTATUS(status) == 77) {
		print_message("skip: needs root to mount a small disk\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_as_whole("room.run");
}

/* --- Signals --- */

// Trains in a process that gets the signal after so many microseconds; whether it came to its end.
static bool disturbed(unsigned us, int sig)
{
	pid_t child = fork();
	int status;

	if (!child) {
		char *cmd = file_path("exec %s train -q " SMALL SIZES
				      "-o killed/m.safetensors --dir killed.run",
			getenv("CANOPY"));

		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	usleep(us);
	kill(child, sig);
	assert_true(waitpid(child, &status, 0) == child);
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return true;
	if (sig == SIGKILL)
		assert_true(WIFSIGNALED(status));
	return false;
}

static void signals_at_any_moment(void **state)
{
	unsigned us = 20000;
	struct rng rng;
	int times = 0;

	need_program();
	need_whole();
	assert_int_equal(file_mkdirs("killed"), 0);
	rng_init(&rng, (uint64_t)getpid(), 0); // anywhere at all
	while (!disturbed(us + (unsigned)rng_below(&rng, us), times % 3 ? SIGKILL : SIGINT)) {
		times++;
		us += us / 5; // in the end long enough for the last interval
		assert_true(times < 60);
	}
	print_message("stopped %d times\n", times);
	assert_true(times > 3);
	assert_as_whole("killed.run");
	assert_same_bytes("m.safetensors", "killed/m.safetensors");
}

// One is enough, in the middle of endless updates, too; what is then said holds for the command as it was.
static void stops_that_are_heeded(void **state)
{
	static const char stop[] = "timeout --foreground -s INT -k 20 3 $CANOPY train " SMALL SIZES "%s 2>said";
	char *burst = file_path(stop, "-o burst.safetensors -u 1000000000 --restart"),
	     *anew = file_path(stop, "-o anew.safetensors -n 240000000 -u 12000000 --restart");

	need_program();
	need_whole();
	assert_int_equal(system("cp -r whole.run burst.run"), 0);
	assert_int_equal(WEXITSTATUS(system(burst)), 124); // 137: it had to be killed
	assert_int_equal(access("burst.run/best.safetensors", F_OK), -1); // the old run's
	assert_int_equal(access("burst.run/last.safetensors", F_OK), -1);
	assert_said("-u 1000000000", "there is no checkpoint yet, the same command begins anew");
	assert_int_equal(WEXITSTATUS(system(anew)), 124);
	assert_said("--restart", "the same command without restart goes on from the last checkpoint");
	free(burst);
	free(anew);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_curve_is_there),
		cmocka_unit_test(specs_that_make_no_sense),
		cmocka_unit_test(places_that_cannot_be_written),
		cmocka_unit_test(folders_of_others),
		cmocka_unit_test(numbers_that_are_not_finite),
		cmocka_unit_test(full_disks),
		cmocka_unit_test(stops_that_are_heeded),
		cmocka_unit_test(signals_at_any_moment),
	};

	if (!can_train(argc, argv))
		return 0;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
