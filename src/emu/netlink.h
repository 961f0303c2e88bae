/*
 * The little of rtnetlink that the emulator needs, each call on the namespace that the socket was
 * opened in. All return 0 or -errno and print nothing.
 */
#ifndef EMU_NETLINK_H
#define EMU_NETLINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETLINK_MAC 6
#define NETLINK_NAME 16 /* of a device, with the NUL */

/* Opens a socket in the current namespace; close it with close. */
int netlink_open(int *fd);

/* A device that is made: where, its name, its address on the link. */
struct netlink_end {
	int netns; /* file descriptor of a namespace, -1: that of the socket */
	const char *name;
	uint8_t mac[NETLINK_MAC];
};

/* A pair of veth devices. -EEXIST when a name is taken. */
int netlink_veth(int fd, const struct netlink_end *a, const struct netlink_end *b, uint32_t mtu);

/* An alias is a text that people see beside the name. */
int netlink_alias(int fd, int index, const char *alias);

/* The alias in a buffer of len zeroed bytes. -ENODATA without one. */
int netlink_get_alias(int fd, int index, char *alias, size_t len);

/* Up, and without ARP and neighbour discovery where noarp is set. */
int netlink_up(int fd, int index, bool noarp);

int netlink_delete(int fd, int index);

/* An IPv4 (AF_INET, 4 bytes) or IPv6 address with its prefix. */
int netlink_address(int fd, int index, int family, const void *addr, int prefix);

/* A default route through a device. */
int netlink_default_route(int fd, int index, int family);

/* Packets to a net are refused unless a route more special takes them. -EEXIST: they are already.
 */
int netlink_unreachable(int fd, int family, const void *addr, int prefix);

/* Whether a route more special than the default leads to an address already. */
int netlink_routed(int fd, int family, const void *addr, bool *routed);

/* What a device did not pass on, both directions. */
int netlink_drops(int fd, int index, uint64_t *drops);

#endif
