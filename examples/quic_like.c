/*
 * A transport in miniature that obeys a Canopy controller: one sender over a simulated 24 Mbit/s link with a FIFO
 * of 50 packets and a round trip of 40 ms, in which every packet is acknowledged by itself and a packet counts
 * as lost when three later ones have been acknowledged (RFC 9002's packet threshold).
 *
 *	quic_like [CONTROLLER] [SECONDS]     cubic, reno, vegas, bbr or a model file; 20
 */
#include <canopy/controller.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES 1252ull /* on the wire */
#define RATE_BPS 24000000ull
#define RTT_NS 40000000ull
#define FIFO 50
#define WINDOW 1000 /* largest */
#define RING (4 * WINDOW)
#define THRESHOLD 3

static struct packet {
	struct canopy_packet record;
	uint64_t acked_ns; /* when its acknowledgement arrives, CANOPY_NEVER: the queue was full */
	int done;
} ring[RING];

static uint64_t sent, oldest;          /* packet numbers: next to send, first not done */
static uint64_t link_free_ns;          /* when the link has sent all that it holds */
static uint64_t ack_next;              /* next number whose acknowledgement may arrive */

static struct packet *at(uint64_t n)
{
	return &ring[n % RING];
}

static int send_one(struct canopy_controller *c, uint64_t now)
{
	struct packet *p = at(sent++);
	uint64_t busy = link_free_ns > now ? link_free_ns - now : 0, service = BYTES * 8000000000ull / RATE_BPS;

	memset(p, 0, sizeof(*p));
	p->acked_ns = CANOPY_NEVER;
	if (busy / service < FIFO) {
		link_free_ns = now + busy + service;
		p->acked_ns = link_free_ns + RTT_NS;
	}
	return canopy_controller_on_packet_sent(c, now, &p->record);
}

/* The acknowledgement of packet n, and what it shows to be lost. */
static int acknowledge(struct canopy_controller *c, uint64_t n)
{
	struct canopy_packet *acked = &at(n)->record, *lost[RING];
	struct canopy_ack ack = {.now_ns = at(n)->acked_ns, .acked = &acked, .nacked = 1, .lost = lost};

	at(n)->done = 1;
	for (uint64_t i = oldest; i + THRESHOLD <= n; i++)
		if (!at(i)->done) {
			lost[ack.nlost++] = &at(i)->record;
			at(i)->done = 1;
		}
	while (oldest < sent && at(oldest)->done)
		oldest++;
	return canopy_controller_on_ack(c, &ack);
}

/* Next acknowledgement: they arrive in order, those of dropped packets never do. */
static uint64_t next_ack(void)
{
	while (ack_next < sent && at(ack_next)->acked_ns == CANOPY_NEVER)
		ack_next++;
	return ack_next < sent ? at(ack_next)->acked_ns : CANOPY_NEVER;
}

int main(int argc, char **argv)
{
	const struct canopy_controller_conf conf = {.packet_bytes = 1200, .wire_bytes = BYTES, .max_window = WINDOW};
	uint64_t now = 0, end = (uint64_t)((argc > 2 ? atof(argv[2]) : 20) * 1e9);
	struct canopy_controller *c;
	struct canopy_controller_stats s;

	if (canopy_controller_new(&c, argc > 1 ? argv[1] : "cubic", &conf, now))
		return 1;
	while (now < end) {
		uint64_t send, ack;

		while ((send = canopy_controller_next_send(c, now)) <= now)
			if (send_one(c, now))
				return 1;
		ack = next_ack();
		if (ack == CANOPY_NEVER && send == CANOPY_NEVER) { /* all in flight was dropped */
			while (oldest < sent) {
				struct canopy_packet *gone = &at(oldest++)->record;

				canopy_controller_on_timeout(c, now + 1000000000, &gone, 1);
			}
			now += 1000000000;
			continue;
		}
		now = ack < send ? ack : send;
		if (now == ack && acknowledge(c, ack_next++))
			return 1;
	}
	canopy_controller_stats(c, &s);
	printf("utilisation %.1f %%, rtt %.1f ms (least %.1f), window %u packets, ssthresh %u, %.1f Mbit/s paced, "
	       "%llu of %llu packets lost in %llu recoveries\n",
		100. * s.delivered * BYTES * 8 / (RATE_BPS * (end * 1e-9)), s.srtt_ns * 1e-6, s.min_rtt_ns * 1e-6,
		canopy_controller_window(c), canopy_controller_ssthresh(c),
		canopy_controller_pacing_rate(c) * 8e-6, (unsigned long long)s.lost, (unsigned long long)s.sent,
		(unsigned long long)s.recoveries);
	canopy_controller_free(c);
	return 0;
}
