/* Puts path and flows of a run together, lets them run, and turns what was seen into a record. */
#include "eval/emulate.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/log.h"
#include "base/work.h"
#include "emu/chain.h"
#include "emu/flows.h"
#include "emu/iperf3.h"
#include "emu/logpipe.h"
#include "emu/spawn.h"
#include "eval/fairness.h"
#include "eval/measure.h"
#include "eval/run_emu.h"
#include "policy/setup.h"
#include "sim/link_log.h"

#define POLL_NS 20000000ull    /* between looks at ends that are to end */
#define GRACE_NS 8000000000ull /* for that */
#define READY_MS 100
#define READY_TRIES 100
#define MTU 1500
#define LEAST_MEMORY (512ull << 20)
#define SLOT 2048 /* bytes of memory a packet */

enum { RECEIVER, SENDER, ENDS };

/* Who makes the flows. */
struct source {
	int (*send)(void *arg), (*receive)(void *arg);
	int from_port, to_port; /* flow i's at its end is this + i; 0: not of that end */
};

static const struct source sources[] = {
	[RUN_FLOWS] = {flows_send, flows_receive, FLOWS_FROM_PORT, 0},
	[RUN_IPERF3] = {iperf3_send, iperf3_receive, 0, FLOWS_PORT},
};

struct run {
	const struct run_conf *conf;
	const struct run_io *io;
	const struct source *source;
	struct chain_conf path;
	struct delay_schedule *delay; /* [ndelay] */
	int ndelay;
	struct chain chain;
	struct flow_plan *plan; /* [flows] */
	struct flows_conf fconf;
	struct flows flows;
	struct spawn end[ENDS];
	struct logpipe *pipe[ENGINE_DIRS];
	struct link_log *log[ENGINE_DIRS];
	uint64_t *times, cut_ns;
	int ntimes, at; /* the next time */
	struct series series;
	int *row_at;		/* [series.rows] which time a row is */
	struct link_stats link; /* at the end of the last bin */
	uint64_t bin_ns;
	struct run_result result;
	int err;
};

/* --- Set-up --- */

static struct chain_dir direction(const struct run_conf *c, const struct run_trace *t)
{
	return (struct chain_dir){.trace = t->trace,
		.queue = {.kind = c->queue, .limit_pkts = c->queue_pkts, .aqm = c->aqm},
		.loss = c->loss,
		.burst_loss = c->burst_loss};
}

// Both queues full and what is under way.
static uint64_t memory_for(const struct run_conf *c)
{
	double flying = c->delay_ms * 1e-3 * (c->nominal_mbps + 1000) * 1e6 / 8 / MTU;
	double bytes = (2.0 * c->queue_pkts + 2 * flying) * SLOT;

	return bytes > LEAST_MEMORY ? bytes : LEAST_MEMORY;
}

static int set_path(struct run *r)
{
	const struct run_conf *c = r->conf;

	r->ndelay = c->nextra ? c->nextra : 1;
	r->delay = calloc(r->ndelay, sizeof(*r->delay));
	if (!r->delay)
		return -ENOMEM;
	for (int i = 0; i < r->ndelay; i++)
		delay_constant(
			&r->delay[i], (c->delay_ms + (c->nextra ? c->extra_ms[i] : 0)) * 1e6);
	r->path = (struct chain_conf){
		.dir = {[ENGINE_DOWN] = direction(c, c->down), [ENGINE_UP] = direction(c, c->up)},
		.flow_port = {r->source->from_port, r->source->to_port},
		.ecn = c->ecn,
		.late = c->poll_ns > 0,
		.mtu = MTU,
		.memory = memory_for(c),
		.seed = c->seed,
		.own_outside = true,
		.realtime = true};
	chain_delay(&r->path,
		&(struct path_stage){
			.kind = PATH_DELAY, .delay = r->delay, .ndelay = r->ndelay});
	return 0;
}

