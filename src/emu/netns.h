/*
 * The emulated path's network: three namespaces and two pairs of devices, all of which vanish with
 * the process that made them, however it ends.
 *
 *	inside                        middle (the emulator's)          outside
 *	canopy0  100.64.x.2    <veth>  "inside"      "outside"  <veth>  canopyN  100.64.x.1
 *
 * Namespaces are held by file descriptors only, never by a name; the middle one has no address and
 * forwards nothing: the emulator moves frames by packet sockets. The outside is the namespace that
 * the emulator was started in (then only the device canopyN is made there, and a /24 and a /64 lead
 * to it; no NAT, no sysctl of another device), or one of its own. The inside routes everything
 * through canopy0. Devices do no ARP, and hand over packets as they are on a wire: no checksum or
 * segmentation offload, no GRO.
 *
 * Addresses are a block of emu/block.h: the first, from the process's id on where the outside
 * namespace is not its own, whose device and addresses are free.
 *
 * Where the outside is the inside of another emulator, the block is one of that emulator's: packets
 * go on through it and beyond, for which that namespace is made to forward.
 */
#ifndef EMU_NETNS_H
#define EMU_NETNS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/block.h"
#include "emu/netlink.h"

#define NETNS_INSIDE "inside" /* devices in the middle */
#define NETNS_OUTSIDE "outside"
#define NETNS_MTU_MIN 1280 /* IPv6's */
#define NETNS_MTU_MAX 9000

struct netns_end {
	int netns;
	char dev[NETLINK_NAME];
	int index;
	char addr4[INET_ADDRSTRLEN], addr6[INET6_ADDRSTRLEN]; /* addr6 empty without IPv6 */
};

struct netns {
	int home, middle; /* the namespace that the emulator was started in; its own */
	bool own_outside;
	bool nested; /* the home namespace is the inside of another emulator, which has parent */
	struct block block, parent;
	struct netns_end inside, outside;
	int nl_inside, nl_middle, nl_outside; /* netlink sockets */
	char *record;			      /* of the device outside, see netns_open */
};

/*
 * What the process may do. 0: all that is needed. Otherwise it tries a user namespace of its own,
 * which makes *own_outside true: the outside must then be a namespace of its own. Prints what is
 * missing: -EPERM. Call it while there is one thread.
 */
int netns_privileges(bool *own_outside);

/*
 * Makes the network and leaves the process in the middle namespace. Prints. 0 or -errno. The home
 * namespace's device, where that is not another emulator's, is recorded in /run/canopy with the
 * process's id and start time; devices of records whose process is gone are deleted first, if their
 * alias says that they are ours.
 */
int netns_open(struct netns *n, bool own_outside, uint32_t mtu);

/* Deletes the devices, returns to the home namespace where that is allowed, closes. All zero is
 * fine. */
void netns_close(struct netns *n);

/* Packets that the devices themselves dropped since they were made. */
uint64_t netns_drops(const struct netns *n);

#endif
