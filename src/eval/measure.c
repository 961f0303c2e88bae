/* Columns from counters. */
#include "eval/measure.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double measure_mbps(uint64_t bytes, uint64_t ns)
{
	return ns ? bytes * 8e3 / ns : 0;
}

static void set_absent(struct run_result *out)
{
	for (const struct col *c = results_cols; c->name; c++)
		if (c->type == COL_REAL && c->optional)
			memcpy((char *)out + c->offset, &(double){NAN}, sizeof(double));
}

int measure_begin(struct run_result *out, const struct run_conf *c)
{
	const struct scheme_model *model = scheme_model(c->scheme);

	memset(out, 0, sizeof(*out));
	set_absent(out);
	out->flows = calloc(c->flows, sizeof(*out->flows));
	if (!out->flows)
		return -ENOMEM;
	out->nflows = c->flows;
	snprintf(out->id, sizeof(out->id), "%s", c->id);
	snprintf(out->on, sizeof(out->on), "%s", c->on == RUN_EMU ? "emu" : "sim");
	snprintf(out->controller, sizeof(out->controller), "%s", c->scheme->name);
	snprintf(out->model, sizeof(out->model), "%s", model ? model->model->sha256 : "");
	snprintf(out->trace, sizeof(out->trace), "%s", c->down->trace->name);
	snprintf(out->queue, sizeof(out->queue), "%s", run_queue_name(c->queue));
	out->nominal_mbps = c->nominal_mbps;
	out->buffer_bdp = c->buffer_bdp;
	out->queue_pkts = c->queue_pkts;
	out->delay_ms = c->delay_ms;
	out->loss = c->loss;
	run_queue_args(c, out->queue_args);
	run_burst_args(c, out->loss_burst);
	run_flow_args(c, out->flow_args);
	out->ecn = c->ecn;
	out->noise = c->noise.size;
	out->seed = c->seed;
	for (int i = 0; i < c->flows; i++) {
		struct flow_result *f = &out->flows[i];

		snprintf(f->controller, sizeof(f->controller), "%s", run_sender(c, i)->name);
		f->policy_start_s = NAN;
	}
	return 0;
}

void measure_link(struct run_result *out, const struct link_stats *l, uint64_t now_ns)
{
	out->duration_s = now_ns * 1e-9;
	out->capacity_mbps = measure_mbps(l->capacity_bytes, now_ns);
	out->throughput_mbps = measure_mbps(l->bytes_out, now_ns);
	out->util_pct = l->capacity_bytes ? 100.0 * l->bytes_out / l->capacity_bytes : 0;
	out->arrivals = l->arrivals;
	out->departures = l->departures;
	out->drops = l->drops;
	out->drop_pct = l->arrivals ? 100.0 * l->drops / l->arrivals : 0;
	out->marks = l->marks;
	if (!l->departures)
		return;
	out->qdelay_mean_ms = l->delay_sum_ns * 1e-6 / l->departures;
	out->qdelay_p50_ms = link_delay_quantile_ms(l, 0.5);
	out->qdelay_p95_ms = link_delay_quantile_ms(l, 0.95);
	out->qdelay_max_ms = l->delay_max_ns * 1e-6;
}

void measure_flow(struct run_result *out, int i, const struct flow_count *f, uint64_t now_ns)
{
	struct flow_result *r = &out->flows[i];
	uint64_t stop = f->stop_ns && f->stop_ns < now_ns ? f->stop_ns : now_ns;

	r->goodput_mbps = measure_mbps(f->bytes, stop - f->start_ns);
	r->rtt_mean_ms = f->rtts ? f->rtt_sum_ms / f->rtts : NAN;
	r->retrans = f->retrans;
	r->rtos = f->rtos;
	r->start_s = f->start_ns * 1e-9;
	r->stop_s = stop * 1e-9;
}

void measure_flows(struct run_result *out, const struct flow_count *f, uint64_t now_ns)
{
	double rtt_sum = 0, sum = 0, squares = 0;
	uint64_t bytes = 0, rtts = 0;

	for (int i = 0; i < out->nflows; i++) {
		double goodput;

		measure_flow(out, i, &f[i], now_ns);
		goodput = out->flows[i].goodput_mbps;
		bytes += f[i].bytes;
		rtt_sum += f[i].rtt_sum_ms;
		rtts += f[i].rtts;
		if (f[i].rtts)
			out->rtt_min_ms = fmin(out->rtt_min_ms, f[i].rtt_min_ms);
		out->retrans += f[i].retrans;
		out->rtos += f[i].rtos;
		sum += goodput;
		squares += goodput * goodput;
	}
	out->goodput_mbps = measure_mbps(bytes, now_ns);
	out->rtt_mean_ms = rtts ? rtt_sum / rtts : NAN;
	out->jain = squares > 0 ? sum * sum / (out->nflows * squares) : NAN;
}

void measure_bin(double *row, const struct link_stats *now, const struct link_stats *then,
	uint64_t now_ns, uint64_t len_ns)
{
	uint64_t out = now->departures - then->departures;

	row[SERIES_T] = now_ns * 1e-9;
	row[SERIES_CAPACITY] = measure_mbps(now->capacity_bytes - then->capacity_bytes, len_ns);
	row[SERIES_THROUGHPUT] = measure_mbps(now->bytes_out - then->bytes_out, len_ns);
	if (out)
		row[SERIES_QDELAY] = (now->delay_sum_ns - then->delay_sum_ns) * 1e-6 / out;
	row[SERIES_QUEUE] = now->queue_pkts;
	row[SERIES_DROPS] = now->drops - then->drops;
}