static int set_flows(struct run *r)
{
	const struct run_conf *c = r->conf;
	struct rng rng;

	r->times = run_emu_times(c, &r->ntimes);
	r->plan = calloc(c->flows, sizeof(*r->plan));
	r->row_at = calloc(r->ntimes, sizeof(*r->row_at));
	if (!r->times || !r->plan || !r->row_at)
		return -ENOMEM;
	rng_init(&rng, c->seed, SETUP_START_STREAM);
	for (int i = 0; i < c->flows; i++) {
		struct flow_plan *p = &r->plan[i];

		snprintf(p->controller, sizeof(p->controller), "%s", run_sender(c, i)->name);
		run_flow_times(c, i, &rng, &p->start_ns, &p->stop_ns);
	}
	r->fconf = (struct flows_conf){.n = c->flows,
		.plan = r->plan,
		.sample_ns = r->times,
		.samples = r->ntimes,
		.ecn = c->ecn,
		.pace = c->pacing == 1};
	return flows_init(&r->flows, &r->fconf);
}

static int prepare_ends(struct run *r)
{
	struct netns *n = &r->chain.net;
	const struct spawn_what receive = {
		.name = "receiver", .main = r->source->receive, .arg = &r->flows};
	const struct spawn_what send = {
		.name = "sender", .main = r->source->send, .arg = &r->flows};
	int err;

	snprintf(r->flows.peer, sizeof(r->flows.peer), "%s", n->inside.addr4);
	err = spawn_prepare(&r->end[RECEIVER], &receive, n->inside.netns, n->middle);
	return err ? err : spawn_prepare(&r->end[SENDER], &send, n->outside.netns, n->middle);
}

static int open_log(struct run *r, int dir, uint64_t now_ms)
{
	char *path = run_log_path(r->conf, r->io->dir, dir == ENGINE_DOWN);
	char *part = file_part(path);
	int err = logpipe_open(&r->pipe[dir], part);

	if (!err)
		err = run_log_open(&r->log[dir], r->conf, dir == ENGINE_DOWN,
			logpipe_entry(r->pipe[dir]), now_ms);
	free(part);
	free(path);
	return err;
}

static int open_logs(struct run *r)
{
	struct timespec t;
	int err = 0;

	clock_gettime(CLOCK_REALTIME, &t);
	for (int i = 0; i < ENGINE_DIRS && r->io->logs && !err; i++)
		err = open_log(r, i, t.tv_sec * 1000ull + t.tv_nsec / 1000000);
	return err;
}

static int close_logs(struct run *r, int err)
{
	for (int i = 0; i < ENGINE_DIRS && r->io->logs; i++) {
		char *path = run_log_path(r->conf, r->io->dir, i == ENGINE_DOWN);
		int log = link_log_close(r->log[i]), pipe = logpipe_close(r->pipe[i]);

		err = err ? err : log ? log : pipe;
		err = file_settle(path, err);
		free(path);
	}
	return err;
}

static bool end_ended(struct run *r)
{
	for (int i = 0; i < ENDS; i++)
		if (spawn_poll(&r->end[i]))
			return true;
	return false;
}

static int wait_for_ends(struct run *r)
{
	for (int i = 0; i < ENDS; i++)
		spawn_go(&r->end[i]);
	for (int i = 0; i < READY_TRIES && !end_ended(r) && !work_stopped(); i++)
		if (flows_ready(&r->flows, READY_MS))
			return 0;
	if (work_stopped())
		return -EINTR;
	pr_err("run %s: the ends of the path did not start\n", r->conf->id);
	return -EIO;
}

/* --- While it runs --- */

static int look(struct run *r, uint64_t now)
{
	const struct link_stats *l = &r->chain.engine.dir[ENGINE_DOWN].path.link.stats;
	bool last = r->at == r->ntimes - 1;
	double *row;

	if (now == r->cut_ns)
		measure_link(&r->result, l, now);
	if (now % (RUN_BIN_MS * 1000000ull) && !last)
		return 0;
	row = series_row(&r->series);
	if (!row)
		return -ENOMEM;
	measure_bin(row, l, &r->link, now, now - r->bin_ns);
	r->row_at[r->series.rows - 1] = r->at;
	r->io->tick(r->io->arg, (now - r->bin_ns) * 1e-9);
	r->link = *l;
	r->bin_ns = now;
	return 0;
}

