/* Packets of the simulator as IPv4 and TCP headers in a pcap file. */
#include "sim/pcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "sim/flow.h"

enum {
	IP_LEN = 20,
	TCP_LEN = 20,
	WSCALE = 14,
	FLAG_SYN = 2,
	FLAG_ACK = 16,
	LINK_HEADER = 4, /* counted by the link, not part of the packet */
};

// Timestamps on their way to the sender.
struct echo {
	uint64_t due_ms;
	uint32_t ts_ms;
};

struct capture {
	bool established;   /* the handshake's last ACK is written */
	uint16_t id[2];	    /* next IP identification, by direction */
	uint32_t ts_recent; /* newest timestamp the sender has of the receiver */
	struct echo *echo;  /* ring [mask + 1] */
	uint32_t mask, head, tail;
};

struct pcap {
	FILE *f;
	char *path;
	int nflows;
	struct capture flows[];
};

/* A TCP segment; the addresses and ports follow from flow and direction. */
struct segment {
	uint32_t flow, seq, ack, ts, ts_echo, payload;
	uint8_t flags, nsack;
	bool back; /* from the receiver */
	const struct sack_block *sacks;
};

static uint8_t *put16(uint8_t *p, uint32_t v)
{
	p[0] = v >> 8;
	p[1] = v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	return put16(put16(p, v >> 16), v & 0xffff);
}

static uint8_t *put_le32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		*p++ = v >> 8 * i;
	return p;
}

