/* What goes wrong with canopy train, as its user meets it: specs that make no sense, checkpoints
 * and models that do not fit, numbers that are not finite, full disks, signals. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "model/safetensors.h"
#include "nn/blas.h"

static char dir[] = "/tmp/canopy-faults-XXXXXX";

// A run of about a second: 4 environments, certified, 4 segments.
#define SMALL                                                                                      \
	"--rates 12,24 --delays 10,20 --emulator ideal --features extended --batch 50 -n 2400 -u " \
	"120 --warmup 400 --replay 1500 --checkpoint-every 600 --eval-every 600 --log-every 200 "  \
	"--eval-decisions 10 --eval-rates 18 --eval-traces cellular:3 --eval-delays 15 "           \
	"-p deep-buffer --lambda 0.25 --loss-weight 1,3 --loss-decisions 20 -j2 "
#define SIZES "--hidden 16,12 "

static int set_up(void **state)
{
	char *old;

	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		return 0;
	}
	old = realpath(getenv("CANOPY"), NULL);
	setenv("CANOPY", old, 1);
	free(old);
	log_set_level(-1);
	return mkdtemp(dir) && !chdir(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = getenv("CANOPY") ? system(cmd) : 0;

	free(cmd);
	return err;
}

static void need_program(void)
{
	if (!getenv("CANOPY"))
		skip();
}

static char *text_of(const char *path)
{
	char *text;
	size_t len;

	assert_int_equal(file_read(path, 1 << 28, &text, &len), 0);
	return text;
}

// Exit status of `canopy train ARGS`; what it said on stderr is in the file said.
static int train(const char *args)
{
	char *cmd = file_path("%s train %s >/dev/null 2>said", getenv("CANOPY"), args);
	int status = system(cmd);

	free(cmd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_said(const char *args, const char *want)
{
	char *said = text_of("said");

	if (!strstr(said, want))
		fail_msg("train %s said '%s', not '%s'", args, said, want);
	free(said);
}

static void refuse(const char *args, int status, const char *want)
{
	if (train(args) != status)
		fail_msg("train %s did not exit with %d", args, status);
	assert_said(args, want);
}

static void assert_same_bytes(const char *a, const char *b)
{
	char *cmd = file_path("cmp %s %s", a, b);

	assert_int_equal(system(cmd), 0);
	free(cmd);
}

// An undisturbed run, made once: what all others must come to.
static void need_whole(void)
{
	if (access("whole.run/last.safetensors", F_OK))
		assert_int_equal(train(SMALL SIZES "-o m.safetensors --dir whole.run"), 0);
}

// The same curves but for the time it took.
static void assert_same_metrics(const char *run)
{
	static const char untimed[] =
		"sed -E 's/\"(wall_s|speed[^\"]*|time[^\"]*)\":[^,}]*,?//g' %s/metrics.jsonl >%s";
	char *ours = file_path(untimed, run, "ours.jsonl"),
	     *whole = file_path(untimed, "whole.run", "whole.jsonl");

	assert_int_equal(system(ours), 0);
	assert_int_equal(system(whole), 0);
	assert_same_bytes("ours.jsonl", "whole.jsonl");
	free(ours);
	free(whole);
}

static void assert_as_whole(const char *run)
{
	static const char *const files[] = {"best.safetensors", "last.safetensors",
		"checkpoint.safetensors", "checkpoint.previous.safetensors"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *a = file_path("whole.run/%s", files[i]),
		     *b = file_path("%s/%s", run, files[i]);

		assert_same_bytes(a, b);
		free(a);
		free(b);
	}
	assert_same_metrics(run);
}

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
	};
	static const char typo[] = "batch = 64\nlamda = 0\n";

	need_program();
	assert_int_equal(file_write("typo.spec", typo, sizeof(typo) - 1), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		refuse(rows[i].args, rows[i].status, rows[i].said);
	assert_int_equal(access("none.safetensors", F_OK), -1);
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

/* --- Checkpoints and models --- */

