/* A packet socket on each device: TPACKET_V2 for what comes, sendmmsg for what goes. */
#include "emu/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "emu/packet.h"

#define RING_BYTES (32u << 20) /* 16384 frames of up to 1.9 KB: 49 ms at 4 Gbit/s */
#define BLOCK_BYTES (1u << 17)
#define HEADROOM 128 /* of the kernel's headers in each frame of the ring */
#define SEND_BYTES (16 << 20)
#define NS_PER_S 1000000000ull

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

struct port_clock port_clock_read(void)
{
	uint64_t real = clock_ns(CLOCK_REALTIME), mono = clock_ns(CLOCK_MONOTONIC);

	return (struct port_clock){mono, (int64_t)(mono - real)};
}

static int set(int fd, int name, int value)
{
	return setsockopt(fd, SOL_PACKET, name, &value, sizeof(value)) ? -errno : 0;
}

static int bind_to(int fd, int index, uint16_t protocol)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = index};

	return bind(fd, (struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
}

static int open_rx(struct port *p, int index)
{
	struct tpacket_req req = {.tp_block_size = BLOCK_BYTES,
		.tp_block_nr = RING_BYTES / BLOCK_BYTES,
		.tp_frame_size = p->frame_size,
		.tp_frame_nr = p->frames};
	int err;

	p->rx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->rx < 0)
		return -errno;
	err = set(p->rx, PACKET_VERSION, TPACKET_V2);
	if (!err && setsockopt(p->rx, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		err = -errno;
	if (!err)
		err = set(p->rx, PACKET_IGNORE_OUTGOING, 1);
	if (err)
		return err;
	p->ring =
		mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, p->rx, 0);
	if (p->ring == MAP_FAILED) {
		p->ring = NULL;
		return -errno;
	}
	return bind_to(p->rx, index, ETH_P_ALL);
}

static int open_tx(struct port *p, int index)
{
	int bytes = SEND_BYTES, err;

	p->tx = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->tx < 0)
		return -errno;
	err = set(p->tx, PACKET_QDISC_BYPASS, 1);
	// Without the privilege the default does: what is sent leaves the buffer at once.
	if (setsockopt(p->tx, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(p->tx, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	return err ? err : bind_to(p->tx, index, 0);
}

int port_open(struct port *p, const char *dev, uint32_t mtu)
{
	int index = if_nametoindex(dev), err = index ? 0 : -errno;

	memset(p, 0, sizeof(*p));
	p->rx = p->tx = -1;
	p->max_len = mtu + PACKET_ETH;
	p->frame_size = 1024;
	while (p->frame_size < p->max_len + HEADROOM)
		p->frame_size *= 2;
	p->frames = RING_BYTES / p->frame_size;
	for (int i = 0; i < PORT_BATCH; i++) {
		p->msg[i].msg_hdr.msg_iov = &p->iov[i];
		p->msg[i].msg_hdr.msg_iovlen = 1;
	}
	if (!err)
		err = open_rx(p, index);
	if (!err)
		err = open_tx(p, index);
	if (err) {
		pr_err("packet socket on %s: %s\n", dev, strerror(-err));
		port_close(p);
	}
	return err;
}

void port_close(struct port *p)
{
	if (p->ring)
		munmap(p->ring, RING_BYTES);
	if (p->rx > 0)
		close(p->rx);
	if (p->tx > 0)
		close(p->tx);
	memset(p, 0, sizeof(*p));
}

static struct tpacket2_hdr *slot(const struct port *p)
{
	return (struct tpacket2_hdr *)(p->ring + (size_t)p->next * p->frame_size);
}

void port_done(struct port *p)
{
	__atomic_store_n(&slot(p)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	p->next = p->next + 1 == p->frames ? 0 : p->next + 1;
}

bool port_next(
	struct port *p, const struct port_clock *clock, uint64_t until_ns, struct port_frame *f)
{
	for (;;) {
		struct tpacket2_hdr *h = slot(p);
		uint64_t at;

		if (!(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
			return false;
		if (h->tp_len > p->max_len || h->tp_snaplen < h->tp_len) {
			p->stats.oversize++;
			port_done(p);
			continue;
		}
		at = h->tp_sec * NS_PER_S + h->tp_nsec + clock->from_real_ns;
		if (at > clock->now_ns)
			at = clock->now_ns;
		if (at > until_ns)
			return false;
		if (at > p->last_ns)
			p->last_ns = at;
		*f = (struct port_frame){(const uint8_t *)h + h->tp_mac, h->tp_len, p->last_ns};
		p->stats.in++;
		return true;
	}
}

void port_put(struct port *p, uint8_t *data, uint32_t len)
{
	p->iov[p->n++] = (struct iovec){data, len};
}

void port_flush(struct port *p)
{
	int done = 0;

	while (done < p->n) {
		int k = sendmmsg(p->tx, p->msg + done, p->n - done, MSG_DONTWAIT);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0) { // the first of them is refused, the others may go
			p->stats.send_drops++;
			done++;
		} else {
			p->stats.out += k;
			done += k;
		}
	}
	p->n = 0;
}

void port_read_drops(struct port *p)
{
	struct tpacket_stats s;
	socklen_t len = sizeof(s);

	if (!getsockopt(p->rx, SOL_PACKET, PACKET_STATISTICS, &s, &len))
		p->stats.ring_drops += s.tp_drops;
}
