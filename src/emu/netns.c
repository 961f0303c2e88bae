/* Namespaces, veth pairs, addresses and routes of the emulated path. */
#include "emu/netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "emu/record.h"

#define INSIDE_DEV "canopy0"

static int fail(const char *what, int err)
{
	pr_err("%s: %s\n", what, strerror(-err));
	return err;
}

/* --- Privileges --- */

static bool have_caps(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{0}};
	uint32_t need = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW | 1u << CAP_SYS_ADMIN;

	return !syscall(SYS_capget, &h, d) && (d[0].effective & need) == need;
}

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

// Root of a user namespace of our own, with nothing but ourselves in it.
static int enter_user_namespace(void)
{
	char *uid = file_path("0 %d 1", geteuid()), *gid = file_path("0 %d 1", getegid());
	int err = unshare(CLONE_NEWUSER) ? -errno : 0;

	if (!err)
		write_text("/proc/self/setgroups", "deny");
	if (!err)
		err = write_text("/proc/self/uid_map", uid);
	if (!err)
		err = write_text("/proc/self/gid_map", gid);
	free(uid);
	free(gid);
	return err;
}

int netns_privileges(bool *own_outside)
{
	int err;

	if (have_caps())
		return 0;
	err = enter_user_namespace();
	if (err || !have_caps()) {
		pr_err("the emulator needs root (CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN: try "
		       "sudo), or a system\nthat lets users have namespaces "
		       "(user.max_user_namespaces over 0, kernel.unprivileged_userns_clone 1,\n"
		       "kernel.apparmor_restrict_unprivileged_userns 0, where there are such "
		       "settings): %s\n",
			err ? strerror(-err) : "the user namespace has no privileges");
		return -EPERM;
	}
	if (!*own_outside)
		pr_info("not root: the outside end is a namespace of its own (see --outside)\n");
	*own_outside = true;
	return 0;
}

/* --- Namespaces --- */

static int current_namespace(int *fd)
{
	*fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? -errno : 0;
}

// Makes a namespace and enters it.
static int new_namespace(int *fd)
{
	return unshare(CLONE_NEWNET) ? -errno : current_namespace(fd);
}

static int enter(int fd)
{
	return setns(fd, CLONE_NEWNET) ? fail("a network namespace", -errno) : 0;
}

// A setting of one device, or of those to come, of the current namespace; without IPv6 there is
// none.
static int set_ipv6(const char *dev, const char *name, const char *value)
{
	char *path = file_path("/proc/sys/net/ipv6/conf/%s/%s", dev, name);
	int err = write_text(path, value);

	free(path);
	return err;
}

static int open_namespaces(struct netns *n)
{
	int err = current_namespace(&n->home);

	if (!err && n->own_outside)
		err = new_namespace(&n->outside.netns);
	else if (!err)
		n->outside.netns = dup(n->home);
	if (!err)
		err = netlink_open(&n->nl_outside);
	if (!err)
		err = new_namespace(&n->inside.netns);
	if (!err)
		err = netlink_open(&n->nl_inside);
	if (!err)
		err = new_namespace(&n->middle);
	if (!err)
		err = netlink_open(&n->nl_middle);
	if (err)
		return fail("a network namespace", err);
	set_ipv6("default", "disable_ipv6", "1");
	return 0;
}

/* --- Devices --- */

