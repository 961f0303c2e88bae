/*
 * A packet capture of a simulated dumbbell, as tcpdump would take it on the sending side of the
 * bottleneck: data as it arrives there, before random loss and the queue; ACKs as they leave the
 * way back. So every transmission is in the file, and a packet that was dropped shows as a later
 * retransmission.
 *
 * The file: pcap (magic 0xa1b23c4d, nanoseconds since the start of the world, little-endian),
 * LINKTYPE_RAW. Each record holds the headers, orig_len counts the payload too, which is zeros:
 * checksums are right for that.
 *
 *   sender 10.0.0.1, port 40000 + flow (numbered from 0)    receiver 10.0.0.2, port 5001
 *   sequence number of packet n: 1 + 1448 n, mod 2^32; initial sequence numbers are 0
 *   SYN, SYN-ACK: MSS 1460, SACK permitted, timestamps, window scale 14; windows are 1 GiB
 *   timestamps: milliseconds since the start of the world on either side
 *
 * What the simulator does not have, and the file does: the ACK that ends the handshake, right
 * before the first data, and the echoed timestamp on data, the newest that had reached the sender
 * by its millisecond clock.
 */
#ifndef SIM_PCAP_H
#define SIM_PCAP_H

#include <stdint.h>

#include "sim/pkt.h"

#define PCAP_MAGIC_NS 0xa1b23c4du
#define PCAP_LINKTYPE_RAW 101
#define PCAP_SNAPLEN 80 /* an IPv4 header and the longest TCP header */
#define PCAP_SENDER_PORT 40000
#define PCAP_RECEIVER_PORT 5001

struct pcap;

/* Creates the file with its header, for flows 0 .. nflows - 1. Prints the error. 0 or -errno. */
int pcap_open(struct pcap **out, const char *path, int nflows);

/* A SYN or data packet arrives at the bottleneck. In the order of time with pcap_ack. */
void pcap_data(struct pcap *p, const struct pkt *k, uint64_t now_ns);

/*
 * A SYN-ACK or ACK with k->nsack SACK blocks leaves the link of the way back. k->t_ns is when it
 * was sent; it reaches the sender at due_ns.
 */
void pcap_ack(struct pcap *p, const struct pkt *k, const struct sack_block *sacks, uint64_t now_ns,
	uint64_t due_ns);

/* Writes the rest, closes and frees. Prints a failed write, naming the file. NULL is fine. 0 or
 * -errno. */
int pcap_close(struct pcap *p);

#endif
