/* Fuzzes certificate files: the reader takes any bytes; what it accepts is written the same again
 * and goes through the checker's proofs. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cert/cert_file.h"
#include "check/net.h"
#include "check/proof.h"
#include "../tests/check_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct proof *proof;

static void open_proof(void)
{
	struct model *m = check_model(2, 1, 1);
	struct net *net;

	if (net_new(&net, m) || proof_new(&proof, net))
		abort();
	model_free(m);
}

// An accepted entry, and its line read again, give the same line.
static void check_entry_line(const struct cert_entry *e)
{
	static const char head[] =
		"{\"format\":\"canopy-certificate\",\"version\":1,\"canopy\":\"\",\"model\":{"
		"\"name\":"
		"\"\",\"sha256\":"
		"\"0000000000000000000000000000000000000000000000000000000000000000\"},"
		"\"property\":{\"file\":\"\",\"set\":\"\",\"sha256\":"
		"\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"text\":"
		"\"\"},"
		"\"parameters\":{},\"decisions\":[\n";
	char *line = cert_entry_format(e), *again, *text;
	struct cert_reader *r;
	struct cert_entry copy;
	size_t len;
	FILE *f;

	assert(line);
	len = strlen(head) + strlen(line) + 1;
	text = malloc(len + 1);
	sprintf(text, "%s%s\n", head, line);
	f = fmemopen(text, len, "rb");
	assert(f && !cert_file_read(&r, f, "again") && cert_file_next(r, &copy) == 1);
	again = cert_entry_format(&copy);
	assert(again && !strcmp(line, again));
	cert_entry_free(&copy);
	cert_file_close(r);
	fclose(f);
	free(again);
	free(line);
	free(text);
}

// The shield that the head names on an entry's decision; NULL for the bare policy.
static const struct enforce *shield_of(
	struct enforce *to, const struct property_file *shield, const struct cert_entry *e)
{
	static struct cert_decision d;

	d = (struct cert_decision){.x = e->state, .nin = e->nstate, .w = e->w, .p = e->p,
		.clean = e->clean, .nchanges = e->nchanges, .changes = e->changes};
	if (!shield || e->nstate < STATE_SIZE)
		return NULL;
	enforce_begin(to, shield, &d);
	enforce_window(to, e->state, e->clean);
	return to;
}

static void read_all(const char *text, size_t len)
{
	struct property_file *shield = NULL;
	struct enforce enforce;
	FILE *f = fmemopen((void *)text, len, "rb");
	struct cert_reader *r = NULL;
	struct cert_entry e;

	assert(f);
	if (!cert_file_read(&r, f, "fuzz")) {
		if (cert_file_head(r)->shield.text)
			property_parse(&shield, cert_file_head(r)->shield.text, "fuzz", NULL, 0);
		while (cert_file_next(r, &e) > 0) {
			check_entry_line(&e);
			for (int i = 0; i < e.nparts; i++) {
				struct proof_result found;
				char why[64];

				proof_part(proof, &e.parts[i], e.w, shield_of(&enforce, shield, &e),
					&found, why, sizeof(why));
			}
			cert_entry_free(&e);
		}
	}
	property_free(shield);
	cert_file_close(r);
	fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	log_set_level(-1);
	if (!proof)
		open_proof();
	if (size)
		read_all((const char *)data, size);
	return 0;
}