// What is sent leaves as on a wire: whole checksums, no packet over the MTU, none merged.
static int no_offloads(const char *dev)
{
	static const uint32_t off[] = {ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGRO};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = fd < 0 ? -errno : 0;

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]) && !err; i++) {
		struct ethtool_value value = {.cmd = off[i]};
		struct ifreq r = {.ifr_data = (char *)&value};

		snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", dev);
		if (ioctl(fd, SIOCETHTOOL, &r))
			err = -errno;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

// Nothing of its own on the wire: no addresses but ours, no solicitations.
static void quiet_ipv6(const char *dev)
{
	set_ipv6(dev, "disable_ipv6", "0");
	set_ipv6(dev, "accept_dad", "0");
	set_ipv6(dev, "accept_ra", "0");
	set_ipv6(dev, "autoconf", "0");
	set_ipv6(dev, "addr_gen_mode", "1");
	set_ipv6(dev, "router_solicitations", "0");
}

// IPv6 may be missing from the system; then there is IPv4 only.
static int give_addresses(struct netns_end *e, int nl, int prefix4, int prefix6)
{
	struct in_addr a4;
	struct in6_addr a6;
	int err;

	inet_pton(AF_INET, e->addr4, &a4);
	inet_pton(AF_INET6, e->addr6, &a6);
	err = netlink_address(nl, e->index, AF_INET, &a4, prefix4);
	if (!err && netlink_address(nl, e->index, AF_INET6, &a6, prefix6)) {
		pr_debug("no IPv6 on %s\n", e->dev);
		e->addr6[0] = 0;
	}
	return err;
}

static int default_routes(const struct netns_end *e, int nl)
{
	int err = netlink_up(nl, (int)if_nametoindex("lo"), false);

	if (!err)
		err = netlink_default_route(nl, e->index, AF_INET);
	if (!err && *e->addr6)
		err = netlink_default_route(nl, e->index, AF_INET6);
	return err;
}

// In the namespace of the end: the device is there already. A whole block, if given, is behind it.
static int set_up_end(struct netns_end *e, int nl, const struct block *behind, bool all_routes)
{
	int prefix4 = behind ? block_prefix4(behind) : BLOCK_OWN4;
	int prefix6 = behind ? block_prefix6(behind) : BLOCK_OWN6;
	int err;

	e->index = (int)if_nametoindex(e->dev);
	if (!e->index)
		return fail(e->dev, -ENODEV);
	quiet_ipv6(e->dev);
	err = no_offloads(e->dev);
	if (!err)
		err = netlink_up(nl, e->index, true);
	if (!err)
		err = give_addresses(e, nl, prefix4, prefix6);
	if (!err && all_routes)
		err = default_routes(e, nl);
	return err ? fail(e->dev, err) : 0;
}

static int make_pair(struct netns *n, const char *middle, struct netns_end *e, uint32_t mtu)
{
	// Without ARP frames are sent to the device's own address: the two ends share one, and the
	// middle has another, so that its IP layer takes nothing for itself.
	struct netlink_end near = {-1, middle, {2, 0xca, 0x6e, 0x6f, 0x70, 0}};
	struct netlink_end far = {e->netns, e->dev, {2, 0xca, 0x6e, 0x6f, 0x70, 1}};
	int err = netlink_veth(n->nl_middle, &near, &far, mtu);

	if (!err)
		err = netlink_up(n->nl_middle, (int)if_nametoindex(middle), true);
	return err;
}

static void take_block(struct netns *n, const struct block *b)
{
	struct in_addr out = block_addr4(b, BLOCK_OUTSIDE), in = block_addr4(b, BLOCK_INSIDE);
	struct in6_addr out6 = block_addr6(b, BLOCK_OUTSIDE), in6 = block_addr6(b, BLOCK_INSIDE);

	n->block = *b;
	inet_ntop(AF_INET, &out, n->outside.addr4, sizeof(n->outside.addr4));
	inet_ntop(AF_INET, &in, n->inside.addr4, sizeof(n->inside.addr4));
	inet_ntop(AF_INET6, &out6, n->outside.addr6, sizeof(n->outside.addr6));
	inet_ntop(AF_INET6, &in6, n->inside.addr6, sizeof(n->inside.addr6));
	snprintf(n->outside.dev, sizeof(n->outside.dev), "canopy%u", b->number[b->level]);
}

// The outside pair, of the first block that nothing in the outside namespace has. In a namespace
// that lives on they differ from start to start: what is left of connections of the last one (a FIN
// that nobody acknowledged) must not come to the next.
static int make_outside(struct netns *n, uint32_t mtu)
{
	const struct block *parent = n->nested ? &n->parent : NULL;
	unsigned first = n->own_outside ? 0 : (unsigned)getpid();
	unsigned count = block_count(parent ? parent->level + 1 : 0);

	for (unsigned i = 0; i < count; i++) {
		struct block b;
		struct in_addr a;
		bool routed;
		int err;

		block_pick(&b, parent, (first + i) % count);
		take_block(n, &b);
		a = block_addr4(&b, BLOCK_INSIDE);
		err = netlink_routed(n->nl_outside, AF_INET, &a, &routed);
		if (!err && routed)
			continue;
		if (!err)
			err = make_pair(n, NETNS_OUTSIDE, &n->outside, mtu);
		if (err != -EEXIST)
			return err ? fail(n->outside.dev, err) : 0;
	}
	if (!parent)
		return fail("100.64.0.0/10", -EADDRNOTAVAIL);
	if (!count)
		pr_err("emulators go %d deep, one inside the other: this would be one more\n",
			BLOCK_LEVELS);
	else
		pr_err("%u emulators run inside this one already, and no more can\n", count);
	return -EADDRNOTAVAIL;
}

/* --- One emulator inside another --- */

// Whether the home namespace is the inside of another emulator, and which.
static bool find_parent(struct block *parent)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (struct ifaddrs *a = all; a && !found; a = a->ifa_next) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)a->ifa_addr;

		found = in && in->sin_family == AF_INET && !strcmp(a->ifa_name, INSIDE_DEV) &&
			block_of_inside(parent, ntohl(in->sin_addr.s_addr));
	}
	freeifaddrs(all);
	return found;
}

