/* Captures: headers, checksums and sequence numbers checked here, what TCP makes of them by tshark
 * where it is. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "eval/run.h"
#include "plans.h"
#include "sim/pcap.h"
#include "sim/world.h"

#define MAX_FLOWS 8

enum { MSS = 1448, DATA_BYTES = 1504, SYN_BYTES = 64 };

/* What a reader knows of one direction of a flow. */
struct seen {
	uint32_t syns, acks, packets, retrans, sacks, ts;
	uint64_t
		end; /* data: highest sequence number, not wrapped; ACKs: highest acknowledgement */
};

struct reader {
	const uint8_t *p, *end;
	uint64_t t_ns;
	struct seen flow[MAX_FLOWS][2];
};

static uint32_t be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
	return be16(p) << 16 | be16(p + 2);
}

static uint32_t le32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

// RFC 1071 over whole header bytes; right when it is 0xffff with the checksum in place.
static uint32_t ones_sum(uint32_t sum, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 2)
		sum += be16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

// The SACK blocks of an ACK lie above it, or below as a duplicate's report, and within what was
// sent.
static void check_sacks(const uint8_t *opt, int n, uint32_t ack, struct seen *s, uint64_t sent_end)
{
	for (int i = 0; i < n; i++) {
		uint32_t from = be32(opt + 8 * i), to = be32(opt + 8 * i + 4);

		assert_true(from < to && to <= sent_end);
		assert_true(from > ack || (!i && to <= ack) || (!i && n > 1));
		assert_int_equal((from - 1) % MSS, 0);
		assert_int_equal((to - 1) % MSS, 0);
	}
	s->sacks += n;
}

static void check_options(
	const uint8_t *tcp, int len, bool syn, bool back, struct seen *s, uint64_t sent_end)
{
	static const uint8_t kinds[] = {2, 4, 8, 1, 3};
	bool found_ts = false;
	int k = 0;

	for (const uint8_t *o = tcp + 20; o < tcp + len; o += *o == 1 ? 1 : o[1]) {
		if (syn)
			assert_int_equal(*o, kinds[k++]);
		if (*o == 1)
			continue;
		assert_true(o + o[1] <= tcp + len);
		if (*o == 8) {
			assert_true(be32(o + 2) >= s->ts); // a clock does not run backwards
			s->ts = be32(o + 2);
			found_ts = true;
		} else if (*o == 5) {
			assert_true(back && !syn);
			check_sacks(o + 2, (o[1] - 2) / 8, be32(tcp + 8), s, sent_end);
		}
	}
	assert_true(found_ts);
}

static void check_numbers(
	struct reader *r, int flow, bool back, const uint8_t *tcp, uint32_t payload)
{
	struct seen *s = &r->flow[flow][back], *other = &r->flow[flow][!back];
	uint32_t seq = be32(tcp + 4), ack = be32(tcp + 8);

	if (tcp[13] & 2) {
		assert_int_equal(seq, 0);
		assert_int_equal(tcp[13], back ? 0x12 : 2);
		s->syns++;
	} else if (back || !payload) {
		assert_int_equal(tcp[13], 0x10);
		assert_int_equal(seq, 1);
		assert_true(ack >= 1 && (!back || (ack <= other->end && ack >= s->end)));
		s->end = back ? ack : 1;
		s->acks++;
	} else {
		assert_int_equal(s->acks, 1); // the handshake is over
		assert_int_equal(payload, MSS);
		assert_int_equal((seq - 1) % MSS, 0);
		assert_true(seq <= s->end); // nothing is missing before the bottleneck
		s->packets++;
		s->retrans += seq < s->end;
		s->end = seq < s->end ? s->end : seq + payload;
	}
}

