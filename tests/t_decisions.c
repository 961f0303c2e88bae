/* Files of recorded decisions: what is written is read back, what is absurd is refused, folders are
 * gathered. */
#include <errno.h>
#include <math.h>
#include <sys/stat.h>

#include "base/log.h"
#include "cert/recorded.h"
#include "policy/decision_file.h"
#include "refusal.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define ROWS 6

static char top[] = "/tmp/t_decisions.XXXXXX";
static struct decision_row rows[ROWS];

static char *in_top(const char *name)
{
	return file_path("%s/%s", top, name);
}

// Rows 0, 2, 4 are decisions.
static void fill(void)
{
	memset(rows, 0, sizeof(rows));
	for (int i = 0; i < ROWS; i++) {
		struct decision_row *r = &rows[i];

		*r = (struct decision_row){.t_ns = 20000000ll * i,
			.w = 40 + i,
			.installed = 50 + i,
			.percent = 120,
			.action = 0.1 * i,
			.reward = NAN,
			.open = i % 2 == 0};
		for (int k = 0; k < DECISION_STATE; k++)
			r->state[k] = i + k / 128.0f;
		for (int k = 0; k < DECISION_REPORT; k++)
			r->report[k] = k;
		if (i >= 2) {
			r->p = 48 + i;
			r->ndeltas = i / 2;
			r->deltas[0] = -i;
			r->deltas[1] = i >= 4 ? 3 : 0;
		}
	}
}

static void write_rows(const char *path, int nstate)
{
	const struct st_meta meta[] = {{"model", "abc"}, {"trace", "wired6"}};

	assert_int_equal(decision_file_write(path, rows, ROWS, nstate, meta, 2), 0);
}

static void test_round_trip(void **state)
{
	char *path = in_top("one.safetensors");

	for (int nstate = STATE_SIZE; nstate <= DECISION_STATE; nstate += 4) {
		struct decision_file *f = NULL;

		fill();
		write_rows(path, nstate);
		for (int i = 0; i < ROWS; i++) // what is not written comes back as 0
			memset(rows[i].state + nstate, 0,
				(DECISION_STATE - nstate) * sizeof(float));
		assert_int_equal(decision_file_read(&f, path), 0);
		assert_true(f->n == ROWS && f->nstate == nstate);
		assert_memory_equal(f->rows, rows, sizeof(rows));
		assert_string_equal(st_get(f->st, "trace"), "wired6");
		decision_file_free(f);
	}
	unlink(path);
	free(path);
}

static int read_one(const char *path)
{
	struct decision_file *f = NULL;
	int err = decision_file_read(&f, path);

	assert_true(!err == !!f);
	decision_file_free(f);
	return err;
}

static void refused(const char *said)
{
	char *path = in_top("bad.safetensors");

	write_rows(path, STATE_SIZE);
	check_refusals(read_one, &(struct refusal){path, said}, 1);
	unlink(path);
	free(path);
	fill();
}

static void test_absurd_rows(void **state)
{
	char *path = in_top("fine.safetensors");

	fill();
	rows[1].state[3] = NAN; // of reports alone little is asked
	rows[1].w = -1;
	write_rows(path, STATE_SIZE);
	assert_int_equal(read_one(path), 0);
	unlink(path);
	free(path);
	fill();
	rows[2].state[69] = NAN;
	refused("row 2: state makes no sense");
	rows[2].state[0] = INFINITY;
	refused("row 2: state makes no sense");
	rows[3].open = 2;
	refused("row 3: open makes no sense");
	rows[0].w = 0;
	refused("row 0: w makes no sense");
	rows[0].w = (int64_t)UINT32_MAX + 1;
	refused("row 0: w makes no sense");
	rows[4].p = -1;
	refused("row 4: p makes no sense");
	rows[4].installed = 0;
	refused("row 4: installed makes no sense");
	rows[4].ndeltas = -1;
	refused("row 4: ndeltas makes no sense");
	rows[4].ndeltas = POLICY_CHANGES + 1;
	refused("row 4: ndeltas makes no sense");
	rows[2].p = 0; // there are changes, but from what?
	refused("row 2: ndeltas makes no sense");
	rows[4].deltas[1] = INT64_MIN;
	refused("row 4: deltas makes no sense");
}

// A file that has column `name` otherwise: t instead, or not at all.
static void refused_column(const char *name, const struct st_tensor *t, const char *said)
{
	char *good = in_top("good.safetensors"), *bad = in_top("bad.safetensors");
	struct st_tensor all[32];
	struct st_file *st = NULL;
	int n = 0;

	fill();
	write_rows(good, STATE_SIZE);
	assert_int_equal(st_read(&st, good), 0);
	for (int i = 0; i < st->n; i++) {
		bool here = !strcmp(st->tensors[i].name, name);

		if (!here || t)
			all[n++] = here ? *t : st->tensors[i];
	}
	assert_int_equal(st_write(bad, all, n, st->meta, st->nmeta), 0);
	check_refusals(read_one, &(struct refusal){bad, said}, 1);
	st_free(st);
	unlink(good);
	unlink(bad);
	free(good);
	free(bad);
}

