/*
 * One end of the emulated path in the emulator's own namespace: a packet socket on a device, with a
 * ring shared with the kernel for what comes and batches of sendmmsg for what goes.
 *
 * The kernel stamps what comes when it comes, so that reading late does not move arrivals.
 */
#ifndef EMU_PORT_H
#define EMU_PORT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PORT_BATCH 4 /* frames handed to the kernel at once */

struct port_stats {
	uint64_t ring_drops; /* came while the ring was full */
	uint64_t send_drops; /* the kernel did not take */
	uint64_t oversize;   /* longer than the MTU: refused */
	uint64_t in, out;    /* frames */
};

struct port {
	int rx, tx;
	uint8_t *ring;
	uint32_t frames, frame_size, max_len, next;
	uint64_t last_ns; /* stamp of the frame that came last */
	struct port_stats stats;
	int n; /* frames in the batch */
	struct mmsghdr msg[PORT_BATCH];
	struct iovec iov[PORT_BATCH];
};

/* A frame that came; data is good until port_done. */
struct port_frame {
	const uint8_t *data;
	uint32_t len;
	uint64_t at_ns; /* CLOCK_MONOTONIC */
};

/* Opens device dev of the current namespace for packets of at most mtu bytes. Prints. 0 or -errno.
 */
int port_open(struct port *p, const char *dev, uint32_t mtu);
void port_close(struct port *p);

/* What turns the kernel's stamps into CLOCK_MONOTONIC; call before a series of port_next. */
struct port_clock {
	uint64_t now_ns;
	int64_t from_real_ns;
};
struct port_clock port_clock_read(void);

/*
 * The next frame that came up to until_ns (CLOCK_MONOTONIC); false when there is none. Stamps never
 * fall nor exceed clock's now.
 */
bool port_next(
	struct port *p, const struct port_clock *clock, uint64_t until_ns, struct port_frame *f);
void port_done(struct port *p);

/* Adds a frame to the batch, which holds PORT_BATCH; the data must stay until port_flush. */
void port_put(struct port *p, uint8_t *data, uint32_t len);

/* Sends the batch. What the kernel does not take is counted and given up. */
void port_flush(struct port *p);

/* Adds the kernel's count of what found the ring full. */
void port_read_drops(struct port *p);

#endif