static void check_packet(struct reader *r)
{
	const uint8_t *rec = r->p, *ip = rec + 16, *tcp = ip + 20;
	uint64_t t_ns = le32(rec) * SEC + le32(rec + 4);
	uint32_t caught = le32(rec + 8), whole = le32(rec + 12), tcp_len = (tcp[12] >> 4) * 4;
	bool back = ip[15] == 2;
	int flow = (int)be16(tcp + 2 * back) - PCAP_SENDER_PORT;

	assert_true(r->end - rec >= 16 + 40 && r->end - ip >= caught);
	assert_true(t_ns >= r->t_ns && le32(rec + 4) < SEC);
	r->t_ns = t_ns;
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(be16(ip + 2), whole);
	assert_int_equal(caught, 20 + tcp_len);
	assert_int_equal(ones_sum(0, ip, 20), 0xffff);
	assert_int_equal(ones_sum(6 + whole - 20, ip + 12, 8 + tcp_len), 0xffff);
	assert_true(flow >= 0 && flow < MAX_FLOWS);
	assert_int_equal(be16(tcp + 2 * !back), PCAP_RECEIVER_PORT);
	check_numbers(r, flow, back, tcp, whole - caught);
	check_options(tcp, tcp_len, tcp[13] & 2, back, &r->flow[flow][back], r->flow[flow][0].end);
	r->p = ip + caught;
}

static void check_file(struct reader *r, const char *data, size_t len)
{
	*r = (struct reader){(const uint8_t *)data + 24, (const uint8_t *)data + len, 0, {{{0}}}};
	assert_true(len > 24);
	assert_int_equal(le32((const uint8_t *)data), PCAP_MAGIC_NS);
	assert_int_equal(le32((const uint8_t *)data + 16), PCAP_SNAPLEN);
	assert_int_equal(le32((const uint8_t *)data + 20), PCAP_LINKTYPE_RAW);
	while (r->p < r->end)
		check_packet(r);
	assert_ptr_equal(r->p, r->end);
}

static char *run_captured(struct run_result *r, const struct plan *g, int i)
{
	const struct run_io io = {.dir = dir, .pcap = true};
	char *folder = file_path("%s/pcap", dir);

	assert_int_equal(file_mkdirs(folder), 0);
	assert_int_equal(run_one(r, &g->runs[i], &io), 0);
	free(folder);
	return file_path("%s/pcap/%s.pcap", dir, r->id);
}

// Flows stop early, so that nothing is under way at the end and the capture and the counters agree
// exactly.
#define DRAINED "duration=6", "flow-time=4"

static void capture_is_tcp(void **state)
{
	struct plan g;

	assert_int_equal(
		PLAN(&g, DRAINED, "controllers=cubic,bbr+reno+cubic", "traces=wired12,cellular:1",
			"buffers=0.5,2", "loss=0,0.02", "extra-delays=0,15"),
		0);
	for (int i = 0; i < g.n; i++) {
		struct reader *rd = malloc(sizeof(*rd));
		struct run_result r;
		char *path = run_captured(&r, &g, i), *data;
		int64_t packets = 0, retrans = 0, sacks = 0;
		size_t len;

		assert_int_equal(file_read(path, 64 << 20, &data, &len), 0);
		check_file(rd, data, len);
		for (int f = 0; f < r.nflows; f++) {
			const struct seen *fwd = rd->flow[f], *back = fwd + 1;

			assert_int_equal(fwd->retrans, r.flows[f].retrans);
			assert_true(fwd->syns >= 1 && back->syns >= 1);
			assert_int_equal(back->end, fwd->end); // all was acknowledged
			packets += fwd->packets + fwd->syns;
			retrans += fwd->retrans;
			sacks += back->sacks;
		}
		assert_int_equal(retrans, r.retrans);
		assert_true(r.loss > 0 ? packets > r.arrivals : packets == r.arrivals);
		assert_true(!r.drops || sacks > 0);
		free(rd);
		free(data);
		free(path);
		free(r.flows);
	}
	plan_free(&g);
}

static void capturing_changes_nothing(void **state)
{
	const struct run_io plain = {.dir = dir};
	struct run_result a, b;
	const char *bad;
	char *path, *x, *y;
	struct plan g;

	assert_int_equal(
		PLAN(&g, "duration=3", "controllers=cubic", "traces=cellular:1", "buffers=1"), 0);
	path = run_captured(&a, &g, 0);
	assert_int_equal(run_one(&b, &g.runs[0], &plain), 0);
	x = results_format(&a, &bad);
	y = results_format(&b, &bad);
	assert_string_equal(x, y);
	free(x);
	free(y);
	free(path);
	free(a.flows);
	free(b.flows);
	plan_free(&g);
}

