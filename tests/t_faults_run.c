/* A run's folder, as its user meets it: what belongs together, what goes on from what, and what begins anew. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "model/safetensors.h"
#include "train_fixture.h"

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
	refuse(SMALL SIZES "-o used.safetensors", 1, "used.run: the run cannot go on without its best model so far");
	assert_int_equal(unlink("used.run/best.safetensors"), 0);
	refuse(SMALL SIZES "-o used.safetensors", 1, "used.run/best.safetensors: No such file");
	need_whole();
	assert_int_equal(train(SMALL SIZES "-o other.safetensors --seed 2"), 0);
	assert_int_equal(system("cp other.safetensors used.run/best.safetensors"), 0);
	refuse(SMALL SIZES "-o used.safetensors", 1, "used.run/best.safetensors: is of another run");
	assert_same_bytes("used.safetensors", "kept");
}

static int certify_model(const char *model, const char *args)
{
	char *cmd = file_path("%s certify %s -q --json -n 50 %s", getenv("CANOPY"), model, args);
	int status = system(cmd);

	free(cmd);
	return status;
}

// A spec can name the output, too; a model is judged by the properties that it was trained for.
static void specs_are_heeded(void **state)
{
	need_program();
	need_whole();
	assert_int_equal(file_mkdirs("again"), 0);
	assert_int_equal(train("whole.run/run.spec -o again/m.safetensors -j1"), 0); // what a folder says of itself
	assert_same_bytes("again/m.safetensors", "m.safetensors");
	assert_int_equal(system("rm -rf used.run; printf 'output = used.safetensors\\nlet = theta=0.4\\n' >out.spec"), 0);
	assert_int_equal(train("out.spec " SMALL SIZES), 0);
	assert_int_equal(certify_model("used.safetensors", ">own.json"), 0);
	assert_int_equal(certify_model("used.safetensors", "-p deep-buffer --let theta=0.4 >named.json"), 0);
	assert_int_equal(certify_model("used.safetensors", "-p deep-buffer >other.json"), 0);
	assert_same_bytes("own.json", "named.json");
	assert_int_not_equal(system("cmp -s own.json other.json"), 0);
	assert_int_equal(system("printf 'property p\\n over inv_rtt in [0.5, 1]\\n then cwnd >= 1\\n' >my.txt"), 0);
	assert_int_equal(train(SMALL SIZES "-o mine.safetensors -p my.txt"), 0);
	assert_int_equal(system("sed -i 's/0.5/0.4/' my.txt"), 0);
	refuse(SMALL SIZES "-o mine.safetensors -p my.txt", 1, "# properties, sha256 = ");
	refuse(SMALL SIZES "-o my.txt --dir new.run -p my.txt", 1, "--output: my.txt is no model, and not overwritten");
	assert_int_equal(certify_model("mine.safetensors", "-p deep-buffer -o mine.safetensors 2>said") >> 8, 1);
	assert_said("certify", "--output: mine.safetensors is what is certified");
	assert_int_equal(unlink("my.txt"), 0);
	assert_int_not_equal(certify_model("mine.safetensors", "2>said"), 0);
	assert_said("certify", "my.txt: No such file");
	assert_said("certify", "that is what mine.safetensors was trained for; --properties names others");
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

#define NAMED SMALL SIZES "-o named.safetensors --traces ./t.trace --init i.safetensors "

// A spec names files, and a run goes on only with what was in them when it began.
static void files_that_change(void **state)
{
	static const char at[] = "named.run/checkpoint.safetensors belongs to another spec: ";
	char *want;

	need_program();
	need_whole();
	assert_int_equal(system("seq 1000 >t.trace && cp m.safetensors i.safetensors"), 0);
	assert_int_equal(train(NAMED), 0);
	assert_int_equal(train(NAMED), 0); // goes on from its end
	assert_said(NAMED, "going on from");
	assert_int_equal(system("test $(ls named.run/events.out.tfevents.* | wc -l) = 1"), 0);
	assert_int_equal(rename("t.trace", "u.trace"), 0);
	refuse(NAMED, 1, "./t.trace: No such file");
	assert_int_equal(system("seq 1001 >t.trace"), 0);
	want = file_path("%sthere '# ./t.trace, sha256 = ", at);
	refuse(NAMED, 1, want);
	free(want);
	assert_int_equal(system("seq 1000 >t.trace && cp whole.run/best.safetensors i.safetensors"), 0);
	assert_int_equal(train(NAMED), 0); // the same model in another file
	assert_int_equal(train(SMALL SIZES "-o i.safetensors --dir i.run --seed 2"), 0);
	want = file_path("%sthere '# i.safetensors, sha256 = ", at);
	refuse(NAMED, 1, want);
	free(want);
	want = file_path("%sthere 'init = i.safetensors', here no such line", at);
	refuse(SMALL SIZES "-o named.safetensors --traces ./t.trace", 1, want);
	free(want);
}

static void nothing_is_overwritten(void **state)
{
	need_program();
	need_whole();
	assert_int_equal(system("cp m.safetensors start.safetensors && ln -f start.safetensors link.safetensors"), 0);
	refuse(SMALL SIZES "-o start.safetensors --init link.safetensors", 1, "--init: this run would write over link");
	refuse(SMALL SIZES "-o n.safetensors --dir whole.run --init whole.run/last.safetensors", 1,
		"--init: this run would write over whole.run/last.safetensors");
	refuse(SMALL SIZES "-o whole.run/best.safetensors --dir whole.run", 1, "is a file of the run's own");
	refuse(SMALL SIZES "-o whole.run/metrics.jsonl --dir whole.run", 1, "is no model, and not overwritten");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	refuse(SMALL SIZES "-o fifo", 1, "--output: fifo: not a regular file");
	assert_int_equal(system("mkdir board && echo theirs >board/events.out.tfevents.1.host"), 0);
	refuse(SMALL SIZES "-o n.safetensors --dir board --restart", 1,
		"board: has events.out.tfevents.1.host, but not of a run of canopy train");
	assert_int_equal(system("grep -q theirs board/events.out.tfevents.1.host"), 0);
	assert_int_equal(system("mkdir own && echo 'batch = 50' >own/run.spec"), 0);
	refuse("own/run.spec " SMALL SIZES "-o n.safetensors --dir own", 1, "own: has run.spec, but not of a run");
	assert_int_equal(system("grep -q '^batch = 50' own/run.spec"), 0);
	assert_int_equal(system("printf 'property p\\n over inv_rtt in [0.5, 1]\\n then cwnd >= 1\\n' >shield.txt"), 0);
	assert_int_equal(certify_model("m.safetensors",
		"-p deep-buffer --shield-properties shield.txt -o shield.txt 2>said") >> 8, 1);
	assert_said("certify", "--output: shield.txt is what is certified");
}

static void begun_in_vain(void **state)
{
	need_program();
	need_whole();
	assert_int_equal(system("echo nonsense >bad.trace"), 0);
	refuse(SMALL SIZES "-o vain.safetensors --traces bad.trace", 1, "bad.trace:1: ");
	refuse(SMALL SIZES "-o vain.safetensors --traces cellular:1:0", 1, "cellular:1:0");
	refuse(SMALL SIZES "-o vain.safetensors --init said", 1, "said: ");
	assert_int_equal(access("vain.run", F_OK), -1);
	assert_int_equal(file_mkdirs("mine.run"), 0);
	refuse(SMALL SIZES "-o vain.safetensors --dir mine.run --init said", 1, "said: ");
	assert_int_equal(access("mine.run", F_OK), 0); // the user's own
}

static void events_of_one_run(void **state)
{
	need_program();
	need_whole();
	assert_int_equal(system("rm -rf anew.run && cp -r whole.run anew.run"), 0);
	assert_int_equal(train(SMALL SIZES "-o anew.safetensors --dir anew.run --restart"), 0);
	assert_int_equal(system("test $(ls anew.run/events.out.tfevents.* | wc -l) = 1"), 0);
}

// Runs that may be meant, and say what they do not do.
static void runs_that_teach_nothing(void **state)
{
	static const char never[] = "property late\n over inv_rtt in [0.5, 1]\n given cwnd(clean) > 1000000000\n then cwnd >= 1\n";

	need_program();
	assert_int_equal(train(SMALL SIZES "-o t.safetensors -u 0"), 0);
	assert_said("-u 0", "warning: --updates: none: ");
	assert_int_equal(train(SMALL SIZES "-o t.safetensors --dir a.run --critics-first 120"), 0);
	assert_said("--critics-first", "warning: --critics-first: all of the 120 updates");
	assert_int_equal(train(SMALL SIZES "-o t.safetensors --dir b.run --critics-first 20 --loss-first 100"), 0);
	assert_said("--loss-first", "warning: --loss-first: all updates of the policy");
	assert_int_equal(file_write("late.txt", never, sizeof(never) - 1), 0);
	assert_int_equal(train(SMALL SIZES "-o t.safetensors --dir c.run -p late.txt"), 0);
	assert_said("-p late.txt", "warning: property late triggers on none of the held-out reference decisions");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_run_a_folder),
		cmocka_unit_test(specs_are_heeded),
		cmocka_unit_test(checkpoints_of_others),
		cmocka_unit_test(damaged_checkpoints),
		cmocka_unit_test(models_to_start_from),
		cmocka_unit_test(files_that_change),
		cmocka_unit_test(nothing_is_overwritten),
		cmocka_unit_test(begun_in_vain),
		cmocka_unit_test(events_of_one_run),
		cmocka_unit_test(runs_that_teach_nothing),
	};

	if (!can_train(argc, argv))
		return 0;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