// After the last time: 0 when the ends have ended.
static uint64_t wait_for_end(struct run *r, uint64_t now)
{
	bool sender = spawn_poll(&r->end[SENDER]), receiver = spawn_poll(&r->end[RECEIVER]);

	if (sender && receiver)
		return 0;
	if (now < r->times[r->ntimes - 1] + GRACE_NS)
		return now + POLL_NS;
	pr_err("run %s: the %s does not end\n", r->conf->id, sender ? "receiver" : "sender");
	r->err = -EIO;
	return 0;
}

static uint64_t tick(void *arg, uint64_t now)
{
	struct run *r = arg;

	if (work_stopped()) {
		r->err = -EINTR;
		return 0;
	}
	if (r->at < r->ntimes && now == r->times[r->at]) {
		r->err = look(r, now);
		r->at++;
		if (r->err)
			return 0;
	}
	if (r->at == r->ntimes)
		return wait_for_end(r, now);
	if (r->source == &sources[RUN_FLOWS] && end_ended(r)) {
		pr_err("run %s: an end of the path ended early\n", r->conf->id);
		r->err = -EIO;
		return 0;
	}
	return r->times[r->at];
}

/* --- The record --- */

static struct flow_count count_flow(const struct run *r, int i, int cut)
{
	const struct flow_plan *p = &r->plan[i];
	const struct flow_sample *at = flows_at(&r->flows, i, cut);
	struct flow_count f = {.start_ns = p->start_ns,
		.stop_ns = p->stop_ns,
		.bytes = flows_received(&r->flows, i, cut),
		.rtt_min_ms = at->min_rtt_us * 1e-3,
		.retrans = at->retrans,
		.rtos = at->rtos};

	for (int k = 0; k <= cut; k++) {
		const struct flow_sample *s = flows_at(&r->flows, i, k);

		if (!s->srtt_us || (p->stop_ns && r->times[k] > p->stop_ns))
			continue;
		f.rtt_sum_ms += s->srtt_us * 1e-3;
		f.rtts++;
	}
	return f;
}

static int measure_all(struct run *r)
{
	struct flow_count *f = calloc(r->conf->flows, sizeof(*f));
	int cut = 0;

	if (!f)
		return -ENOMEM;
	while (r->times[cut] < r->cut_ns)
		cut++;
	for (int i = 0; i < r->conf->flows; i++)
		f[i] = count_flow(r, i, cut);
	measure_flows(&r->result, f, r->cut_ns);
	free(f);
	return 0;
}

// The flows' columns of the series.
static void fill_rows(struct run *r)
{
	for (size_t k = 0; k < r->series.rows; k++) {
		int at = r->row_at[k], then = k ? r->row_at[k - 1] : -1;
		uint64_t len = r->times[at] - (k ? r->times[then] : 0);
		double *row = r->series.v + k * r->series.cols;

		for (int i = 0; i < r->conf->flows; i++) {
			const struct flow_sample *s = flows_at(&r->flows, i, at);
			uint64_t got = flows_received(&r->flows, i, at);

			got -= k ? flows_received(&r->flows, i, then) : 0;
			row[SERIES_FLOW(i, SERIES_RATE)] = measure_mbps(got, len);
			row[SERIES_FLOW(i, SERIES_CWND)] = s->cwnd;
			if (s->srtt_us)
				row[SERIES_FLOW(i, SERIES_SRTT)] = s->srtt_us * 1e-3;
		}
	}
}

// The flow that its sockets' buffers limited most, in % of its time.
static double window_limited(const struct run *r, int *flow)
{
	double most = 0;

	*flow = 0;
	for (int i = 0; i < r->conf->flows; i++) {
		const struct flow_sample *s = flows_at(&r->flows, i, r->ntimes - 1);
		const struct flow_plan *p = &r->plan[i];
		uint64_t stop = p->stop_ns ? p->stop_ns : r->times[r->ntimes - 1];
		double pct = 1e5 * (s->rwnd_us + s->sndbuf_us) / (stop - p->start_ns);

		if (pct > most) {
			most = pct;
			*flow = i;
		}
	}
	return most;
}

