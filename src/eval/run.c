/* Builds the world of one run, drives it bin by bin, and turns its counters into a record. */
#include "eval/run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "eval/decisions.h"
#include "eval/fairness.h"
#include "eval/measure.h"
#include "eval/series.h"
#include "policy/setup.h"
#include "sim/link_log.h"
#include "sim/pcap.h"
#include "sim/world.h"

struct run {
	const struct run_conf *conf;
	const struct run_io *io;
	struct world *world;
	struct flow_conf *flows;
	struct decisions *decisions; /* [flows], those of classic flows unused */
	struct link_log *log_down, *log_up;
	struct pcap *pcap;
	struct series series;
	/* counters at the end of the last bin */
	uint64_t bin_ns;
	struct link_stats link;
	uint64_t *in_order; /* [flows] */
};

/* --- Set-up --- */

static int open_log(struct link_log **out, const struct run *r, bool down)
{
	char *path = run_log_path(r->conf, r->io->dir, down), *part = file_part(path);
	int err = run_log_open(out, r->conf, down, part, 0);

	free(part);
	free(path);
	return err;
}

static int open_pcap(struct run *r)
{
	char *path = file_path("%s/pcap/%s.pcap", r->io->dir, r->conf->id), *part = file_part(path);
	int err = pcap_open(&r->pcap, part, r->conf->flows);

	free(part);
	free(path);
	return err;
}

static int set_flow(struct run *r, int i, struct rng *rng)
{
	const struct run_conf *c = r->conf;
	const struct sender *s = run_sender(c, i);
	struct flow_conf *f = &r->flows[i];

	*f = (struct flow_conf){
		.cc = s->cc ? s->cc : &cc_policy,
		.cc_arg = s->cc ? NULL : &r->decisions[i].policy,
		.delay_ms = c->delay_ms + (c->nextra ? c->extra_ms[i % c->nextra] : 0),
		.ecn = c->ecn,
		.pacing = c->pacing,
	};
	run_flow_times(c, i, rng, &f->start_ns, &f->stop_ns);
	return s->cc ? 0 : decisions_init(&r->decisions[i], c, s, i, r->io->decisions);
}

static int set_up(struct run *r)
{
	const struct run_conf *c = r->conf;
	struct world_conf w = {
		.ms_delay = c->ms_delay, .poll_ns = c->poll_ns, .seed = c->seed, .hz = c->hz, .nflows = c->flows};
	struct rng rng;
	int err = 0;

	r->flows = calloc(c->flows, sizeof(*r->flows));
	r->decisions = calloc(c->flows, sizeof(*r->decisions));
	r->in_order = calloc(c->flows, sizeof(*r->in_order));
	if (!r->flows || !r->decisions || !r->in_order)
		return -ENOMEM;
	if (r->io->logs)
		err = open_log(&r->log_down, r, true);
	if (r->io->logs && !err)
		err = open_log(&r->log_up, r, false);
	if (r->io->pcap && !err)
		err = open_pcap(r);
	if (err)
		return err;
	rng_init(&rng, c->seed, SETUP_START_STREAM);
	for (int i = 0; i < c->flows && !err; i++)
		err = set_flow(r, i, &rng);
	if (err)
		return err;
	w.flows = r->flows;
	w.pcap = r->pcap;
	w.down = w.up = (struct link_conf){.queue = c->queue,
		.limit_pkts = c->queue_pkts,
		.aqm = c->aqm,
		.loss = c->loss,
		.burst_loss = c->burst_loss};
	w.down.trace = c->down->trace;
	w.down.log = r->log_down;
	w.down.stats = true;
	w.up.trace = c->up->trace;
	w.up.log = r->log_up;
	r->world = world_new(&w);
	return r->world ? 0 : -ENOMEM;
}

/* --- While it runs --- */