// Sequence numbers go on past 2^32, which a long run on a fast link reaches.
static void sequence_numbers_wrap(void **state)
{
	char *path = file_path("%s/wrap.pcap", dir), *data;
	struct sack_block b = {3000000, 3000001};
	struct pkt k = {.seq = 2999999, .bytes = DATA_BYTES, .ts_ms = 20};
	const uint8_t *tcp;
	struct pcap *p;
	size_t len;

	assert_int_equal(pcap_open(&p, path, 1), 0);
	pcap_ack(p, &(struct pkt){.seq = 2999998, .flags = PKT_ACK, .nsack = 1, .t_ns = 7 * MS}, &b,
		8 * MS, 18 * MS);
	pcap_data(p, &k, 5 * SEC + 9);
	assert_int_equal(pcap_close(p), 0);
	assert_int_equal(file_read(path, 4096, &data, &len), 0);
	assert_int_equal(len, 24 + 16 + 64 + 2 * (16 + 52));
	tcp = (const uint8_t *)data + 24 + 16 + 20;
	assert_int_equal(be32(tcp + 8), (uint32_t)(1 + 2999998ull * MSS));
	assert_int_equal(be32(tcp + 36), (uint32_t)(1 + 3000000ull * MSS));
	tcp = (const uint8_t *)data + len - 32;
	assert_int_equal(be32(tcp + 4), (uint32_t)(1 + 2999999ull * MSS));
	assert_int_equal(be32(tcp + 28), 7); // the echo of the ACK that had arrived at 18 ms
	assert_int_equal(le32((const uint8_t *)data + len - 68), 5);
	assert_int_equal(le32((const uint8_t *)data + len - 64), 9);
	free(data);
	free(path);
}

static void unwritable_is_an_error(void **state)
{
	char *path = file_path("%s/none/x.pcap", dir);
	struct pcap *p;

	log_set_level(LOG_ERR - 1);
	assert_int_equal(pcap_open(&p, path, 1), -ENOENT);
	assert_int_equal(pcap_open(&p, "/dev/full", 1), 0);
	pcap_data(p, &(struct pkt){.flags = PKT_SYN, .bytes = SYN_BYTES}, 0);
	assert_int_equal(pcap_close(p), -ENOSPC);
	log_set_level(LOG_WARN);
	free(path);
}

// Packets of the capture that a filter of tshark's takes.
static int filtered(const char *path, const char *filter)
{
	char *cmd = file_path(
		"tshark -r '%s' -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE -Y '%s' "
		"2>/dev/null | wc -l",
		path, filter);
	FILE *f = popen(cmd, "r");
	int n = -1;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	assert_int_equal(pclose(f), 0);
	free(cmd);
	return n;
}

static void wireshark_agrees(void **state)
{
	struct plan g;

	if (system("tshark --version >/dev/null 2>&1")) {
		print_message("skip: tshark is not installed\n");
		skip();
	}
	assert_int_equal(PLAN(&g, DRAINED, "controllers=cubic,bbr+cubic",
				 "traces=wired12,cellular:1", "buffers=0.5", "loss=0.01"),
		0);
	for (int i = 0; i < g.n; i++) {
		struct run_result r;
		char *path = run_captured(&r, &g, i);

		assert_true(r.retrans > 0);
		assert_int_equal(filtered(path, "tcp.len>0 && (tcp.analysis.retransmission || "
						"tcp.analysis.fast_retransmission || "
						"tcp.analysis.spurious_retransmission || "
						"tcp.analysis.out_of_order)"),
			r.retrans);
		assert_int_equal(
			filtered(path,
				"_ws.malformed || ip.checksum.status==0 || tcp.checksum.status==0"),
			0);
		assert_int_equal(
			filtered(path,
				"tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment || "
				"tcp.analysis.window_full || tcp.analysis.zero_window || "
				"tcp.analysis.reused_ports"),
			0);
		assert_int_equal(
			filtered(path,
				"tcp.flags.syn==1 && tcp.flags.ack==0 && !tcp.analysis.flags"),
			r.nflows);
		free(path);
		free(r.flows);
	}
	plan_free(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capture_is_tcp),
		cmocka_unit_test(capturing_changes_nothing),
		cmocka_unit_test(sequence_numbers_wrap),
		cmocka_unit_test(unwritable_is_an_error),
		cmocka_unit_test(wireshark_agrees),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
