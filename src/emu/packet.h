/*
 * What the emulator must know of a frame: whether it crosses the path, its size and its ECN bits.
 *
 * A frame is an Ethernet header and an IPv4 or IPv6 packet. Anything else, and what a router does
 * not forward (link-local multicast and broadcast), belongs to the devices and not to the path.
 */
#ifndef EMU_PACKET_H
#define EMU_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKET_ETH 14 /* bytes of the Ethernet header */
#define PACKET_TUN 4  /* what mahimahi's sizes count besides the IP packet */

/*
 * Bytes at the link (IP packet + 4) of a frame of len bytes, 0 when it does not cross the path.
 * Sets *ect when the transport is ECN-capable.
 */
uint16_t packet_look(const uint8_t *frame, size_t len, bool *ect);

/* The ports of TCP or UDP in a frame that packet_look took; false where it has none. */
bool packet_ports(const uint8_t *frame, size_t len, uint16_t *source, uint16_t *destination);

/* Sets CE (RFC 3168) on a frame that packet_look took; IPv4's checksum follows (RFC 1624). */
void packet_mark(uint8_t *frame);

#endif
