/* Requests to rtnetlink, one answer each. */
#include "emu/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 16384

struct request {
	struct nlmsghdr h;
	char body[512];
};

static void *start(struct request *r, int type, int flags, size_t header)
{
	memset(r, 0, sizeof(*r));
	r->h.nlmsg_len = NLMSG_LENGTH(header);
	r->h.nlmsg_type = type;
	r->h.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	return NLMSG_DATA(&r->h);
}

static struct rtattr *put(struct request *r, int type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	r->h.nlmsg_len = NLMSG_ALIGN(r->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct request *r, struct rtattr *nest)
{
	nest->rta_len = (char *)r + r->h.nlmsg_len - (char *)nest;
}

// Sends and waits for the acknowledgement; an answer before it is copied to answer, if asked for.
static int talk(int fd, struct request *r, struct nlmsghdr *answer)
{
	char buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO)));

	if (send(fd, r, r->h.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (struct nlmsghdr *h = (struct nlmsghdr *)buf; NLMSG_OK(h, (size_t)n);
			h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (answer)
				memcpy(answer, h, h->nlmsg_len);
		}
	}
}

int netlink_open(int *fd)
{
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (s < 0)
		return -errno;
	*fd = s;
	return 0;
}

static void put_end(struct request *r, const struct netlink_end *e, uint32_t mtu)
{
	put(r, IFLA_IFNAME, e->name, strlen(e->name) + 1);
	put(r, IFLA_ADDRESS, e->mac, sizeof(e->mac));
	put(r, IFLA_MTU, &mtu, sizeof(mtu));
	if (e->netns >= 0)
		put(r, IFLA_NET_NS_FD, &e->netns, sizeof(e->netns));
}

int netlink_veth(int fd, const struct netlink_end *a, const struct netlink_end *b, uint32_t mtu)
{
	struct request r;
	struct ifinfomsg none = {0};
	struct rtattr *info, *data, *peer;

	start(&r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
	put_end(&r, a, mtu);
	info = put(&r, IFLA_LINKINFO, NULL, 0);
	put(&r, IFLA_INFO_KIND, "veth", 4);
	data = put(&r, IFLA_INFO_DATA, NULL, 0);
	peer = put(&r, VETH_INFO_PEER, &none, sizeof(none));
	put_end(&r, b, mtu);
	end(&r, peer);
	end(&r, data);
	end(&r, info);
	return talk(fd, &r, NULL);
}

int netlink_alias(int fd, int index, const char *alias)
{
	struct request r;
	struct ifinfomsg *i = start(&r, RTM_SETLINK, 0, sizeof(*i));

	i->ifi_index = index;
	put(&r, IFLA_IFALIAS, alias, strlen(alias));
	return talk(fd, &r, NULL);
}

int netlink_up(int fd, int index, bool noarp)
{
	struct request r;
	struct ifinfomsg *i = start(&r, RTM_SETLINK, 0, sizeof(*i));

	i->ifi_index = index;
	i->ifi_flags = IFF_UP | (noarp ? IFF_NOARP : 0);
	i->ifi_change = i->ifi_flags;
	return talk(fd, &r, NULL);
}

int netlink_delete(int fd, int index)
{
	struct request r;
	struct ifinfomsg *i = start(&r, RTM_DELLINK, 0, sizeof(*i));

	i->ifi_index = index;
	return talk(fd, &r, NULL);
}

static size_t address_len(int family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

int netlink_address(int fd, int index, int family, const void *addr, int prefix)
{
	struct request r;
	struct ifaddrmsg *a = start(&r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof(*a));

	a->ifa_family = family;
	a->ifa_prefixlen = prefix;
	a->ifa_index = index;
	a->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
	put(&r, IFA_LOCAL, addr, address_len(family));
	put(&r, IFA_ADDRESS, addr, address_len(family));
	return talk(fd, &r, NULL);
}

int netlink_default_route(int fd, int index, int family)
{
	struct request r;
	struct rtmsg *m = start(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m));

	m->rtm_family = family;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	put(&r, RTA_OIF, &index, sizeof(index));
	return talk(fd, &r, NULL);
}

int netlink_unreachable(int fd, int family, const void *addr, int prefix)
{
	struct request r;
	struct rtmsg *m = start(&r, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*m));

	m->rtm_family = family;
	m->rtm_dst_len = prefix;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_STATIC;
	m->rtm_scope = RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNREACHABLE;
	put(&r, RTA_DST, addr, address_len(family));
	return talk(fd, &r, NULL);
}

int netlink_routed(int fd, int family, const void *addr, bool *routed)
{
	char buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
	struct nlmsghdr *answer = (struct nlmsghdr *)buf;
	struct request r;
	struct rtmsg *m = start(&r, RTM_GETROUTE, 0, sizeof(*m));
	int err;

	m->rtm_family = family;
	m->rtm_dst_len = 8 * address_len(family);
	m->rtm_flags = RTM_F_FIB_MATCH;
	put(&r, RTA_DST, addr, address_len(family));
	err = talk(fd, &r, answer);
	if (err == -ENETUNREACH || err == -EHOSTUNREACH) {
		*routed = false;
		return 0;
	}
	if (!err)
		*routed = ((struct rtmsg *)NLMSG_DATA(answer))->rtm_dst_len > 0;
	return err;
}

// Copies attribute type of a device to out, at most len bytes; the rest is zeros.
static int device_attribute(int fd, int index, int type, void *out, size_t len)
{
	char buf[ANSWER_MAX] __attribute__((aligned(NLMSG_ALIGNTO))) = {0};
	struct nlmsghdr *answer = (struct nlmsghdr *)buf;
	struct request r;
	struct ifinfomsg *i = start(&r, RTM_GETLINK, 0, sizeof(*i));
	struct rtattr *a;
	int err, left;

	i->ifi_index = index;
	err = talk(fd, &r, answer);
	if (err)
		return err;
	left = answer->nlmsg_len - NLMSG_LENGTH(sizeof(*i));
	memset(out, 0, len);
	for (a = IFLA_RTA(NLMSG_DATA(answer)); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == type) {
			memcpy(out, RTA_DATA(a), RTA_PAYLOAD(a) < len ? RTA_PAYLOAD(a) : len);
			return 0;
		}
	return -ENODATA;
}

int netlink_get_alias(int fd, int index, char *alias, size_t len)
{
	return device_attribute(fd, index, IFLA_IFALIAS, alias, len - 1);
}

int netlink_drops(int fd, int index, uint64_t *drops)
{
	struct rtnl_link_stats64 s;
	int err = device_attribute(fd, index, IFLA_STATS64, &s, sizeof(s));

	if (!err)
		*drops = s.rx_dropped + s.tx_dropped + s.rx_errors + s.tx_errors;
	return err;
}
