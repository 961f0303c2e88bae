/* Running the program's emulator in tests: shell commands, background ones, what a run wrote. */
#ifndef TESTS_EMU_RUN_H
#define TESTS_EMU_RUN_H

#include <jansson.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "emu_peer.h"

static char dir[] = "/tmp/canopy-t_emu-XXXXXX";
static char self[4096];

static inline void need_root(void)
{
	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	if (geteuid()) {
		print_message("skip: namespaces need root\n");
		skip();
	}
}

// Runs a shell command in which $C is the program, $D a folder, $S this program.
static inline int shell(const char *cmd)
{
	int status;

	need_root();
	status = system(cmd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

// Starts one and does not wait.
static inline pid_t background(const char *cmd)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	return pid;
}

static inline int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void wait_for_file(const char *name)
{
	char *path = file_path("%s/%s", dir, name);
	int i = 0;

	while (access(path, F_OK) && i++ < WAIT_TRIES)
		pause_ms(50);
	assert_int_equal(access(path, F_OK), 0);
	free(path);
}

static inline int set_up(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (!mkdtemp(dir) || n <= 0)
		return -1;
	// the machine of these tests, in which no other emulators come and go
	if (!geteuid() && unshare(CLONE_NEWNET))
		print_message("in this machine's own network namespace\n");
	self[n] = 0;
	setenv("D", dir, 1);
	setenv("S", self, 1);
	if (getenv("CANOPY")) {
		char *program = realpath(getenv("CANOPY"), NULL); // also from another folder

		setenv("C", program ? program : getenv("CANOPY"), 1);
		free(program);
	}
	return chmod(dir, 0755);
}

static inline int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

static inline json_t *summary(const char *name)
{
	char *path = file_path("%s/%s/summary.json", dir, name);
	json_t *j = json_load_file(path, 0, NULL);

	free(path);
	assert_non_null(j);
	return j;
}

static inline int64_t count(json_t *j, const char *part, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(j, part), key));
}

// Emulators' devices in our namespace.
static inline int devices(void)
{
	struct if_nameindex *all = if_nameindex();
	int n = 0;

	for (struct if_nameindex *i = all; i && i->if_index; i++)
		n += !strncmp(i->if_name, "canopy", 6);
	if_freenameindex(all);
	return n;
}

// Processes of this test whose command line begins as a pattern of grep says, in which $D may be.
static inline int processes(const char *pattern)
{
	char *cmd = file_path("n=0; for p in /proc/[0-9]*; do cat $p/cmdline 2>/dev/null "
			      "| tr '\\0' ' ' | grep -q \"^%s\" && { tr '\\0' '\\n' <$p/environ; "
			      "} 2>/dev/null | grep -qx \"D=$D\" && n=$((n+1)); done; exit $n",
		pattern);
	int n = shell(cmd);

	free(cmd);
	return n;
}

// No more devices than before, and no "sleep MARK".
static inline void assert_all_gone(int before, const char *mark)
{
	char *pattern = file_path("sleep %s", mark);

	for (int i = 0; i < WAIT_TRIES && (devices() > before || processes(pattern)); i++)
		pause_ms(50);
	assert_int_equal(devices(), before);
	assert_int_equal(processes(pattern), 0);
	free(pattern);
}

#endif