// RFC 1071: ones' complement sum of n bytes, n even, on top of sum.
static uint32_t add_words(uint32_t sum, const uint8_t *p, int n)
{
	for (int i = 0; i < n; i += 2)
		sum += p[i] << 8 | p[i + 1];
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static uint32_t seq_of(uint32_t packet)
{
	return 1 + packet * MSS;
}

static uint8_t *put_options(uint8_t *p, const struct segment *s)
{
	static const uint8_t syn[] = {
		2, 4, (MTU - 40) >> 8, (MTU - 40) & 0xff, 4, 2}; // MSS, SACK permitted
	static const uint8_t pad[] = {1, 1};

	if (s->flags & FLAG_SYN)
		p = mempcpy(p, syn, sizeof(syn));
	else
		p = mempcpy(p, pad, sizeof(pad));
	*p++ = 8; // timestamps
	*p++ = 10;
	p = put32(put32(p, s->ts), s->ts_echo);
	if (s->flags & FLAG_SYN)
		p = mempcpy(p, (uint8_t[]){1, 3, 3, WSCALE}, 4);
	if (!s->nsack)
		return p;
	p = mempcpy(p, pad, sizeof(pad));
	*p++ = 5;
	*p++ = 2 + s->nsack * SACK_BYTES;
	for (int i = 0; i < s->nsack; i++)
		p = put32(put32(p, seq_of(s->sacks[i].start)), seq_of(s->sacks[i].end));
	return p;
}

// The TCP header at p, checksum 0; returns its end.
static uint8_t *put_tcp(uint8_t *p, const struct segment *s)
{
	uint16_t port = PCAP_SENDER_PORT + s->flow;
	uint8_t *at = p, *end;

	p = put16(p, s->back ? PCAP_RECEIVER_PORT : port);
	p = put16(p, s->back ? port : PCAP_RECEIVER_PORT);
	p = put32(put32(p, s->seq), s->ack);
	p += 2;
	p = put16(p, 65535);
	p = put32(p, 0); // checksum, urgent pointer
	end = put_options(p, s);
	put16(at + 12, (end - at) / 4 << 12 | s->flags);
	return end;
}

static void put_ip(uint8_t *p, uint32_t len, uint16_t id, bool back)
{
	memset(p, 0, IP_LEN);
	p[0] = 0x45;
	put16(p + 2, len);
	put16(p + 4, id);
	put16(p + 6, 0x4000); // don't fragment
	p[8] = 64;
	p[9] = 6;
	put32(p + 12, 0x0a000001 + back);
	put32(p + 16, 0x0a000002 - back);
	put16(p + 10, fold(add_words(0, p, IP_LEN)));
}

static void write_segment(struct pcap *p, const struct segment *s, uint64_t now_ns)
{
	uint8_t rec[16 + PCAP_SNAPLEN], *ip = rec + 16, *tcp = ip + IP_LEN, *end = put_tcp(tcp, s),
					*at = rec;
	uint32_t tcp_len = end - tcp + s->payload;

	put_ip(ip, IP_LEN + tcp_len, p->flows[s->flow].id[s->back]++, s->back);
	put16(tcp + 16, fold(add_words(6 + tcp_len, ip + 12,
				8 + (end - tcp)))); // addresses lie before the header
	at = put_le32(at, now_ns / SEC);
	at = put_le32(at, now_ns % SEC);
	at = put_le32(at, end - ip);
	put_le32(at, IP_LEN + tcp_len);
	fwrite(rec, end - rec, 1, p->f);
}

static void free_all(struct pcap *p)
{
	for (int i = 0; i < p->nflows; i++)
		free(p->flows[i].echo);
	free(p->path);
	free(p);
}

int pcap_open(struct pcap **out, const char *path, int nflows)
{
	struct pcap *p = calloc(1, sizeof(*p) + nflows * sizeof(p->flows[0]));
	uint8_t head[24] = {0};
	int err = 0;

	if (!p)
		return -ENOMEM;
	p->nflows = nflows;
	p->path = file_path("%s", path);
	for (int i = 0; i < nflows; i++) {
		p->flows[i].mask = 63;
		p->flows[i].echo = malloc(64 * sizeof(struct echo));
		err = p->flows[i].echo ? err : -ENOMEM;
	}
	if (!err) {
		p->f = fopen(path, "we");
		err = p->f ? 0 : -errno;
		if (err)
			pr_err("%s: %s\n", path, strerror(-err));
	}
	if (err) {
		free_all(p);
		return err;
	}
	setvbuf(p->f, NULL, _IOFBF, 1 << 16);
	put_le32(head, PCAP_MAGIC_NS);
	head[4] = 2, head[6] = 4; // version 2.4
	put_le32(put_le32(head + 16, PCAP_SNAPLEN), PCAP_LINKTYPE_RAW);
	fwrite(head, sizeof(head), 1, p->f);
	*out = p;
	return 0;
}

int pcap_close(struct pcap *p)
{
	int err;

	if (!p)
		return 0;
	err = file_close(p->f, p->path);
	free_all(p);
	return err;
}

static void push_echo(struct capture *c, struct echo e)
{
	if (c->tail - c->head > c->mask) {
		uint32_t mask = 2 * c->mask + 1;
		struct echo *more = malloc((mask + 1ull) * sizeof(*more));

		if (!more)
			abort();
		for (uint32_t i = c->head; i != c->tail; i++)
			more[i & mask] = c->echo[i & c->mask];
		free(c->echo);
		c->echo = more;
		c->mask = mask;
	}
	c->echo[c->tail++ & c->mask] = e;
}

void pcap_data(struct pcap *p, const struct pkt *k, uint64_t now_ns)
{
	struct capture *c = &p->flows[k->flow];
	struct segment s = {.flow = k->flow, .ts = k->ts_ms, .flags = FLAG_SYN};

	if (!(k->flags & PKT_SYN)) {
		while (c->head != c->tail && c->echo[c->head & c->mask].due_ms <= k->ts_ms)
			c->ts_recent = c->echo[c->head++ & c->mask].ts_ms;
		s.ts_echo = c->ts_recent;
		s.seq = s.ack = 1;
		s.flags = FLAG_ACK;
		if (!c->established)
			write_segment(p, &s, now_ns);
		c->established = true;
		s.seq = seq_of(k->seq);
		s.payload = k->bytes - LINK_HEADER - IP_LEN - TCP_LEN - 12;
	}
	write_segment(p, &s, now_ns);
}

void pcap_ack(struct pcap *p, const struct pkt *k, const struct sack_block *sacks, uint64_t now_ns,
	uint64_t due_ns)
{
	bool syn = k->flags & PKT_SYN;
	struct segment s = {.flow = k->flow,
		.back = true,
		.seq = !syn,
		.ack = seq_of(k->seq),
		.ts = k->t_ns / MS,
		.ts_echo = k->ts_ms,
		.flags = FLAG_ACK | (syn ? FLAG_SYN : 0),
		.nsack = k->nsack,
		.sacks = sacks};

	push_echo(&p->flows[k->flow], (struct echo){due_ns / MS, s.ts});
	write_segment(p, &s, now_ns);
}