// The other emulator's inside passes packets on between its path and those of its block; what
// nobody in the block has must not go back and forth.
static int forward_for_parent(struct netns *n)
{
	struct in_addr net4 = block_addr4(&n->parent, BLOCK_NET);
	struct in6_addr net6 = block_addr6(&n->parent, BLOCK_NET);
	int err = netlink_unreachable(n->nl_outside, AF_INET, &net4, block_prefix4(&n->parent));

	if (!err || err == -EEXIST)
		err = write_text("/proc/sys/net/ipv4/ip_forward", "1");
	if (err)
		return fail("forwarding inside the other emulator", err);
	if (netlink_unreachable(n->nl_outside, AF_INET6, &net6, block_prefix6(&n->parent)) ||
		set_ipv6("all", "forwarding", "1"))
		pr_debug("no IPv6 beyond the other emulator\n");
	return 0;
}

static int record_outside(struct netns *n)
{
	char alias[RECORD_ALIAS];
	int err;

	record_alias(alias);
	err = netlink_alias(n->nl_outside, n->outside.index, alias);
	return err ? fail(n->outside.dev, err) : record_write(&n->record, n->outside.dev);
}

static int open_outside(struct netns *n)
{
	int err = enter(n->outside.netns);

	if (!err)
		err = set_up_end(&n->outside, n->nl_outside, &n->block, n->own_outside);
	if (!err && n->nested)
		err = forward_for_parent(n);
	else if (!err && !n->own_outside)
		err = record_outside(n);
	return err;
}

static int open_inside(struct netns *n)
{
	int err = enter(n->inside.netns);

	return err ? err : set_up_end(&n->inside, n->nl_inside, NULL, true);
}

int netns_open(struct netns *n, bool own_outside, uint32_t mtu)
{
	int err;

	memset(n, 0, sizeof(*n));
	n->home = n->middle = n->inside.netns = n->outside.netns = -1;
	n->nl_inside = n->nl_middle = n->nl_outside = -1;
	n->own_outside = own_outside;
	snprintf(n->inside.dev, sizeof(n->inside.dev), INSIDE_DEV);
	n->nested = !own_outside && find_parent(&n->parent);
	err = open_namespaces(n);
	if (!err && !own_outside && !(err = enter(n->home))) {
		record_clean(n->nl_outside);
		err = enter(n->middle);
	}
	if (!err)
		err = make_outside(n, mtu);
	if (!err) {
		err = make_pair(n, NETNS_INSIDE, &n->inside, mtu);
		if (err)
			fail(NETNS_INSIDE, err);
	}
	if (!err)
		err = open_outside(n);
	if (!err)
		err = open_inside(n);
	if (!err)
		err = enter(n->middle);
	if (err)
		netns_close(n);
	return err;
}

static void close_fd(int fd)
{
	if (fd > 0)
		close(fd);
}

void netns_close(struct netns *n)
{
	if (n->nl_outside > 0 && n->outside.index)
		netlink_delete(n->nl_outside, n->outside.index);
	if (n->nl_inside > 0 && n->inside.index)
		netlink_delete(n->nl_inside, n->inside.index);
	if (n->home > 0 && setns(n->home, CLONE_NEWNET))
		pr_debug("staying in a namespace of our own: %s\n", strerror(errno)); // not root
	if (n->record)
		unlink(n->record);
	free(n->record);
	close_fd(n->nl_inside);
	close_fd(n->nl_middle);
	close_fd(n->nl_outside);
	close_fd(n->inside.netns);
	close_fd(n->outside.netns);
	close_fd(n->middle);
	close_fd(n->home);
	memset(n, 0, sizeof(*n));
}

uint64_t netns_drops(const struct netns *n)
{
	uint64_t sum = 0, drops;
	const struct {
		int nl, index;
	} dev[] = {{n->nl_inside, n->inside.index}, {n->nl_outside, n->outside.index},
		{n->nl_middle, (int)if_nametoindex(NETNS_INSIDE)},
		{n->nl_middle, (int)if_nametoindex(NETNS_OUTSIDE)}};

	for (size_t i = 0; i < sizeof(dev) / sizeof(dev[0]); i++)
		if (!netlink_drops(dev[i].nl, dev[i].index, &drops))
			sum += drops;
	return sum;
}
