/* What runs at the ends of an emulated path in tests: a test program with a role as its first
 * argument. */
#ifndef TESTS_EMU_PEER_H
#define TESTS_EMU_PEER_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 5217
#define WAIT_TRIES 200 /* of 50 ms */

static inline void pause_ms(int ms)
{
	usleep(ms * 1000);
}

// Takes an address of either family from the environment.
static inline socklen_t address(const char *text, struct sockaddr_storage *a)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)a;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)a;

	memset(a, 0, sizeof(*a));
	if (text && inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(PORT);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(PORT);
	return text && inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
}

static inline int connected(int type, const char *to)
{
	struct sockaddr_storage a;
	socklen_t len = address(to, &a);

	for (int i = 0; i < WAIT_TRIES && len; i++) {
		int s = socket(a.ss_family, type, 0);

		if (!connect(s, (struct sockaddr *)&a, len))
			return s;
		close(s);
		pause_ms(50);
	}
	return -1;
}

static inline int listening(void)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int s = socket(AF_INET6, SOCK_STREAM, 0), no = 0, yes = 1;

	setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(s, (struct sockaddr *)&any, sizeof(any)) || listen(s, 4))
		return -1;
	return s;
}

static inline int give(int s, size_t bytes)
{
	static char buf[65536];

	while (bytes) {
		ssize_t n = write(s, buf, bytes < sizeof(buf) ? bytes : sizeof(buf));

		if (n <= 0)
			return 1;
		bytes -= n;
	}
	return close(s);
}

static inline int get(int s, size_t bytes)
{
	static char buf[65536];
	size_t got = 0;
	ssize_t n;

	while ((n = read(s, buf, sizeof(buf))) > 0)
		got += n;
	return got == bytes ? 0 : 1;
}

// One large send that the kernel cuts into packets of 1000 bytes, then one that is too long.
static inline int send_gso(const char *to)
{
	static char buf[40000];
	int s = connected(SOCK_DGRAM, to), size = 1000, never = IP_PMTUDISC_DO;

	if (s < 0)
		return 3;
	if (setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)))
		return 77;
	if (send(s, buf, sizeof(buf), 0) != sizeof(buf))
		return 1;
	size = 0;
	setsockopt(s, SOL_UDP, UDP_SEGMENT, &size, sizeof(size));
	setsockopt(s, IPPROTO_IP, IP_MTU_DISCOVER, &never, sizeof(never));
	if (send(s, buf, 1473, 0) != -1 || errno != EMSGSIZE)
		return 2;
	pause_ms(300);
	return 0;
}

static inline int send_datagram(const char *to, size_t bytes)
{
	static char buf[65536];
	int s = connected(SOCK_DGRAM, to);

	if (send(s, buf, bytes, 0) != (ssize_t)bytes)
		return 1;
	pause_ms(200);
	return 0;
}

static inline int role(int argc, char **argv)
{
	const char *what = argv[1], *to = argc > 2 ? getenv(argv[2]) : NULL;
	size_t bytes = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	if (!strcmp(what, "get"))
		return get(connected(SOCK_STREAM, to), bytes);
	if (!strcmp(what, "serve"))
		return give(accept(listening(), NULL, NULL), bytes);
	if (!strcmp(what, "put"))
		return give(connected(SOCK_STREAM, to), bytes);
	if (!strcmp(what, "take"))
		return get(accept(listening(), NULL, NULL), bytes);
	if (!strcmp(what, "datagram"))
		return send_datagram(to, bytes);
	return send_gso(to);
}

#endif
