/* Fuzzes what the emulator reads: delay schedules, queues as text, frames. The first byte picks. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "emu/delay.h"
#include "emu/packet.h"
#include "emu/queue.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_schedule(const char *text, size_t len)
{
	struct delay_schedule s;

	if (delay_parse(&s, text, len, "fuzz"))
		return;
	if (!s.n || s.steps[0].from_ns)
		abort();
	for (size_t i = 1; i < s.n; i++)
		if (s.steps[i].from_ns <= s.steps[i - 1].from_ns)
			abort();
	delay_schedule_free(&s);
}

static void try_queue(const char *text)
{
	struct queue_conf q;
	char buf[QUEUE_TEXT];

	if (queue_parse(&q, text, "fuzz"))
		return;
	if (q.kind == QUEUE_DROPTAIL && !q.limit_pkts && !q.limit_bytes)
		abort();
	if (strlen(queue_text(&q, buf)) >= sizeof(buf))
		abort();
}

static void try_frame(uint8_t *frame, size_t len)
{
	uint16_t from, to;
	bool ect;

	if (!packet_look(frame, len, &ect))
		return;
	packet_ports(frame, len, &from, &to);
	packet_mark(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	log_set_level(-1);
	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	if (data[0] % 3 == 0)
		try_schedule(text, size - 1);
	else if (data[0] % 3 == 1)
		try_queue(text);
	else
		try_frame((uint8_t *)text, size - 1);
	free(text);
	return 0;
}
