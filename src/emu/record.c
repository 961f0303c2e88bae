/* Records of devices, and cleaning up after processes that were killed. */
#include "emu/record.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define DIR_PATH "/run/canopy"
#define PREFIX "emu-"
#define FILE_MAX 4096
#define START_FIELD 22 /* of /proc/PID/stat: start time in ticks since boot */

// Start time of a process, 0 when there is none.
static unsigned long long start_time(long pid)
{
	char *path = file_path("/proc/%ld/stat", pid), buf[1024], *p;
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, sizeof(buf) - 1, f) : 0;

	if (f)
		fclose(f);
	free(path);
	buf[n] = 0;
	p = strrchr(buf, ')'); // the name before it may hold anything
	for (int field = 2; p && field < START_FIELD; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

static unsigned long long namespace_id(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

static void make_alias(char alias[RECORD_ALIAS], long pid, unsigned long long start)
{
	snprintf(alias, RECORD_ALIAS, "canopy emu %ld %llu", pid, start);
}

void record_alias(char alias[RECORD_ALIAS])
{
	make_alias(alias, getpid(), start_time(getpid()));
}

int record_write(char **path, const char *dev)
{
	char *file, *text;
	FILE *f;

	*path = NULL;
	if (mkdir(DIR_PATH, 0755) && errno != EEXIST)
		return 0;
	file = file_path("%s/%s%d", DIR_PATH, PREFIX, getpid());
	f = fopen(file, "we");
	if (!f) {
		free(file);
		return 0;
	}
	text = file_path("%d %llu %llu %s\n", getpid(), start_time(getpid()), namespace_id(), dev);
	fputs(text, f);
	free(text);
	fclose(f);
	*path = file;
	return 0;
}

static bool has_alias(int nl, int index, const char *alias)
{
	char found[RECORD_ALIAS] = "";

	return !netlink_get_alias(nl, index, found, sizeof(found)) && !strcmp(found, alias);
}

static void clean_one(int nl, const char *path)
{
	unsigned long long start, ns;
	char dev[NETLINK_NAME], alias[RECORD_ALIAS];
	FILE *f = fopen(path, "re");
	long pid;
	int index, got = f ? fscanf(f, "%ld %llu %llu %15s", &pid, &start, &ns, dev) : 0;

	if (f)
		fclose(f);
	if (got != 4 || start_time(pid) == start || ns != namespace_id())
		return;
	make_alias(alias, pid, start);
	index = (int)if_nametoindex(dev);
	if (index && has_alias(nl, index, alias) && !netlink_delete(nl, index))
		pr_info("removed %s, which a killed emulator (process %ld) had left\n", dev, pid);
	unlink(path);
}

void record_clean(int nl)
{
	DIR *d = opendir(DIR_PATH);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (!strncmp(e->d_name, PREFIX, strlen(PREFIX))) {
			char *path = file_path("%s/%s", DIR_PATH, e->d_name);

			clean_one(nl, path);
			free(path);
		}
	if (d)
		closedir(d);
}
