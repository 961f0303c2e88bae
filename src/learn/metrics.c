/* Scalars as JSON lines and TensorBoard events. */
#include "learn/metrics.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "learn/tfevents.h"

struct metrics {
	char *json_path, *events_path;
	FILE *json, *events;
	double start_s; // of progress_clock at wall_s 0
};

static double wall_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

// The lines up to the step, and the wall time of the last: what a resumed run goes on from.
static int cut(const char *path, int64_t step, double *wall)
{
	char *text, *kept;
	size_t len, n = 0;
	int err;

	*wall = 0;
	if (access(path, F_OK))
		return 0;
	err = file_read(path, METRICS_MAX_FILE, &text, &len);
	if (err)
		return err;
	kept = malloc(len + 1);
	for (char *line = text, *end; kept && (end = strchr(line, '\n')); line = end + 1) {
		json_t *o = json_loadb(line, end - line, JSON_REJECT_DUPLICATES, NULL);
		const json_t *at = json_object_get(o, "step");

		if (json_is_integer(at) && json_integer_value(at) <= step) {
			memcpy(kept + n, line, end + 1 - line);
			n += end + 1 - line;
			*wall = json_number_value(json_object_get(o, "wall_s"));
		}
		json_decref(o);
	}
	err = kept ? file_write(path, kept, n) : -ENOMEM;
	free(kept);
	free(text);
	return err;
}

static int open_file(FILE **f, const char *path, const char *mode)
{
	int err;

	*f = fopen(path, mode);
	if (*f)
		return 0;
	err = -errno;
	pr_err("%s: %s\n", path, strerror(-err));
	return err;
}

// Those of a run that is begun anew: TensorBoard would draw both.
static void remove_events(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, METRICS_EVENTS, strlen(METRICS_EVENTS)))
			unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

int metrics_open(struct metrics **out, const char *dir, int64_t step)
{
	struct metrics *m = calloc(1, sizeof(*m));
	char host[64] = "host";
	double wall = 0;
	int err = 0;

	if (!m)
		return -ENOMEM;
	gethostname(host, sizeof(host) - 1);
	m->json_path = file_path("%s/" METRICS_FILE, dir);
	m->events_path = file_path(
		"%s/" METRICS_EVENTS "%010.0f.%s.%d", dir, floor(wall_s()), host, (int)getpid());
	if (step)
		err = cut(m->json_path, step, &wall);
	else
		remove_events(dir);
	m->start_s = progress_clock() - wall;
	if (!err)
		err = open_file(&m->json, m->json_path, step ? "a" : "w");
	if (!err)
		err = open_file(&m->events, m->events_path, "w");
	if (!err)
		err = tfevents_begin(m->events, wall_s());
	if (err)
		metrics_close(m);
	else
		*out = m;
	return err;
}

int metrics_add(
	struct metrics *m, int64_t step, int n, const char *const *names, const double *values)
{
	int err;

	fprintf(m->json, "{\"step\":%" PRId64 ",\"wall_s\":%.3f", step,
		progress_clock() - m->start_s);
	for (int i = 0; i < n; i++)
		if (isfinite(values[i]))
			fprintf(m->json, ",\"%s\":%.9g", names[i], values[i]);
		else
			fprintf(m->json, ",\"%s\":null", names[i]);
	fprintf(m->json, "}\n");
	tfevents_scalars(m->events, wall_s(), step, n, names, values);
	err = file_flush(m->json, m->json_path);
	return err ? err : file_flush(m->events, m->events_path);
}

int metrics_close(struct metrics *m)
{
	int err, late;

	if (!m)
		return 0;
	err = file_close(m->json, m->json_path);
	late = file_close(m->events, m->events_path);
	free(m->json_path);
	free(m->events_path);
	free(m);
	return err ? err : late;
}
