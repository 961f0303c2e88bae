/* Reads iperf3's report. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "emu/iperf3.h"

#define ABSURD 1e15

// A number of the only stream of an interval; NaN where there is none.
static double number(const json_t *interval, const char *key)
{
	const json_t *v =
		json_object_get(json_array_get(json_object_get(interval, "streams"), 0), key);
	double x = json_is_number(v) ? json_number_value(v) : NAN;

	return x >= 0 && x <= ABSURD ? x : NAN;
}

// What the server received up to t, in proportion within an interval.
static double received(const json_t *intervals, double t)
{
	double sum = 0;

	for (size_t k = 0; k < json_array_size(intervals); k++) {
		const json_t *at = json_array_get(intervals, k);
		double from = number(at, "start"), to = number(at, "end");
		double bytes = number(at, "bytes");

		if (!(to > from) || isnan(bytes) || t <= from)
			continue;
		sum += t >= to ? bytes : bytes * (t - from) / (to - from);
	}
	return fmin(sum, ABSURD);
}

// What the client saw at the end of the last interval before t.
static void seen(struct flow_sample *s, const json_t *intervals, double t, double mss)
{
	double retrans = 0;

	for (size_t k = 0; k < json_array_size(intervals); k++) {
		const json_t *at = json_array_get(intervals, k);
		double cwnd = number(at, "snd_cwnd"), rtt = number(at, "rtt");
		double more = number(at, "retransmits");

		if (!(number(at, "end") <= t))
			continue;
		retrans += isnan(more) ? 0 : more;
		if (cwnd / mss < UINT32_MAX)
			s->cwnd = cwnd / mss;
		if (!(rtt > 0 && rtt < UINT32_MAX))
			continue;
		s->srtt_us = rtt;
		if (!s->min_rtt_us || s->srtt_us < s->min_rtt_us)
			s->min_rtt_us = s->srtt_us;
	}
	s->retrans = fmin(retrans, UINT32_MAX);
}

static int fail(char why[IPERF3_WHY], const char *text)
{
	snprintf(why, IPERF3_WHY, "%s", text);
	return -EINVAL;
}

int iperf3_read(struct flow_sample *s, uint64_t *bytes, const uint64_t *t_ns, int n,
	uint64_t start_ns, const char *text, size_t len, char why[IPERF3_WHY])
{
	json_error_t e;
	json_t *report = json_loadb(text, len, 0, &e);
	const json_t *client = json_object_get(report, "intervals");
	const json_t *server =
		json_object_get(json_object_get(report, "server_output_json"), "intervals");
	const char *error = json_string_value(json_object_get(report, "error"));
	double mss = json_number_value(
		json_object_get(json_object_get(report, "start"), "tcp_mss_default"));
	int err = 0;

	if (!report)
		err = fail(why, e.text);
	else if (error)
		err = fail(why, error);
	else if (!json_array_size(client) || !json_array_size(server) || !(mss >= 1))
		err = fail(why, "a report without the intervals of both sides or the MSS");
	for (int k = 0; k < n && !err; k++) {
		double t = t_ns[k] > start_ns ? (t_ns[k] - start_ns) * 1e-9 : 0;

		memset(&s[k], 0, sizeof(s[k]));
		bytes[k] = received(server, t);
		seen(&s[k], client, t, mss);
	}
	json_decref(report);
	return err;
}
