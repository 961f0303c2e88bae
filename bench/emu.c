/*
 * The emulator's chain delay + link + log on this machine: UDP at 105 % of the link, delivered
 * against nominal, lateness beside that of a bare timer in the same run; TCP's share of the link.
 *
 *	build/bench/emu			all rows, the quietest of several runs each
 *	build/bench/emu udp wired200	one run of one row (or cubic, bbr): two builds can take
 *turns, which on a machine that others use is the only fair comparison
 *
 * The program runs itself as sender and receiver in the emulator's namespaces, with priority as the
 * emulator itself. Needs root.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "emu/emu.h"
#include "emu/netns.h"
#include "sim/hist.h"

#define NS_PER_S 1000000000ull
#define PORT 5201
#define PAYLOAD 1472
#define BATCH 64
#define SECONDS 6
#define WARM_NS (NS_PER_S * 3 / 2) /* left out at the start of a window */
#define WINDOW_NS (3 * NS_PER_S)
#define REPEATS 3
#define NAP_NS 250000
#define OVERLOAD 1.05	/* of the link, by UDP */
#define UDP_QUEUE 1000	/* packets */
#define TCP_QUEUE_MS 20 /* the path's round trip: a BDP */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void nap(uint64_t ns)
{
	struct timespec t = {0, ns};

	nanosleep(&t, NULL);
}

static struct sockaddr_in peer(const char *addr)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};

	a.sin_addr.s_addr = addr ? inet_addr(addr) : INADDR_ANY;
	return a;
}

static int big_socket(int type, int buffer, const struct sockaddr_in *bound)
{
	int s = socket(AF_INET, type, 0), bytes = 64 << 20, one = 1;

	if (buffer)
		setsockopt(s, SOL_SOCKET, buffer, &bytes, sizeof(bytes));
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bound && bind(s, (const struct sockaddr *)bound, sizeof(*bound)))
		exit(1);
	return s;
}

/* --- Sender and receiver --- */

// As on a machine with nothing else to do, so that it is not the senders that are measured.
static void take_priority(void)
{
	struct sched_param p = {.sched_priority = 1};

	prctl(PR_SET_TIMERSLACK, 1);
	sched_setscheduler(0, SCHED_RR, &p);
}

static int udp_send(double mbps)
{
	static char payload[PAYLOAD];
	struct iovec io = {payload, PAYLOAD};
	struct mmsghdr m[BATCH];
	struct sockaddr_in to = peer(getenv("CANOPY_PEER"));
	int s = big_socket(SOCK_DGRAM, SO_SNDBUFFORCE, NULL);
	uint64_t start = now_ns(), sent = 0;

	memset(m, 0, sizeof(m));
	for (int i = 0; i < BATCH; i++) {
		m[i].msg_hdr.msg_iov = &io;
		m[i].msg_hdr.msg_iovlen = 1;
	}
	if (connect(s, (struct sockaddr *)&to, sizeof(to)))
		return 1;
	while (now_ns() - start < SECONDS * NS_PER_S) {
		uint64_t due = (now_ns() - start) * mbps / (8e3 * 1500);

		while (sent < due) {
			int k = due - sent > BATCH ? BATCH : due - sent;

			k = sendmmsg(s, m, k, 0);
			if (k <= 0)
				break; // nobody listens yet
			sent += k;
		}
		nap(NAP_NS);
	}
	return 0;
}

// Counts what comes in a window that begins WARM_NS after the first.
static void report(uint64_t bytes, uint64_t from, uint64_t to)
{
	FILE *f = fopen(getenv("BENCH_OUT"), "w");

	if (f) {
		fprintf(f, "%.6f\n", bytes * 8e3 / (to - from));
		fclose(f);
	}
}