static void test_absurd_columns(void **state)
{
	static const double data[ROWS * 200];
	static const char *const names[] = {"t_ns", "state", "w", "p", "installed", "percent",
		"action", "deltas", "ndeltas", "reward", "report", "open"};
	char said[80];

	for (size_t i = 0; i < LEN(names); i++) {
		snprintf(said, sizeof(said), "there is no column %s", names[i]);
		refused_column(names[i], NULL, said);
		snprintf(said, sizeof(said), "column %s has the wrong type or shape", names[i]);
		refused_column(
			names[i], &(struct st_tensor){names[i], ST_I32, 1, {ROWS}, data}, said);
		if (i)
			refused_column(names[i],
				&(struct st_tensor){
					names[i], ST_F64, 2, {ROWS - 1, STATE_SIZE}, data},
				said);
	}
	refused_column("state",
		&(struct st_tensor){"state", ST_F32, 2, {ROWS, STATE_SIZE - 1}, data},
		"states have 69 numbers, not 70 to 96");
	refused_column("state",
		&(struct st_tensor){"state", ST_F32, 2, {ROWS, DECISION_STATE + 1}, data},
		"states have 97 numbers, not 70 to 96");
	refused_column("deltas", &(struct st_tensor){"deltas", ST_I64, 2, {ROWS, 9}, data},
		"column deltas has the wrong type or shape");
}

static void test_other_files(void **state)
{
	const struct st_meta model[] = {{"format", "canopy-model"}, {"version", "1"}};
	const struct st_meta later[] = {{"format", "canopy-decisions"}, {"version", "2"}};
	char *path = in_top("other.safetensors");

	assert_int_equal(st_write(path, NULL, 0, model, 2), 0);
	check_refusals(read_one, &(struct refusal){path, "not recorded decisions of version 1"}, 1);
	assert_int_equal(st_write(path, NULL, 0, later, 2), 0);
	check_refusals(read_one, &(struct refusal){path, "not recorded decisions of version 1"}, 1);
	assert_int_equal(st_write(path, NULL, 0, NULL, 0), 0);
	check_refusals(read_one, &(struct refusal){path, "not recorded decisions of version 1"}, 1);
	assert_int_equal(file_write(path, "hello", 5), 0);
	check_refusals(read_one, &(struct refusal){path, "other.safetensors"}, 1);
	unlink(path);
	free(path);
}

static int load(const char *path)
{
	struct recorded *r = NULL;
	int err = recorded_load(&r, path);

	recorded_free(r);
	return err;
}

static void check_recorded(const char *path, int nfiles, int nin)
{
	struct recorded *r = NULL;

	assert_int_equal(recorded_load(&r, path), 0);
	assert_int_equal(r->nfiles, nfiles);
	assert_int_equal(r->n, 3 * nfiles);
	for (int i = 0; i < r->n; i++) {
		const struct cert_decision *d = &r->decisions[i];
		const struct decision_row *row = &rows[2 * (i % 3)];

		assert_int_equal(d->nth, i % 3);
		assert_true(d->nin == nin && d->w == row->w && d->p == row->p &&
			    d->nchanges == row->ndeltas);
		for (int k = 0; k < nin; k++)
			assert_true(d->x[k] == row->state[k]);
		for (int k = 0; k < d->nchanges; k++)
			assert_true(d->changes[k] == row->deltas[k]);
	}
	for (int i = 0; i < nfiles; i++) {
		assert_true(r->files[i].first == 3 * i && r->files[i].n == 3);
		assert_string_equal(r->files[i].model, "abc");
		assert_string_equal(r->files[i].run, "");
		assert_true(!i || strcmp(r->files[i - 1].path, r->files[i].path) < 0);
	}
	recorded_free(r);
}

static void test_recorded(void **state)
{
	char *dir = in_top("d"), *inner = in_top("d/decisions"),
	     *one = in_top("d/decisions/b-1.safetensors"),
	     *two = in_top("d/decisions/a-1.safetensors"), *other = in_top("d/decisions/notes.txt");

	assert_int_equal(file_mkdirs(inner), 0);
	fill();
	check_refusals(load, &(struct refusal){dir, "there is no decision in 0 files"}, 1);
	write_rows(one, 74);
	check_recorded(one, 1, 74);
	write_rows(two, 74);
	assert_int_equal(file_write(other, "x", 1), 0);
	check_recorded(dir, 2, 74); // a result folder
	check_recorded(inner, 2, 74);
	write_rows(one, STATE_SIZE);
	check_refusals(load,
		&(struct refusal){dir, "b-1.safetensors: its states have 70 numbers, those of"}, 1);
	for (int i = 0; i < ROWS; i++)
		rows[i].open = 0;
	write_rows(one, STATE_SIZE);
	check_refusals(load, &(struct refusal){one, "there is no decision in 1 files"}, 1);
	check_refusals(load,
		&(struct refusal){"/nonexistent", "/nonexistent: No such file or directory"}, 1);
	unlink(one);
	unlink(two);
	unlink(other);
	rmdir(inner);
	rmdir(dir);
	free(dir);
	free(inner);
	free(one);
	free(two);
	free(other);
}

static int make_top(void **state)
{
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_absurd_rows),
		cmocka_unit_test(test_absurd_columns),
		cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_recorded),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}
