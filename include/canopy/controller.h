/*
 * A congestion controller for another transport: a QUIC stack, a user-space TCP, a simulator.
 *
 * The transport owns packets, acknowledgements and loss detection; the handle owns the window, the
 * pacing rate and what they are computed from: delivery-rate samples (draft-cheng-iccrg-delivery-
 * rate-estimation, Linux's tcp_rate.c), smoothed and minimum RTT, packets delivered, lost and in
 * flight. It reproduces Linux's order of events, so that a controller here behaves as in the
 * kernel and in Canopy's simulator.
 *
 * Model of the transport. Every transmission is a packet of its own, as in QUIC: what carries lost
 * data again is a new packet. For each packet in flight the transport keeps a struct
 * canopy_packet; a packet ends by being acknowledged, declared lost, or forgotten. Windows count
 * packets, whatever their size.
 *
 *	loop:
 *	  while there is data and canopy_controller_next_send(c, now) <= now:
 *	    send a packet; canopy_controller_on_packet_sent(c, now, &its_record)
 *	  out of data while that still held: canopy_controller_on_app_limited(c, now)
 *	  else sleep until that time, the next acknowledgement or the transport's own timers
 *	an acknowledgement: canopy_controller_on_ack(c, &ack), with what it showed to be lost
 *	a loss timer: canopy_controller_on_loss(c, now, ...)
 *	an RTO, persistent congestion: canopy_controller_on_timeout(c, now, ...)
 *
 * Loss. The first loss outside recovery enters recovery: ssthresh drops (CUBIC 0.7, Reno 0.5 of
 * the window), the window then moves from the packets in flight to ssthresh by Proportional Rate
 * Reduction (RFC 6937) as acknowledgements come in. Recovery ends, as in RFC 9002, when a packet
 * sent after it began is acknowledged; the window is ssthresh then. Further losses of packets sent
 * before that do not reduce again. A timeout sets the window to what is in flight plus one packet
 * and slow-starts. If every packet of a reduction declared lost turns out delivered, the reduction
 * is undone. BBR sets its own window throughout. Nothing but obeying canopy_controller_next_send
 * is asked of the transport; one that ignores it for a probe (RFC 9002 PTO) may.
 *
 * Idle. Sending after more than an RTO without any packet halves the window once per RTO down to
 * the initial window (RFC 2861, Linux), except for BBR; the handle does it on the first packet.
 *
 * The policy of a model file (CUBIC, whose window a network multiplies about every 20 ms) runs
 * inside on_ack.
 */
#ifndef CANOPY_CONTROLLER_H
#define CANOPY_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "canopy/canopy.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CANOPY_NEVER UINT64_MAX

struct canopy_controller;

/*
 * What the handle must remember of a packet in flight: the transport keeps it, zeroed before the
 * packet is sent.
 */
struct canopy_packet {
	uint64_t opaque[6];
};

/* Zeroed fields mean the default in brackets. */
struct canopy_controller_conf {
	uint32_t packet_bytes;	 /* payload of a full packet [1200]; at most 65535 */
	uint32_t wire_bytes;	 /* the same with IP and transport headers [packet_bytes + 52] */
	uint32_t initial_window; /* packets [10] */
	uint32_t max_window;	 /* packets [1000000] */
	uint64_t initial_rtt_ns; /* the handshake's RTT, at most 500 s [unknown] */
	int32_t pacing;		 /* 1 on, -1 off [BBR paces, policies once slow start is over] */
	uint32_t slack_ns; /* how early a paced packet may leave, for coarse timers [1000000] */
	uint64_t seed;	   /* of BBR's random phases */
};

/*
 * what: "cubic", "reno", "vegas", "bbr", or the path of a model file. conf may be NULL. now_ns is
 * the transport's monotonic clock, whose later values all other calls give. -EINVAL: unknown name
 * (printed with the nearest one) or a bad conf; -ENOENT and other errors of reading, -EBADMSG: not
 * a model file; -ENOMEM.
 */