static int udp_receive(void)
{
	static char buf[BATCH][2048];
	struct sockaddr_in any = peer(NULL);
	struct iovec io[BATCH];
	struct mmsghdr m[BATCH];
	int s = big_socket(SOCK_DGRAM, SO_RCVBUFFORCE, &any);
	uint64_t first = 0, from = 0, now = 0, packets = 0;

	memset(m, 0, sizeof(m));
	for (int i = 0; i < BATCH; i++) {
		io[i] = (struct iovec){buf[i], sizeof(buf[i])};
		m[i].msg_hdr.msg_iov = &io[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	while (!from || now - from < WINDOW_NS) {
		int k = recvmmsg(s, m, BATCH, MSG_WAITFORONE, NULL);

		if (k <= 0)
			return 1;
		now = now_ns();
		first = first ? first : now;
		if (from)
			packets += k;
		else if (now - first > WARM_NS)
			from = now;
		if (k < BATCH)
			nap(NAP_NS);
	}
	report(packets * 1500, from, now);
	return 0;
}

static int tcp_send(const char *controller)
{
	static char data[1 << 18];
	struct sockaddr_in to = peer(getenv("CANOPY_PEER"));
	int s, tries = 0;

	do {
		nap(50000000);
		s = big_socket(SOCK_STREAM, 0, NULL);
		setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, controller, strlen(controller));
	} while (connect(s, (struct sockaddr *)&to, sizeof(to)) && ++tries < 20 && !close(s));
	while (write(s, data, sizeof(data)) > 0)
		;
	return 0;
}

static int tcp_receive(void)
{
	static char buf[1 << 18];
	struct sockaddr_in any = peer(NULL);
	int l = big_socket(SOCK_STREAM, 0, &any), s;
	uint64_t first = 0, from = 0, now = 0, bytes = 0;

	listen(l, 1);
	s = accept(l, NULL, NULL);
	while (!from || now - from < WINDOW_NS) {
		ssize_t n = read(s, buf, sizeof(buf));

		if (n <= 0)
			return 1;
		now = now_ns();
		first = first ? first : now;
		if (from)
			bytes += n;
		else if (now - first > WARM_NS)
			from = now;
	}
	report(bytes * 1500 / 1448, from, now);
	return 0;
}

/* --- The bare timer --- */

struct timer {
	pthread_t thread;
	volatile bool stop;
	struct hist late;
};

static void *timer_run(void *arg)
{
	struct timer *t = arg;
	struct sched_param p = {.sched_priority = 2};
	uint64_t at = now_ns();

	prctl(PR_SET_TIMERSLACK, 1);
	sched_setscheduler(0, SCHED_RR, &p);
	while (!t->stop) {
		struct timespec ts;
		uint64_t now;

		at += 1000000;
		ts = (struct timespec){at / NS_PER_S, at % NS_PER_S};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		now = now_ns();
		hist_add(&t->late, now - at, 1);
	}
	return NULL;
}

static void timer_start(struct timer *t)
{
	sigset_t all, old;

	memset(t, 0, sizeof(*t));
	t->late.unit_ns = 1000;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_create(&t->thread, NULL, timer_run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* --- A run --- */

struct row {
	double delivered_mbps, p50, p99, max, timer_p99, cpu_us, foreign, realtime;
	double lost;
};

static double get(json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

static int read_row(struct row *r, const char *dir, const struct timer *t)
{
	char *summary = file_path("%s/summary.json", dir), *out = file_path("%s/out", dir);
	json_t *j = json_load_file(summary, 0, NULL), *q = json_object_get(j, "quality");
	FILE *f = fopen(out, "r");
	double packets = get(q, "packets");
	int err = j && f && fscanf(f, "%lf", &r->delivered_mbps) == 1 ? 0 : -EIO;

	r->p50 = get(q, "late_p50_us");
	r->p99 = get(q, "late_p99_us");
	r->max = get(q, "late_max_us");
	r->lost = get(q, "ring_drops") + get(q, "send_drops") + get(q, "device_drops") +
		  get(q, "memory_drops");
	r->foreign = get(q, "foreign_cpu_pct");
	r->cpu_us =
		packets > 0 ? get(q, "emulator_cpu_pct") * 1e4 * get(j, "duration_s") / packets : 0;
	r->timer_p99 = hist_quantile_ns(&t->late, 0.99) * 1e-3;
	if (f)
		fclose(f);
	json_decref(j);
	free(summary);
	free(out);
	return err;
}

static int measure(struct row *row, const char *self, const char *dir, const char *link,
	uint32_t queue, const char *send, const char *receive)
{
	struct trace *t = NULL;
	struct delay_schedule delay;
	char *outside = file_path("exec %s %s", self, send), *out = file_path("%s/out", dir);
	char *argv[] = {(char *)self, (char *)receive, NULL};
	struct emu_conf c = {.path = {.mtu = 1500,
				     .memory = (uint64_t)EMU_MEMORY_MB << 20,
				     .own_outside = true,
				     .realtime = true},
		.log_dir = dir,
		.title = "bench",
		.argv = argv,
		.outside = outside};
	static struct timer timer;
	int status = 1, err = trace_open(&t, link);

	delay_constant(&delay, 10000000);
	setenv("BENCH_OUT", out, 1);
	c.path.dir[ENGINE_DOWN] = c.path.dir[ENGINE_UP] = (struct chain_dir){
		.trace = t, .queue = {.kind = QUEUE_DROPTAIL, .limit_pkts = queue}};
	chain_delay(&c.path, &(struct path_stage){.kind = PATH_DELAY, .delay = &delay});
	if (!err) {
		timer_start(&timer);
		err = emu_run(&c, &status);
		timer.stop = true;
		pthread_join(timer.thread, NULL);
	}
	if (!err)
		err = status ? -EIO : read_row(row, dir, &timer);
	trace_free(t);
	delay_schedule_free(&delay);
	free(outside);
	free(out);
	return err;
}

// The quietest of several runs: that in which the bare timer was least late.
static int measure_best(struct row *best, const char *self, const char *dir, const char *link,
	uint32_t queue, const char *send, const char *receive, int runs)
{
	int err = 0;

	for (int i = 0; i < runs && !err; i++) {
		struct row r;

		err = measure(&r, self, dir, link, queue, send, receive);
		if (!err && (!i || r.timer_p99 < best->timer_p99))
			*best = r;
	}
	return err;
}

static void print_row(const char *what, const char *link, double nominal, const struct row *r)
{
	printf("%-10s %-10s %9.2f %+9.3f %6.0f %6.0f %7.0f %9.0f %9.2f %6.0f %9.0f\n", what, link,
		r->delivered_mbps, 100 * (r->delivered_mbps / nominal - 1), r->p50, r->p99, r->max,
		r->timer_p99, r->cpu_us, r->lost, r->foreign);
	fflush(stdout);
}

static void print_title(int runs)
{
	printf("# quietest of %d runs each; late in us, timer: p99 of a bare timer in the same "
	       "run\n"
	       "%-10s %-10s %9s %9s %6s %6s %7s %9s %9s %6s %9s\n",
		runs, "traffic", "link", "Mbit/s", "off by %", "p50", "p99", "max", "timer p99",
		"us/packet", "lost", "foreign %");
}

// The rate of a link, in Mbit/s of IP: a smooth link's counts 1504 bytes a packet of 1500.
static double nominal_mbps(const char *link)
{
	double mbps = trace_nominal_mbps(link);

	return strncmp(link, "wired", 5) ? mbps * 1500 / 1504 : mbps;
}

static int bench_row(
	const char *self, const char *dir, const char *traffic, const char *link, int runs)
{
	bool udp = !strcmp(traffic, "udp");
	double mbps = trace_nominal_mbps(link);
	char *send =
		udp ? file_path("udp-send %g", OVERLOAD * mbps) : file_path("tcp-send %s", traffic);
	uint32_t queue = udp ? UDP_QUEUE : mbps * TCP_QUEUE_MS / 12;
	struct row r;
	int err = measure_best(
		&r, self, dir, link, queue, send, udp ? "udp-receive" : "tcp-receive", runs);

	if (!err)
		print_row(traffic, link, nominal_mbps(link), &r);
	free(send);
	return err;
}

static int bench_all(const char *self, const char *dir)
{
	static const char *const rows[][2] = {{"udp", "wired200"}, {"udp", "wired1000"},
		{"udp", "wired2000"}, {"udp", "200mbit"}, {"udp", "1000mbit"}, {"udp", "2000mbit"},
		{"cubic", "wired1000"}, {"bbr", "wired1000"}};
	int err = 0;

	print_title(REPEATS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !err; i++)
		err = bench_row(self, dir, rows[i][0], rows[i][1], REPEATS);
	return err;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/canopy-bench-emu-XXXXXX", self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *clean;
	int err;

	self[n > 0 ? n : 0] = 0;
	if (argc > 1 && strchr(argv[1], '-'))
		take_priority();
	if (argc == 3 && !strcmp(argv[1], "udp-send"))
		return udp_send(atof(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "tcp-send"))
		return tcp_send(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "udp-receive"))
		return udp_receive();
	if (argc == 2 && !strcmp(argv[1], "tcp-receive"))
		return tcp_receive();
	if (geteuid()) {
		printf("skipped: the emulator's bench needs root\n");
		return 0;
	}
	if (!mkdtemp(dir))
		return 1;
	log_set_level(LOG_ERR);
	err = argc == 3 ? bench_row(self, dir, argv[1], argv[2], 1) : bench_all(self, dir);
	clean = file_path("rm -r %s", dir);
	if (system(clean))
		err = -EIO;
	free(clean);
	return err ? 1 : 0;
}
