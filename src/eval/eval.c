/* Plans what is missing, runs it on worker threads, hands records on in order. */
#include "eval/eval.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/work.h"
#include "eval/run_emu.h"

struct todo {
	const struct run_conf *run;
	bool recorded; /* only its files are missing */
	struct run_result result;
};

struct eval {
	struct results *results;
	struct run_io io;
	struct todo *todo; /* [n] */
	int n, added;
	pthread_mutex_t lock; /* of progress and simulated_s */
	struct progress progress;
	double simulated_s;
};

static bool missing(const char *dir, const char *folder, const char *id, const char *end)
{
	char *path = file_path("%s/%s/%s%s", dir, folder, id, end);
	bool is = access(path, F_OK);

	free(path);
	return is;
}

static bool files_missing(const struct run_conf *r, const struct run_io *io)
{
	if (io->series && missing(io->dir, "series", r->id, ".csv"))
		return true;
	if (io->logs && (missing(io->dir, "logs", r->id, ".down") ||
				missing(io->dir, "logs", r->id, ".up")))
		return true;
	if (io->pcap && missing(io->dir, "pcap", r->id, ".pcap"))
		return true;
	for (int i = 0; io->decisions && i < r->flows; i++) {
		char end[32];

		snprintf(end, sizeof(end), "-%d.safetensors", i + 1);
		if (!r->scheme->senders[i % r->scheme->n].cc &&
			missing(io->dir, "decisions", r->id, end))
			return true;
	}
	return false;
}

static int plan(struct eval *e, const struct plan *g)
{
	int finished = 0;

	e->todo = calloc(g->n + 1, sizeof(*e->todo));
	if (!e->todo)
		return -ENOMEM;
	for (int i = 0; i < g->n; i++) {
		bool recorded = results_has(e->results, g->runs[i].id);

		finished += recorded;
		if (!recorded || files_missing(&g->runs[i], &e->io))
			e->todo[e->n++] = (struct todo){.run = &g->runs[i], .recorded = recorded};
	}
	if (finished)
		pr_info("%s: %d of %d runs are finished already%s\n", e->io.dir, finished, g->n,
			e->n > g->n - finished ? ", some without the files asked for" : "");
	return 0;
}

// Unfinished files of an eval that was killed: NAME.part and its process id. Only while the folder
// is ours.
static void sweep(const char *dir, const char *folder)
{
	char *path = file_path("%s/%s", dir, folder);
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		const char *part = strstr(e->d_name, ".part");

		if (part && part[5] && !part[5 + strspn(part + 5, "0123456789")])
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	free(path);
}

static int make_folders(const struct run_io *io)
{
	const char *const names[] = {io->logs ? "logs" : NULL, io->decisions ? "decisions" : NULL,
		io->pcap ? "pcap" : NULL};
	int err = 0;

	for (int i = 0; i < 3 && !err; i++) {
		char *path;

		if (!names[i])
			continue;
		path = file_path("%s/%s", io->dir, names[i]);
		err = file_mkdirs(path);
		free(path);
	}
	return err;
}

static void show(struct eval *e, double simulated_s)
{
	char runs[48];

	pthread_mutex_lock(&e->lock);
	e->simulated_s += simulated_s;
	snprintf(runs, sizeof(runs), "%d of %d runs", e->added, e->n);
	progress_update(&e->progress, e->simulated_s, runs);
	pthread_mutex_unlock(&e->lock);
}

static void tick(void *arg, double simulated_s)
{
	show(arg, simulated_s);
}

static int job(void *arg, int i, int thread)
{
	struct eval *e = arg;
	struct todo *t = &e->todo[i];

	return t->run->on == RUN_EMU ? run_emulated(&t->result, t->run, &e->io)
				     : run_one(&t->result, t->run, &e->io);
}

static int done(void *arg, int i)
{
	struct eval *e = arg;
	struct todo *t = &e->todo[i];
	int err = t->recorded ? 0 : results_add(e->results, &t->result);

	free(t->result.flows);
	t->result.flows = NULL;
	if (err)
		return err;
	pthread_mutex_lock(&e->lock);
	e->added++;
	pthread_mutex_unlock(&e->lock);
	show(e, 0);
	return 0;
}

static int run_all(struct eval *e, int threads)
{
	const struct work w = {
		.threads = threads, .jobs = e->n, .arg = e, .job = job, .done = done};
	double total = 0;
	int err;

	for (int i = 0; i < e->n; i++)
		total += e->todo[i].run->duration_s;
	pthread_mutex_init(&e->lock, NULL);
	progress_start(&e->progress,
		e->n && e->todo[0].run->on == RUN_EMU ? "s of runs" : "simulated s", total);
	err = e->n ? work_run(&w) : 0;
	progress_end(&e->progress);
	pthread_mutex_destroy(&e->lock);
	if (err == -EINTR)
		pr_info("%s: stopped with %d of %d runs finished; the same command goes on from "
			"there\n",
			e->io.dir, e->added, e->n);
	else if (err)
		pr_err("%s: stopped with %d of %d runs finished, which are kept\n", e->io.dir,
			e->added, e->n);
	return err;
}

int eval_run(const struct plan *g, const struct eval_conf *c)
{
	struct eval e = {.io = {.dir = c->dir,
				 .series = c->series,
				 .logs = c->logs,
				 .pcap = c->pcap,
				 .decisions = c->decisions}};
	int err = results_open(&e.results, c->dir, c->spec), close_err;

	if (err)
		return err;
	sweep(c->dir, "series");
	sweep(c->dir, "logs");
	sweep(c->dir, "decisions");
	sweep(c->dir, "pcap");
	e.io.tick = tick;
	e.io.arg = &e;
	err = plan(&e, g);
	if (!err)
		err = make_folders(&e.io);
	if (!err)
		err = run_all(&e, c->threads);
	for (int i = 0; i < e.n; i++)
		free(e.todo[i].result.flows); // of runs that were not handed on
	free(e.todo);
	close_err = results_close(e.results);
	return err ? err : close_err;
}