CANOPY_API int canopy_controller_new(struct canopy_controller **out, const char *what,
	const struct canopy_controller_conf *conf, uint64_t now_ns);
CANOPY_API void canopy_controller_free(struct canopy_controller *c);

/*
 * Events. Each returns 0, or -EINVAL and changes nothing when a pointer is NULL, time runs
 * backwards, or a packet is not in the state that the event needs; a packet listed twice counts
 * once.
 */

/* A packet leaves now; fills *p, which must not be of a packet in flight. */
CANOPY_API int canopy_controller_on_packet_sent(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *p);

/*
 * Nothing is left to send although canopy_controller_next_send allows it: rate samples are the
 * application's.
 */
CANOPY_API int canopy_controller_on_app_limited(struct canopy_controller *c, uint64_t now_ns);

struct canopy_ack {
	uint64_t now_ns;
	/* [nacked] newly acknowledged packets: in flight, or declared lost before */
	struct canopy_packet *const *acked;
	size_t nacked;
	/* [nlost] packets in flight, declared lost on account of this acknowledgement */
	struct canopy_packet *const *lost;
	size_t nlost;
	/* it reports congestion without loss (ECN-CE): reduces the window once a round trip */
	bool congestion;
};

/* An acknowledgement. A packet in both lists counts as acknowledged. */
CANOPY_API int canopy_controller_on_ack(struct canopy_controller *c, const struct canopy_ack *ack);

/* Packets in flight declared lost without an acknowledgement. */
CANOPY_API int canopy_controller_on_loss(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *const *lost, size_t n);

/*
 * A retransmission timeout or persistent congestion, with the packets in flight that are given up
 * (n may be 0).
 */
CANOPY_API int canopy_controller_on_timeout(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *const *lost, size_t n);

/* Packets in flight whose fate will never be known, neither delivered nor lost. */
CANOPY_API int canopy_controller_on_forget(
	struct canopy_controller *c, uint64_t now_ns, struct canopy_packet *const *gone, size_t n);

/*
 * When the next packet may leave: a time at or before now_ns for at once, a later one when pacing
 * holds it back, CANOPY_NEVER when the window is full until an acknowledgement comes. CANOPY_NEVER
 * for NULL.
 */
CANOPY_API uint64_t canopy_controller_next_send(struct canopy_controller *c, uint64_t now_ns);

/* The congestion window in packets, and the same times packet_bytes. Getters give 0 for NULL. */
CANOPY_API uint32_t canopy_controller_window(const struct canopy_controller *c);
CANOPY_API uint64_t canopy_controller_window_bytes(const struct canopy_controller *c);

/* bytes/s of payload, whether or not next_send paces by it */
CANOPY_API uint64_t canopy_controller_pacing_rate(const struct canopy_controller *c);

/* packets; 2^31 - 1 before the first reduction */
CANOPY_API uint32_t canopy_controller_ssthresh(const struct canopy_controller *c);

/* packets */
CANOPY_API uint32_t canopy_controller_in_flight(const struct canopy_controller *c);

enum canopy_controller_state { CANOPY_OPEN, CANOPY_REDUCING, CANOPY_RECOVERY, CANOPY_TIMED_OUT };

struct canopy_controller_stats {
	enum canopy_controller_state state;
	uint64_t sent, delivered, lost; /* packets since the start */
	uint64_t recoveries, timeouts, undone;
	uint64_t srtt_ns, min_rtt_ns; /* 0 before the first sample; the minimum is over 300 s */
	uint64_t rto_ns;	      /* RFC 6298, at least 200 ms; 1 s before the first sample */
	double delivery_rate;	      /* bytes/s of payload, the latest sample; 0 before it */
	uint64_t decisions;	      /* of a policy */
};

/* Fills *out. 0 or -EINVAL for NULL. */
CANOPY_API int canopy_controller_stats(
	const struct canopy_controller *c, struct canopy_controller_stats *out);

#ifdef __cplusplus
}
#endif

#endif
