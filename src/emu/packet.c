/* IPv4 and IPv6 headers, as far as the emulator looks. */
#include "emu/packet.h"

#include <netinet/in.h>

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ECN_MASK 3
#define FRAGMENT_OFFSET 0x1fff

static unsigned word(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static bool crosses4(const uint8_t *ip)
{
	return (ip[0] >> 4) == 4 && !(ip[16] == 224 && ip[17] == 0 && ip[18] == 0) &&
	       !(ip[16] == 255 && ip[17] == 255 && ip[18] == 255 && ip[19] == 255);
}

// Link-local scope: ff02::/16 and fe80::/10.
static bool crosses6(const uint8_t *ip)
{
	const uint8_t *dst = ip + 24;

	return (ip[0] >> 4) == 6 && !(dst[0] == 0xff && (dst[1] & 0xf) <= 2) &&
	       !(dst[0] == 0xfe && (dst[1] & 0xc0) == 0x80);
}

uint16_t packet_look(const uint8_t *frame, size_t len, bool *ect)
{
	const uint8_t *ip = frame + PACKET_ETH;
	unsigned type, ecn;

	if (len < PACKET_ETH + IP4_HEADER || len - PACKET_ETH > UINT16_MAX - PACKET_TUN)
		return 0;
	type = word(frame + 12);
	if (type == 0x0800 && crosses4(ip))
		ecn = ip[1] & ECN_MASK;
	else if (type == 0x86dd && len >= PACKET_ETH + IP6_HEADER && crosses6(ip))
		ecn = ip[1] >> 4 & ECN_MASK;
	else
		return 0;
	*ect = ecn != 0;
	return len - PACKET_ETH + PACKET_TUN;
}

bool packet_ports(const uint8_t *frame, size_t len, uint16_t *source, uint16_t *destination)
{
	const uint8_t *ip = frame + PACKET_ETH;
	bool six = (ip[0] >> 4) == 6;
	size_t at = PACKET_ETH + (six ? IP6_HEADER : (ip[0] & 0xf) * 4u);
	uint8_t protocol = six ? ip[6] : ip[9];
	bool fragment = !six && word(ip + 6) & FRAGMENT_OFFSET;

	if ((protocol != IPPROTO_TCP && protocol != IPPROTO_UDP) || fragment || len < at + 4)
		return false;
	*source = word(frame + at);
	*destination = word(frame + at + 2);
	return true;
}

void packet_mark(uint8_t *frame)
{
	uint8_t *ip = frame + PACKET_ETH;
	unsigned old = word(ip), sum;

	if ((ip[0] >> 4) == 6) {
		ip[1] |= ECN_MASK << 4;
		return;
	}
	ip[1] |= ECN_MASK;
	// HC' = ~(~HC + ~m + m')
	sum = (~word(ip + 10) & 0xffff) + (~old & 0xffff) + word(ip);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	ip[10] = ~sum >> 8;
	ip[11] = ~sum;
}