// Closes the bin that ends now.
static int add_bin(struct run *r, uint64_t now_ns)
{
	const struct link_stats *l = world_down(r->world);
	uint64_t len = now_ns - r->bin_ns;
	double *row = series_row(&r->series);

	if (!row)
		return -ENOMEM;
	measure_bin(row, l, &r->link, now_ns, len);
	for (int i = 0; i < r->conf->flows; i++) {
		const struct cc *cc = world_cc(r->world, i);
		uint64_t got = world_flow(r->world, i)->in_order;

		row[SERIES_FLOW(i, SERIES_RATE)] = measure_mbps((got - r->in_order[i]) * cc->mss, len);
		row[SERIES_FLOW(i, SERIES_CWND)] = cc->cwnd;
		if (cc->srtt_us8)
			row[SERIES_FLOW(i, SERIES_SRTT)] = cc->srtt_us8 / 8e3;
		r->in_order[i] = got;
	}
	r->link = *l;
	r->bin_ns = now_ns;
	return 0;
}

/* --- The record --- */

// Of a policy flow, NULL for a classic one.
static const struct policy_stats *stats_of(const struct run *r, int flow)
{
	return r->flows[flow].cc_arg ? policy_stats(world_cc(r->world, flow)) : NULL;
}

static struct flow_count count_flow(const struct run *r, int i)
{
	const struct flow_stats *s = world_flow(r->world, i);
	const struct flow_conf *f = &r->flows[i];

	return (struct flow_count){.start_ns = f->start_ns,
		.stop_ns = f->stop_ns,
		.bytes = s->in_order * world_cc(r->world, i)->mss,
		.rtt_sum_ms = s->rtt_sum_us / 1e3,
		.rtts = s->rtts,
		.rtt_min_ms = s->min_rtt_us / 1e3,
		.retrans = s->retrans,
		.rtos = s->rtos};
}

static double share_pct(double part, double of)
{
	return of > 0 ? 100 * part / of : NAN;
}

// Over the decisions of all flows.
static void measure_guards(struct run_result *out, const struct run *r)
{
	double decisions = 0, triggered = 0, qc = 0, proven = 0, refuted = 0, steps_in[3] = {0}, of[3] = {0};

	for (int i = 0; i < out->nflows; i++) {
		const struct guard *j = &r->decisions[i].guard;

		decisions += j->decisions;
		triggered += j->triggered;
		qc += j->qc_sum;
		proven += j->proven_sum;
		refuted += j->refuted_sum;
		of[j->kind] += j->decisions;
		steps_in[j->kind] += j->steps_in;
	}
	if (r->conf->guard->properties && scheme_model(r->conf->scheme))
		snprintf(out->properties, sizeof(out->properties), "%s", r->conf->guard->properties->path);
	out->triggered_pct = share_pct(triggered, decisions);
	out->qc_mean = triggered > 0 ? qc / triggered : NAN;
	out->proven_mean = triggered > 0 ? proven / triggered : NAN;
	out->refuted_mean = triggered > 0 ? refuted / triggered : NAN;
	out->fallback_pct = share_pct(steps_in[GUARD_FALLBACK], of[GUARD_FALLBACK]);
	out->shield_pct = share_pct(steps_in[GUARD_SHIELD], of[GUARD_SHIELD]);
}

// Of the policy flows.
static void measure_policies(struct run_result *out, const struct run *r)
{
	double time = 0, acted = 0, rewards = 0, rewarded = 0;

	for (int i = 0; i < out->nflows; i++) {
		const struct policy_stats *p = stats_of(r, i);
		struct flow_result *f = &out->flows[i];

		if (!p)
			continue;
		f->decisions = p->decisions;
		f->policy_start_s = p->start_us ? p->start_us * 1e-6 : NAN;
		out->decisions += f->decisions;
		time += f->stop_s - f->start_s;
		acted += isnan(f->policy_start_s) ? 0 : fmax(0, f->stop_s - f->policy_start_s);
		rewards += p->reward_sum;
		rewarded += p->rewards;
	}
	out->acted_pct = time > 0 ? 100 * acted / time : NAN;
	out->reward_mean = rewarded > 0 ? rewards / rewarded : NAN;
}

