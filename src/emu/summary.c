/* The summary of a run. */
#include "emu/summary.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

#define DIGITS 9 /* of numbers in JSON */

static double mbps(uint64_t bytes, double seconds)
{
	return seconds > 0 ? bytes * 8e-6 / seconds : 0;
}

static json_t *direction(const struct chain_dir *conf, const struct emulator_dir *d, double seconds)
{
	const struct link_stats *s = &d->path.link.stats;
	char queue[QUEUE_TEXT];
	double util = s->capacity_bytes ? 100.0 * s->bytes_out / s->capacity_bytes : 0;
	double mean = s->departures ? s->delay_sum_ns * 1e-6 / s->departures : 0;
	json_t *j = json_pack(
		"{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"trace", conf->trace ? conf->trace->name : "unlimited", "queue",
		queue_text(&conf->queue, queue), "capacity_mbps", mbps(s->capacity_bytes, seconds),
		"throughput_mbps", mbps(s->bytes_out, seconds), "util_pct", util, "qdelay_mean_ms",
		mean, "qdelay_p95_ms", link_delay_quantile_ms(s, 0.95), "qdelay_max_ms",
		s->delay_max_ns * 1e-6, "packets_in", (json_int_t)d->port.stats.in, "arrivals",
		(json_int_t)s->arrivals, "departures", (json_int_t)s->departures, "drops",
		(json_int_t)s->drops, "lost", (json_int_t)(s->lost + d->path.lost), "off_drops",
		(json_int_t)d->path.off_drops, "marks", (json_int_t)s->marks);

	if (j && !conf->trace)
		for (const char *const *k =
				(const char *const[]){"capacity_mbps", "util_pct", NULL};
			*k; k++)
			json_object_set_new(j, *k, json_null());
	return j;
}

static int write_json(json_t *j, const char *path)
{
	char *text = json_dumps(j, JSON_INDENT(1) | JSON_REAL_PRECISION(DIGITS)), *line;
	int err;

	if (!text) {
		pr_err("%s: a name cannot be written as JSON\n", path);
		return -EINVAL;
	}
	line = file_path("%s\n", text);
	err = file_write(path, line, strlen(line));
	free(line);
	free(text);
	return err;
}

static void say_direction(const char *name, const struct emulator_dir *d, double seconds)
{
	const struct link_stats *s = &d->path.link.stats;

	pr_info("%-4s  %.2f Mbit/s, queueing delay mean %.2f p95 %.1f ms, %" PRIu64
		" packets, %" PRIu64 " dropped, %" PRIu64 " lost\n",
		name, mbps(s->bytes_out, seconds),
		s->departures ? s->delay_sum_ns * 1e-6 / s->departures : 0,
		link_delay_quantile_ms(s, 0.95), s->arrivals, s->drops,
		s->lost + d->path.lost + d->path.off_drops);
}

static void say(const struct emulator *e, const struct quality *q, double seconds)
{
	say_direction("down", &e->dir[ENGINE_DOWN], seconds);
	say_direction("up", &e->dir[ENGINE_UP], seconds);
	pr_info("late  p50 %.0f, p99 %.0f, max %.0f us; emulator %.0f %% of a processor, others "
		"%.0f %% of all\n",
		quality_late_us(q, 0.5), quality_late_us(q, 0.99), q->late_max_ns * 1e-3,
		q->emulator_pct, q->foreign_pct);
	if (!q->trusted)
		pr_warn("do not trust this run: %s\n", q->reason);
}

int summary_write(const struct emu_conf *conf, const struct emulator *e, const struct quality *q,
	int exit_status)
{
	double seconds = emulator_now(e) * 1e-9;
	json_t *j = json_pack("{s:s, s:i, s:s, s:s, s:I, s:f, s:i, s:o, s:o, s:o}", "format",
		"canopy-emu", "version", 1, "canopy", CANOPY_VERSION, "command", conf->title,
		"seed", (json_int_t)conf->path.seed, "duration_s", seconds, "exit_status",
		exit_status, "down",
		direction(&conf->path.dir[ENGINE_DOWN], &e->dir[ENGINE_DOWN], seconds), "up",
		direction(&conf->path.dir[ENGINE_UP], &e->dir[ENGINE_UP], seconds), "quality",
		quality_json(q));
	int err = 0;

	say(e, q, seconds);
	if (!j && (conf->json || conf->log_dir)) {
		pr_err("the summary: the command line is not UTF-8 text\n");
		err = -EINVAL;
	}
	if (!err && conf->log_dir) {
		char *path = file_path("%s/summary.json", conf->log_dir);

		err = write_json(j, path);
		free(path);
	}
	if (!err && conf->json)
		err = write_json(j, conf->json);
	json_decref(j);
	return err;
}
