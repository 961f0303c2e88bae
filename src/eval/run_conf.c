/* What determines a run as texts: of records, and the canonical one behind its id. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "eval/run.h"
#include "policy/setup.h"
#include "sim/link_log.h"
#include "sim/world.h"

const char *run_traffic_name(enum run_traffic t)
{
	static const char *const names[] = {[RUN_FLOWS] = "flows", [RUN_IPERF3] = "iperf3"};

	return names[t];
}

const char *run_queue_name(enum queue_kind kind)
{
	static const char *const names[] = {[QUEUE_INFINITE] = "infinite",
		[QUEUE_DROPTAIL] = "droptail",
		[QUEUE_DROPHEAD] = "drophead",
		[QUEUE_CODEL] = "codel",
		[QUEUE_PIE] = "pie"};

	return names[kind];
}

const char *run_queue_args(const struct run_conf *c, char buf[RESULTS_ARGS])
{
	const struct aqm_conf *a = &c->aqm;
	double target = a->target_ns * 1e-6, interval = a->interval_ns * 1e-6;

	*buf = 0;
	if (c->queue == QUEUE_CODEL)
		snprintf(buf, RESULTS_ARGS, "target=%.9g interval=%.9g", target, interval);
	else if (c->queue == QUEUE_PIE)
		snprintf(buf, RESULTS_ARGS, "target=%.9g update=%.9g burst=%.9g", target, interval,
			a->burst_ns * 1e-6);
	return buf;
}

const char *run_burst_args(const struct run_conf *c, char buf[RESULTS_ARGS])
{
	const struct loss_conf *b = &c->burst_loss;

	*buf = 0;
	if (b->p > 0)
		snprintf(buf, RESULTS_ARGS, "p=%.9g r=%.9g bad=%.9g good=%.9g", b->p, b->r, b->bad,
			b->good);
	return buf;
}

// Appends to a text of RESULTS_NAME bytes, as much as fits.
static void __attribute__((format(printf, 2, 3))) append(char *buf, const char *fmt, ...)
{
	size_t len = strlen(buf);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf + len, RESULTS_NAME - len, fmt, ap);
	va_end(ap);
}

const char *run_flow_args(const struct run_conf *c, char buf[RESULTS_NAME])
{
	int extra = c->nextra < c->flows ? c->nextra : c->flows;

	*buf = 0;
	if (c->flows > 1 && c->stagger_s > 0)
		append(buf, "stagger=%.9g", c->stagger_s);
	if (c->flow_s > 0)
		append(buf, "%stime=%.9g", *buf ? " " : "", c->flow_s);
	while (extra > 0 && !(c->extra_ms[extra - 1] > 0))
		extra--;
	for (int i = 0; i < extra; i++)
		append(buf, "%s%.9g", i ? "," : *buf ? " extra=" : "extra=", c->extra_ms[i]);
	return buf;
}

const struct sender *run_sender(const struct run_conf *c, int flow)
{
	return &c->scheme->senders[flow % c->scheme->n];
}

void run_flow_times(
	const struct run_conf *c, int flow, struct rng *rng, uint64_t *start_ns, uint64_t *stop_ns)
{
	*start_ns = c->stagger_s * flow * 1e9 + setup_start_ns(rng);
	*stop_ns = c->flow_s > 0 ? *start_ns + c->flow_s * 1e9 : 0;
}

char *run_log_path(const struct run_conf *c, const char *dir, bool down)
{
	return file_path("%s/logs/%s.%s", dir, c->id, down ? "down" : "up");
}

int run_log_open(struct link_log **out, const struct run_conf *c, bool down, const char *path,
	uint64_t init_ms)
{
	char args[RESULTS_ARGS];
	bool managed = *run_queue_args(c, args);
	char *shown = file_path("logs/%s.%s", c->id, down ? "down" : "up");
	char *command = file_path("'canopy' 'eval' (version %s)%s '--controllers=%s' "
				  "'--traces=%s' '--buffers=%g' '--delays=%g' '--loss=%g' "
				  "'--noise=%g' '--seed=%" PRIu64 "' '--duration=%g'",
		CANOPY_VERSION, c->on == RUN_EMU ? " '--on=emu'" : "", c->scheme->name,
		c->down->trace->name, c->buffer_bdp, c->delay_ms, c->loss, c->noise.size, c->seed,
		c->duration_s);
	char *queue = c->queue == QUEUE_INFINITE
			      ? file_path("infinite")
			      : file_path("%s [packets=%" PRIu32 "%s%s]", run_queue_name(c->queue),
					c->queue_pkts, managed ? " " : "", args);
	char *config = file_path("[delay %g ms]", c->delay_ms);
	const struct link_log_conf conf = {.direction = down ? "Downlink" : "Uplink",
		.trace = (down ? c->down : c->up)->trace->name,
		.command = command,
		.queue = queue,
		.config = config,
		.init_ms = init_ms,
		.shown = shown};
	int err = link_log_open(out, path, &conf);

	free(shown);
	free(command);
	free(queue);
	free(config);
	return err;
}

static void put_senders(FILE *f, const struct scheme *s)
{
	for (int i = 0; i < s->n; i++) {
		const struct sender *one = &s->senders[i];

		fprintf(f, "sender %s %s %s\n", one->name,
			one->cc	     ? one->cc->name
			: one->model ? one->model->model->sha256
				     : "kernel",
			one->variant ? sender_variants[one->variant] + 1 : "-");
	}
}

static void put_guard(FILE *f, const struct run_conf *c)
{
	const struct guard_conf *j = c->guard;
	char digest[HASH_HEX];

	if (!j->properties || !scheme_model(c->scheme))
		return;
	hash_sha256(digest, &(struct hash_part){j->properties->text, strlen(j->properties->text)}, 1);
	fprintf(f, "properties %s engine %d slices %d budget %ld", digest, j->qc.engine, j->qc.slices, j->qc.budget);
	if (scheme_has(c->scheme, SENDER_FALLBACK))
		fprintf(f, " fallback %.17g", j->threshold);
	fputc('\n', f);
}

char *run_text(const struct run_conf *c)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	if (c->on == RUN_EMU)
		fprintf(f, "canopy run, emulator %d, kernel %s, %s\n", RUN_EMU_VERSION, c->kernel,
			run_traffic_name(c->traffic));
	else
		fprintf(f, "canopy run, simulator %d\n", SIM_VERSION);
	put_senders(f, c->scheme);
	put_guard(f, c);
	fprintf(f, "down %s %s\nup %s\n", c->down->trace->name, c->down->digest, c->up->digest);
	fprintf(f, "queue %s %" PRIu32 " nominal %.17g bdp %.17g\n", run_queue_name(c->queue),
		c->queue_pkts, c->nominal_mbps, c->buffer_bdp);
	fprintf(f, "aqm %" PRIu64 " %" PRIu64 " %" PRIu64 " ecn %d\n", c->aqm.target_ns,
		c->aqm.interval_ns, c->aqm.burst_ns, c->ecn);
	fprintf(f, "burst-loss %.17g %.17g %.17g %.17g\n", c->burst_loss.p, c->burst_loss.r,
		c->burst_loss.bad, c->burst_loss.good);
	fprintf(f, "delay %.17g loss %.17g seed %" PRIu64 "\n", c->delay_ms, c->loss, c->seed);
	fprintf(f, "noise %d %d %.17g\n", c->noise.kind, c->noise.kind ? (int)c->noise.feature : 0,
		c->noise.size);
	fprintf(f, "duration %.17g skip-end %.17g\n", c->duration_s, c->skip_end_s);
	fprintf(f, "flows %d stagger %.17g flow-time %.17g extra", c->flows, c->stagger_s,
		c->flow_s);
	for (int i = 0; i < c->flows && i < c->nextra; i++)
		fprintf(f, " %.17g", c->extra_ms[i]);
	fprintf(f, "\npacing %d", c->pacing);
	if (c->on == RUN_SIM)
		fprintf(f, " hz %" PRIu32, c->hz);
	if (c->on == RUN_SIM || c->poll_ns)
		fprintf(f, " ms-delay %d poll %" PRIu32, c->ms_delay, c->poll_ns);
	fputc('\n', f);
	if (fclose(f))
		abort();
	return text;
}

void run_id(struct run_conf *c)
{
	char hex[HASH_HEX], *text = run_text(c);

	hash_sha256(hex, &(struct hash_part){text, strlen(text)}, 1);
	free(text);
	snprintf(c->id, sizeof(c->id), "%.16s", hex);
}