static void __attribute__((format(printf, 2, 3)))
doubt(struct run_result *out, const char *fmt, ...)
{
	size_t n = strlen(out->doubt);
	va_list ap;

	if (n && n + 2 < sizeof(out->doubt))
		n += snprintf(out->doubt + n, sizeof(out->doubt) - n, "; ");
	va_start(ap, fmt);
	vsnprintf(out->doubt + n, sizeof(out->doubt) - n, fmt, ap);
	va_end(ap);
	out->trusted = 0;
}

static void judge(struct run *r)
{
	const struct quality *q = &r->chain.quality;
	struct run_result *out = &r->result;
	int worst;

	snprintf(out->kernel, sizeof(out->kernel), "%s", r->conf->kernel);
	snprintf(out->traffic, sizeof(out->traffic), "%s", run_traffic_name(r->conf->traffic));
	out->trusted = 1;
	out->late_p50_us = quality_late_us(q, 0.5);
	out->late_p99_us = quality_late_us(q, 0.99);
	out->late_max_us = q->late_max_ns * 1e-3;
	out->device_drops = q->ring_drops + q->send_drops + q->device_drops + q->memory_drops;
	out->emulator_cpu_pct = q->emulator_pct;
	out->foreign_cpu_pct = q->foreign_pct;
	out->window_limited_pct = window_limited(r, &worst);
	if (!q->trusted)
		doubt(out, "%s", q->reason);
	if (out->window_limited_pct > RUN_WINDOW_PCT)
		doubt(out, "buffers of its sockets limited flow %d for %.0f %% of its time",
			worst + 1, out->window_limited_pct);
	for (int i = 0; i < r->conf->flows; i++)
		if (flows_error(&r->flows, i)) {
			doubt(out, "flow %d ended early: %s", i + 1,
				strerror(flows_error(&r->flows, i)));
			break;
		}
}

static int measure(struct run *r)
{
	int err = measure_all(r);

	if (err)
		return err;
	fill_rows(r);
	judge(r);
	err = fairness_measure(&r->result, &r->series, RUN_BIN_MS * 1e-3);
	if (!err && r->io->series)
		err = series_write(&r->series, r->io->dir, &r->result);
	return err;
}

/* --- The whole --- */

static int set_up(struct run *r)
{
	int err = measure_begin(&r->result, r->conf);

	if (!err)
		err = set_flows(r);
	if (!err)
		err = set_path(r);
	if (err)
		return err;
	err = chain_network(&r->chain, &r->path);
	if (!err)
		err = prepare_ends(r);
	if (!err)
		err = open_logs(r);
	if (!err)
		err = chain_engine(&r->chain, r->log);
	return err ? err : wait_for_ends(r);
}

static int drive(struct run *r)
{
	chain_start(&r->chain);
	flows_begin(&r->flows, r->chain.engine.start_ns);
	chain_run(&r->chain, tick, r);
	for (int i = 0; i < ENDS; i++)
		spawn_kill(&r->end[i]);
	chain_judge(&r->chain);
	return r->err ? r->err : measure(r);
}

int emulate(struct run_result *out, const struct run_conf *conf, const struct run_io *io)
{
	struct run *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->conf = conf;
	r->io = io;
	r->source = &sources[conf->traffic];
	r->cut_ns = run_cut_ns(conf);
	series_init(&r->series, conf->flows);
	err = set_up(r);
	if (!err)
		err = drive(r);
	if (err == -ENOMEM)
		pr_err("run %s: out of memory\n", conf->id);
	for (int i = 0; i < ENDS; i++)
		spawn_kill(&r->end[i]);
	err = close_logs(r, err);
	chain_close(&r->chain);
	if (!err)
		*out = r->result;
	else
		free(r->result.flows);
	flows_free(&r->flows);
	series_free(&r->series);
	for (int i = 0; i < r->ndelay && r->delay; i++)
		delay_schedule_free(&r->delay[i]);
	free(r->delay);
	free(r->plan);
	free(r->times);
	free(r->row_at);
	free(r);
	return err;
}