static int measure(struct run_result *out, const struct run *r, uint64_t now_ns)
{
	struct flow_count *f = calloc(r->conf->flows, sizeof(*f));
	int err = f ? measure_begin(out, r->conf) : -ENOMEM;

	if (err)
		goto out;
	for (int i = 0; i < r->conf->flows; i++)
		f[i] = count_flow(r, i);
	measure_link(out, world_down(r->world), now_ns);
	measure_flows(out, f, now_ns);
	measure_policies(out, r);
	measure_guards(out, r);
	err = fairness_measure(out, &r->series, RUN_BIN_MS * 1e-3);
out:
	free(f);
	return err;
}

/* --- The whole --- */

static void run_until(struct world *w, uint64_t until_ns)
{
	while (world_run(w, until_ns) >= 0)
		;
}

// Runs to the end; the metrics are those of the moment the last skip_end_s begin.
static int drive(struct run_result *out, struct run *r)
{
	uint64_t end = run_end_ns(r->conf), cut = run_cut_ns(r->conf);
	uint64_t now = 0, bin = RUN_BIN_MS * MS, ticked = 0;
	int err = 0;

	while (now < end && !err) {
		uint64_t next = bin < end ? bin : end;

		if (now < cut && cut < next)
			next = cut;
		run_until(r->world, next);
		now = next;
		if (now == bin || now == end) {
			err = add_bin(r, now);
			bin += RUN_BIN_MS * MS;
		}
		if (now == cut && !err)
			err = measure(out, r, now);
		if (r->io->tick && (now - ticked >= SEC || now == end)) {
			r->io->tick(r->io->arg, (now - ticked) * 1e-9);
			ticked = now;
		}
	}
	return err;
}

static int write_files(const struct run_result *out, struct run *r)
{
	int err = r->io->series ? series_write(&r->series, r->io->dir, out) : 0;

	for (int i = 0; i < r->conf->flows && !err && r->io->decisions; i++)
		if (r->flows[i].cc_arg)
			err = decisions_write(&r->decisions[i], r->conf, i + 1, r->io->dir);
	return err;
}

// Files written as the run went get their names, as series and decisions do, or go after an error.
static int settle(const struct run *r, int err)
{
	const char *const ends[] = {r->io->logs ? "down" : NULL, r->io->logs ? "up" : NULL,
		r->io->pcap ? "pcap" : NULL};

	for (int i = 0; i < 3; i++)
		if (ends[i]) {
			char *path = file_path("%s/%s/%s.%s", r->io->dir, i < 2 ? "logs" : "pcap",
				r->conf->id, ends[i]);

			err = file_settle(path, err);
			free(path);
		}
	return err;
}

static int tear_down(struct run *r, int err)
{
	int down, up, pcap;

	world_free(r->world);
	down = link_log_close(r->log_down);
	up = link_log_close(r->log_up);
	pcap = pcap_close(r->pcap);
	err = settle(r, err ? err : down ? down : up ? up : pcap);
	for (int i = 0; i < r->conf->flows && r->decisions; i++)
		decisions_free(&r->decisions[i]);
	series_free(&r->series);
	free(r->decisions);
	free(r->flows);
	free(r->in_order);
	return err;
}

int run_one(struct run_result *out, const struct run_conf *conf, const struct run_io *io)
{
	struct run r = {.conf = conf, .io = io};
	struct run_result result = {.flows = NULL};
	int err;

	series_init(&r.series, conf->flows);
	err = set_up(&r);
	if (!err)
		err = drive(&result, &r);
	if (!err)
		err = write_files(&result, &r);
	if (err == -ENOMEM)
		pr_err("run %s: out of memory\n", conf->id);
	err = tear_down(&r, err);
	if (err)
		free(result.flows);
	else
		*out = result;
	return err;
}