// What belongs together: one run a folder, and the best model that it wrote.
static void one_run_a_folder(void **state)
{
	int fd;

	need_program();
	assert_int_equal(file_mkdirs("used.run"), 0);
	fd = open("used.run", O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	refuse(SMALL SIZES "-o used.safetensors", 1, "used.run: another run is at work in this folder");
	close(fd);
	assert_int_equal(train(SMALL SIZES "-o used.safetensors"), 0);
	assert_int_equal(system("cp used.safetensors kept"), 0);
	assert_int_equal(truncate("used.run/best.safetensors", 100), 0);
	refuse(SMALL SIZES "-o used.safetensors", 1, "used.safetensors is not written; the last policy is used.run/last");
	assert_same_bytes("used.safetensors", "kept");
}

static int certify(const char *args)
{
	char *cmd = file_path("%s certify used.safetensors -q --json -n 50 %s", getenv("CANOPY"), args);
	int status = system(cmd);

	free(cmd);
	return status;
}

// A spec can name the output, too; a model is judged by the properties that it was trained for.
static void specs_are_heeded(void **state)
{
	need_program();
	assert_int_equal(system("rm -rf used.run; printf 'output = used.safetensors\\nlet = theta=0.4\\n' >out.spec"), 0);
	assert_int_equal(train("out.spec " SMALL SIZES), 0);
	assert_int_equal(certify(">own.json"), 0);
	assert_int_equal(certify("-p deep-buffer --let theta=0.4 >named.json"), 0);
	assert_int_equal(certify("-p deep-buffer >other.json"), 0);
	assert_same_bytes("own.json", "named.json");
	assert_int_not_equal(system("cmp -s own.json other.json"), 0);
	assert_int_equal(system("printf 'property p\\n over inv_rtt in [0.5, 1]\\n then cwnd >= 1\\n' >my.txt"), 0);
	assert_int_equal(train(SMALL SIZES "-o mine.safetensors -p my.txt"), 0);
	assert_int_equal(system("sed -i 's/0.5/0.4/' my.txt"), 0);
	refuse(SMALL SIZES "-o mine.safetensors -p my.txt", 1, "# properties, sha256 ");
}

static void checkpoints_of_others(void **state)
{
	static const char *const keys[] = {"format", "version", "canopy", "spec"};
	struct st_meta meta[4];
	struct st_file *f;
	char *by_other;

	need_program();
	need_whole();
	refuse(SMALL SIZES "-o m.safetensors --dir whole.run --seed 2", 1,
		"whole.run/checkpoint.safetensors belongs to another spec: there 'seed = 1', here "
		"'seed = 2' (--restart begins anew, another --dir leaves it as it is)");
	assert_int_equal(file_mkdirs("later.run"), 0);
	assert_int_equal(st_read(&f, "whole.run/checkpoint.safetensors"), 0);
	for (int i = 0; i < 4; i++)
		meta[i] = (struct st_meta){keys[i], st_get(f, keys[i])};
	meta[1].value = "999";
	assert_int_equal(
		st_write("later.run/checkpoint.safetensors", f->tensors, f->n, meta, 4), 0);
	refuse(SMALL SIZES "-o m.safetensors --dir later.run", 1,
		"later.run/checkpoint.safetensors: version 999, this canopy reads 1 (--restart");
	meta[1].value = st_get(f, keys[1]);
	meta[3].value = by_other = file_path("# simulator 0%s", strchr(meta[3].value, '\n'));
	assert_int_equal(
		st_write("later.run/checkpoint.safetensors", f->tensors, f->n, meta, 4), 0);
	free(by_other);
	st_free(f);
	refuse(SMALL SIZES "-o m.safetensors --dir later.run", 1,
		"belongs to another spec: there '# simulator 0', here '# simulator ");
	assert_int_equal(train(SMALL SIZES "-o m.safetensors --dir later.run --restart"), 0);
	assert_as_whole("later.run");
}

static void cut_file(const char *path, double share)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, (off_t)(share * (double)st.st_size)), 0);
}

static void damaged_checkpoints(void **state)
{
	static const char now[] = "hurt.run/checkpoint.safetensors",
			  before[] = "hurt.run/checkpoint.previous.safetensors";
	static const double shares[] = {0, 0.0001, 0.3, 0.999};
	static const char args[] = SMALL SIZES "-o m.safetensors --dir hurt.run";

	need_program();
	need_whole();
	for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
		assert_int_equal(system("rm -rf hurt.run && cp -r whole.run hurt.run"), 0);
		cut_file(now, shares[i]);
		assert_int_equal(train(args), 0); // the last segment once more
		assert_said(args, now);
		assert_said(args, "warning: hurt.run/checkpoint.safetensors: going on from the "
				  "checkpoint before");
		assert_said(args, "from transition 1800");
		assert_as_whole("hurt.run");
	}
	unlink(now); // killed between two renames, say
	assert_int_equal(train(args), 0);
	assert_as_whole("hurt.run");
	cut_file(now, 0.5);
	cut_file(before, 0.5);
	refuse(args, 1, before);
	assert_int_equal(train(SMALL SIZES "-o m.safetensors --dir hurt.run --restart"), 0);
	assert_as_whole("hurt.run");
}

static void models_to_start_from(void **state)
{
	need_program();
	need_whole();
	refuse(SMALL SIZES "-o i.safetensors --init m.safetensors --features published", 1,
		"--init: m.safetensors sees extended features, the run's are published");
	refuse(SMALL "--hidden 16,13 -o i.safetensors --init m.safetensors", 1,
		"m.safetensors: its actor is 74-16-12-1 with batch norm, the run's 74-16-13-1 "
		"with: "
		"see --hidden and --batch-norm");
	refuse(SMALL "--hidden 16,12,4 -o i.safetensors --init m.safetensors", 1,
		"its actor is 74-16-12-1 with batch norm, the run's 74-16-12-4-1 with");
	refuse(SMALL SIZES "--no-batch-norm -o i.safetensors --init m.safetensors", 1,
		"with batch norm, the run's 74-16-12-1 without");
	refuse(SMALL SIZES "-o i.safetensors --init said", 1, "said: ");
	assert_int_equal(access("i.safetensors", F_OK), -1);
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

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_curve_is_there),
		cmocka_unit_test(specs_that_make_no_sense),
		cmocka_unit_test(places_that_cannot_be_written),
		cmocka_unit_test(folders_of_others),
		cmocka_unit_test(one_run_a_folder),
		cmocka_unit_test(specs_are_heeded),
		cmocka_unit_test(checkpoints_of_others),
		cmocka_unit_test(damaged_checkpoints),
		cmocka_unit_test(models_to_start_from),
		cmocka_unit_test(numbers_that_are_not_finite),
		cmocka_unit_test(full_disks),
		cmocka_unit_test(signals_at_any_moment),
	};

	if (blas_load()) {
		print_message("skip: there is no OpenBLAS here\n");
		return 0;
	}
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
