/* The property language: what it means, what it refuses and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"
#include "cert/property.h"
#include "refusal.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define NEWEST(feature) (STATE_SIZE - FRAME_FEATURES + (feature))

static int parse(const char *text)
{
	struct property_file *f = NULL;
	int err = property_parse(&f, text, "p.txt", NULL, 0);

	assert_true(!err == !!f);
	property_free(f);
	return err;
}

static struct property_file *parsed(const char *text)
{
	struct property_file *f = NULL;

	assert_int_equal(property_parse(&f, text, "p.txt", NULL, 0), 0);
	return f;
}

static void test_shipped(void **state)
{
	static const char *const published[] = {"deep-buffer", "shallow-buffer", "robustness", "safety",
		"loss", "loss-liveness", "safety-robustness"};
	int n = 0;

	for (; property_shipped_name(n); n++) {
		struct property_file *f = NULL, *again = NULL;

		assert_int_equal(property_load(&f, property_shipped_name(n), NULL, 0), 0);
		assert_string_equal(f->text, property_shipped_text(property_shipped_name(n)));
		assert_int_equal(property_parse(&again, f->text, "again", NULL, 0), 0);
		assert_string_equal(again->text, f->text);
		if (f->nsets)
			assert_string_equal(property_name(f, f->main), property_shipped_name(n));
		for (int i = 0; i < f->n; i++)
			assert_true(f->property[i].used);
		property_free(f);
		property_free(again);
	}
	assert_true(n >= 10);
	for (size_t i = 0; i < LEN(published); i++)
		assert_non_null(property_shipped_text(published[i]));
	assert_null(property_shipped_text("deep"));
}

static void test_over(void **state)
{
	struct property_file *f = parsed("let a = 0.5 # half\r\n"
					 "property p\n"
					 "over inv_rtt in [1 - a/2, 1], loss[-1..-3] *= [.95, 1.05], thr[*] in [0, 0]\n"
					 "then cwnd >= 10");
	const struct property *p = &f->property[0];

	assert_int_equal(p->nover, 1 + 3 + 10);
	assert_int_equal(p->over[0].input, NEWEST(FRAME_INV_RTT));
	assert_false(p->over[0].relative);
	assert_true(p->over[0].lo == 0.75 && p->over[0].hi == 1);
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(p->over[i].input, NEWEST(FRAME_LOSS) - i * FRAME_FEATURES);
		assert_true(p->over[i].relative && p->over[i].lo == 0.95 && p->over[i].hi == 1.05);
		assert_true(p->over[i].clip_lo == 0 && isinf(p->over[i].clip_hi));
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(p->over[4 + i].input, NEWEST(FRAME_THR) - i * FRAME_FEATURES);
	assert_false(p->needs_prev);
	assert_int_equal(p->needs_changes, 0);
	assert_true(property_let(f, "a") == 0.5 && isnan(property_let(f, "b")));
	property_free(f);
}

static void test_given(void **state)
{
	struct property_file *f = parsed("let k = 4\nproperty p\n"
					 "given some dcwnd[-1, -k..-3] < 2.5, cwnd(report) >= 2 * cwnd(clean), "
					 "all inv_rtt[0..-1] > 0.5, thr == 1\n"
					 "then cwnd <= cwnd(report)\n");
	const struct property *p = &f->property[0];

	assert_int_equal(p->ngiven, 4);
	assert_true(p->given[0].some && p->given[0].n == 3);
	assert_int_equal(p->given[0].at[0], 1);
	assert_int_equal(p->given[0].at[1], 4);
	assert_int_equal(p->given[0].at[2], 3);
	assert_int_equal(p->given[0].cmp, PROPERTY_LT);
	assert_int_equal(p->given[1].kind, PROPERTY_OF_WINDOWS);
	assert_int_equal(p->given[2].at[1], NEWEST(FRAME_INV_RTT) - FRAME_FEATURES);
	assert_true(p->given[2].bound == 0.5 && p->given[2].cmp == PROPERTY_GT);
	assert_int_equal(p->given[3].cmp, PROPERTY_EQ);
	assert_int_equal(p->needs_changes, 4);
	assert_true(p->needs_prev);
	property_free(f);
}

static void test_overrides(void **state)
{
	static const char *const let[] = {"b=1", "b= a * 3", "x=-7"};
	static const char text[] = "# head\nlet a = 0.25\n  let b = 2 * a # why\nlet x = 5\n\n"
				   "property p\n  then dcwnd in [x, b]\n";
	struct property_file *f = NULL, *again;

	assert_int_equal(property_parse(&f, text, "p.txt", let, 3), 0);
	assert_true(property_let(f, "b") == 0.75);
	assert_true(property_let(f, "x") == -7);
	assert_string_equal(f->text, "# head\nlet a = 0.25\nlet b = a * 3\nlet x = -7\n\n"
				     "property p\n  then dcwnd in [x, b]\n");
	again = parsed(f->text);
	assert_true(property_let(again, "b") == 0.75);
	assert_string_equal(again->text, f->text);
	property_free(again);
	property_free(f);
}

static int parse_with(const char *let)
{
	static const char text[] = "let theta = 0.25\nlet x = 25\nproperty p\n"
				   "over inv_rtt in [0, theta]\nthen dcwnd in [-x, 0]\n";
	struct property_file *f = NULL;
	int err = property_parse(&f, text, "p.txt", &let, 1);

	property_free(f);
	return err;
}

static void test_bad_overrides(void **state)
{
	static const struct refusal bad[] = {
		{"thet=1", "p.txt: 'thet': there is no such parameter, did you mean 'theta'?"},
		{"kappa=1", "p.txt: 'kappa': there is no such parameter; there are theta, x"},
		{"theta", "'theta' is not PARAMETER=VALUE"},
		{"=3", "'=3' is not PARAMETER=VALUE"},
		{"", "'' is not PARAMETER=VALUE"},
		{"x=1 # one", "is not PARAMETER=VALUE"},
		{"x=", "x: end of line: a number, a parameter or a window should stand here"},
		{"x=1 2", "x: '2': a constant should stand here, and nothing after it"},
		{"x=cwnd(prev)", "x: 'cwnd(prev)': a constant should stand here, not a window"},
		{"theta=-1", "p.txt:4: '[0, theta]': the interval is empty"},
		{"x=-1", "p.txt:5: 'in [-x, 0]': the interval is empty"},
		{"x=1\n", "x: '?': a constant should stand here, and nothing after it"},
	};

	assert_int_equal(parse_with("theta=0.5"), 0);
	check_refusals(parse_with, bad, LEN(bad));
}

#define THEN "\nthen dcwnd <= 0\n"
#define OVER(x) "property p\nover " x THEN
#define GIVEN(x) "property p\ngiven " x THEN
#define TARGET(x) "property p\nthen " x "\n"
#define SET(x) "set s = " x "\nproperty grow" THEN "property shrink" THEN

static void test_bad_statements(void **state)
{
	static const struct refusal bad[] = {
		{"", "p.txt: there is no property in it"},
		{"# nothing\n\n", "p.txt: there is no property in it"},
		{"\nproprty grow\n", "p.txt:2: 'proprty': there is no such statement, did you mean 'property'?"},
		{"xyzzy\n", "p.txt:1: 'xyzzy': there is no such statement; there are let, set, property"},
		{"= 3\n", "p.txt:1: '=': let, set, property, over, given or then should stand here"},
		{"\x01\x80\n", "p.txt:1: '?': let, set"},
		{"over inv_rtt in [0, 1]\n", "p.txt:1: 'over': it belongs to a property"},
		{"property\n", "p.txt:1: end of line: a name should stand here"},
		{"property 9\n", "p.txt:1: '9': a name should stand here"},
		{"property p q\n", "p.txt:1: 'q': the end of the line should stand here"},
		{"property p\n", "p.txt:1: 'p': the property has no 'then'"},
		{"property p\nproperty q\nthen cwnd <= 1\n", "p.txt:1: 'p': the property has no 'then'"},
		{"property p" THEN "then cwnd <= 1\n", "p.txt:3: 'then': the property has one already"},
		{"property p\nover thr in [0, 1]\nover loss in [0, 1]\n", "p.txt:3: 'over': the property has one"},
		{"property p" THEN "property p" THEN, "p.txt:3: 'p': line 1 has it already"},
		{"let a = 1\nlet a = 2\n", "p.txt:2: 'a': line 1 has it already"},
		{"let cwnd = 1\n", "p.txt:1: 'cwnd': the language has this word for itself"},
		{"let loss = 1\n", "p.txt:1: 'loss': this is a feature"},
		{"let = 1\n", "p.txt:1: '=': the name of a parameter should stand here"},
		{"let a 1\n", "p.txt:1: '1': '=' should stand here"},
		{"let a = \n", "p.txt:1: end of line: a number, a parameter or a window should stand here"},
		{"let a = 1 1\n", "p.txt:1: '1': the end of the line should stand here"},
		{"let a = 1 / (2 - 2)\n", "p.txt:1: '1 / (2 - 2)': this divides by zero"},
		{"let a = 1.5.2\n", "p.txt:1: '.': the end of the line should stand here"},
		{"let a = 1e3\n", "p.txt:1: 'e3': the end of the line should stand here"},
		{"let a = 1234567890123456789\n", "p.txt:1: '1234567890123456789': a number has at most 18 digits"},
		{"let a = 999999999999999999 * 999999999999999999 * 999999999999999999\n", "this is too large"},
		{"let a = ((((((((((((((((((1))))))))))))))))))\n", "the expression is nested too deeply"},
		{"let a = cwnd(prev)\n", "p.txt:1: 'cwnd(prev)': a constant should stand here"},
		{"let th = 1\nlet a = the + 1\n", "p.txt:2: 'the': there is no such parameter, did you mean 'th'?"},
		{"let a = b\n", "p.txt:1: 'b': there is no such parameter; there are cwnd"},
		{"let a = min 3\n", "p.txt:1: '3': '(' should stand here"},
		{"let a = max(1, 2\n", "p.txt:1: end of line: ')' should stand here"},
	};

	check_refusals(parse, bad, LEN(bad));
}

static void test_bad_over(void **state)
{
	static const struct refusal bad[] = {
		{OVER(""), "p.txt:2: end of line: a feature should stand here"},
		{OVER("inv_rt in [0, 1]"), "p.txt:2: 'inv_rt': there is no such feature, did you mean 'inv_rtt'?"},
		{OVER("queue in [0, 1]"), "'queue': there is no such feature; there are thr, pacing, loss"},
		{OVER("delay_metric in [0, 1]"), "'delay_metric': it follows inv_rtt"},
		{OVER("inv_rtt"), "end of line: 'in [LOW, HIGH]' or '*= [LOW, HIGH]' should stand here"},
		{OVER("inv_rtt = 1"), "'=': 'in [LOW, HIGH]' or"},
		{OVER("inv_rtt in 0, 1"), "'0': '[' should stand here"},
		{OVER("inv_rtt in [0 1]"), "'1': ',' should stand here"},
		{OVER("inv_rtt in [0, 1"), "end of line: ']' should stand here"},
		{OVER("inv_rtt in [0.5, 0.25]"), "'[0.5, 0.25]': the interval is empty"},
		{OVER("inv_rtt in [1.5, 2]"), "'[1.5, 2]': inv_rtt lies in [0, 1]"},
		{OVER("inv_rtt in [-2, -1]"), "'[-2, -1]': inv_rtt lies in [0, 1]"},
		{OVER("loss in [-2, -1]"), "'[-2, -1]': loss is at least 0"},
		{OVER("inv_rtt *= [-1, 1]"), "'[-1, 1]': factors are not below 0"},
		{OVER("inv_rtt *= [1.05, 0.95]"), "the interval is empty"},
		{OVER("inv_rtt in [0, cwnd(prev)]"), "'cwnd(prev)': a constant should stand here"},
		{OVER("inv_rtt in [0, 0.12345678901234567]"), "'0.12345678901234567': the number has too many"},
		{OVER("inv_rtt[1] in [0, 1]"), "'1': frames are counted from 0, the newest, to -9"},
		{OVER("inv_rtt[-10] in [0, 1]"), "'-10': frames are counted from 0"},
		{OVER("inv_rtt[-0.5] in [0, 1]"), "'-0.5': frames are counted from 0"},
		{OVER("inv_rtt[] in [0, 1]"), "']': a number, a parameter or a window should stand here"},
		{OVER("inv_rtt[-1 in [0, 1]"), "'in': ']' should stand here"},
		{OVER("inv_rtt[-1, -1] in [0, 1]"), "'-1': -1 is there already"},
		{OVER("inv_rtt[*, 0] in [0, 1]"), "'0': 0 is there already"},
		{OVER("inv_rtt in [0, 1], thr in [0, 1], inv_rtt[*] in [0, 1]"), "'inv_rtt': it varies already"},
		{OVER("inv_rtt in [0, 1] thr in [0, 1]"), "'thr': a comma or the end of the line"},
		{OVER("inv_rtt in [0, 1],"), "end of line: a feature should stand here"},
	};

	check_refusals(parse, bad, LEN(bad));
}

static void test_bad_given(void **state)
{
	static const struct refusal bad[] = {
		{GIVEN(""), "p.txt:2: end of line: a number, a parameter or a window should stand here"},
		{GIVEN("dcwnd <= 0"), "'dcwnd': which changes?"},
		{GIVEN("dcwnd[0] <= 0"), "'0': changes are counted from -1, the newest, to -10"},
		{GIVEN("dcwnd[-11] <= 0"), "'-11': changes are counted from -1"},
		{GIVEN("dcwnd[-1..-x] <= 0"), "'x': there is no such parameter"},
		{GIVEN("dcwnd[-1]"), "end of line: <=, <, ==, > or >= should stand here"},
		{GIVEN("dcwnd[-1] = 0"), "'=': <=, <, ==, > or >= should stand here"},
		{GIVEN("dcwnd[-1] <= "), "end of line: a number"},
		{GIVEN("dcwnd[-1] in [0, 1]"), "'in': <=, <, ==, > or >= should stand here"},
		{GIVEN("cwnd >= 3"), "'cwnd': which one? cwnd(prev), cwnd(clean) or cwnd(report)"},
		{GIVEN("cwnd(old) >= 3"), "'old': there is no such window; there are prev, clean, report"},
		{GIVEN("cwnd(claen) >= 3"), "'claen': there is no such window, did you mean 'clean'?"},
		{GIVEN("some cwnd(prev) >= 3"), "it is for several changes or frames"},
		{GIVEN("inv_rtt >= cwnd(prev)"), "'cwnd(prev)': a constant should stand here"},
		{GIVEN("dcwnd[-1] <= loss"), "'loss': there is no such parameter"},
		{GIVEN("dcwnd[-1] <= 0 dcwnd[-2] <= 0"), "'dcwnd': a comma or the end of the line"},
		{GIVEN("thr>0,thr>0,thr>0,thr>0,thr>0,thr>0,thr>0,thr>0,thr>0"), "'thr': at most 8 conditions"},
	};

	check_refusals(parse, bad, LEN(bad));
}

static void test_bad_then(void **state)
{
	static const struct refusal bad[] = {
		{TARGET(""), "p.txt:2: end of line: cwnd or dcwnd, which the decision installs, should stand here"},
		{TARGET("dcwn in [0, 1]"), "'dcwn': cwnd or dcwnd"},
		{TARGET("cwnd(prev) in [0, 1]"), "'cwnd': what is bounded is this decision's"},
		{TARGET("dcwnd[-1] <= 0"), "'dcwnd': what is bounded is this decision's"},
		{TARGET("dcwnd"), "end of line: 'in [LOW, HIGH]', <=, <, ==, > or >= should stand here"},
		{TARGET("dcwnd = 3"), "'=': 'in [LOW, HIGH]', <=, <, ==, > or >= should stand here"},
		{TARGET("dcwnd in [25, 0]"), "'in [25, 0]': the interval is empty"},
		{TARGET("dcwnd in [0]"), "']': ',' should stand here"},
		{TARGET("cwnd / cwnd in [0, 1]"), "'cwnd': cwnd / cwnd is always 1"},
		{TARGET("cwnd / 2 in [0, 1]"), "'2': cwnd, cwnd(prev), cwnd(clean) or cwnd(report) should stand"},
		{TARGET("cwnd / cwnd(prev <= 2"), "'<=': ')' should stand here"},
		{TARGET("cwnd <= cwnd"), "'cwnd': which one?"},
		{TARGET("cwnd <= 2 * dcwnd"), "'dcwnd': a change cannot stand in an expression"},
		{TARGET("cwnd <= inv_rtt"), "'inv_rtt': there is no such parameter"},
		{TARGET("cwnd <= 1 + "), "end of line: a number"},
		{TARGET("cwnd <= 1,cwnd <= 2,cwnd <= 3,cwnd <= 4,cwnd <= 5"), "'cwnd': at most 4 targets"},
		{TARGET("cwnd <= cwnd(prev) + 1+cwnd(prev)+1+cwnd(prev)+1+cwnd(prev)+1+cwnd(prev)+1"
			"+cwnd(prev)+1+cwnd(prev)+1+cwnd(prev)+1+cwnd(prev)+1+cwnd(prev)"),
			"the expression is too long"},
	};

	check_refusals(parse, bad, LEN(bad));
}

static void test_bad_sets(void **state)
{
	static const struct refusal bad[] = {
		{SET("mean(grow)"), "p.txt:4: 'shrink': the property is in no set"},
		{SET("mean(grow, shrnk)"), "p.txt:1: 'shrnk': there is no such property or set, did you mean 'shrink'"},
		{SET("mean(grow, tree)"), "'tree': there is no such property or set; there are grow, shrink"},
		{SET("mean()"), "')': the name of a property or set should stand here"},
		{SET("mean(grow shrink)"), "'shrink': ')' should stand here"},
		{SET("mean(grow, grow)"), "'grow': it is in the set already"},
		{SET("maen(grow, shrink)"), "'maen': there is no such rule, did you mean 'mean'?"},
		{SET("(grow, shrink)"), "'(': mean(...), min(...) or min over last"},
		{SET("mean(grow, shrink) # or\nset s = mean(grow, shrink)"), "p.txt:2: 's': line 1 has it already"},
		{SET("mean(grow, shrink) 3"), "'3': the end of the line should stand here"},
		{SET("min over 3 decisions of grow"), "'3': 'last' should stand here"},
		{SET("min over last 0 decisions of grow"), "'0': a whole number from 1 to 32 should stand here"},
		{SET("min over last 2.5 decisions of grow"), "'2.5': a whole number from 1 to 32"},
		{SET("min over last 3 of grow"), "'of': 'decisions' should stand here"},
		{SET("min over last 3 decisions of grow, shrink"), "',': the end of the line"},
		{SET("mean(grow, shrink, s)"), "p.txt:1: 's': the set contains itself"},
		{SET("mean(grow, t)\nset t = min(s, shrink)"), "the set contains itself"},
		{SET("min over last 32 decisions of t\nset t = min over last 2 decisions of u\n"
		     "set u = mean(grow, shrink)\nset v = mean(s)"), "p.txt:4: 'v': the set looks back too far"},
		{SET("min over last 32 decisions of t\nset t = mean(a, b)\nset a = mean(grow)\nset b = mean(shrink)\n"
		     "set c = mean(s, t, a, b)\nset d = mean(s, t, a, b, c)\nset e = mean(s, t, a, b, c, d)\n"
		     "set f = mean(s,t,a,b,c,d,e)\nset g=mean(s,t,a,b,c,d,e,f)\nset h = mean(s,t,a,b,c,d,e,f,g)\n"
		     "set i = mean(s,t,a,b,c,d,e,f,g,h)"), "p.txt:11: 'i': the set is too large"},
	};

	check_refusals(parse, bad, LEN(bad));
}

static void test_sets(void **state)
{
	struct property_file *f = parsed("set s = mean(t, grow)\nset t = min over last 3 decisions of u\n"
					 "set u = min(grow, shrink)\nset main = min(s)\n"
					 "property grow" THEN "property shrink" THEN);

	assert_int_equal(f->main, ~3);
	assert_int_equal(f->history, 3);
	assert_int_equal(property_pick(f, "grow"), 0);
	assert_int_equal(f->main, 0);
	assert_int_equal(f->history, 1);
	assert_true(f->property[0].used && !f->property[1].used);
	assert_int_equal(property_pick(f, "u"), 0);
	assert_true(f->property[1].used && f->history == 1);
	log_set_level(-1);
	assert_int_equal(property_pick(f, "growth"), -EINVAL);
	log_set_level(LOG_INFO);
	assert_int_equal(f->main, ~2);
	property_free(f);

	f = parsed("property grow" THEN "property shrink" THEN); // no set: the mean of all
	assert_int_equal(f->nsets, 1);
	assert_int_equal(f->set[0].nmembers, 2);
	assert_int_equal(f->main, ~0);
	property_free(f);
}

static int load(const char *what)
{
	struct property_file *f = NULL;
	int err = property_load(&f, what, NULL, 0);

	property_free(f);
	return err;
}

static void test_load(void **state)
{
	static const struct refusal bad[] = {
		{"deep-bufer", "'deep-bufer': there are no such properties, did you mean 'deep-buffer'?"},
		{"x", "'x': there are no such properties; the path of a file has a '.' or '/'"},
		{"./none.txt", "./none.txt: No such file or directory"},
		{"/", "/: Is a directory"},
	};
	char path[] = "/tmp/t_property-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	check_refusals(load, bad, LEN(bad));
	assert_int_equal(load("steady"), 0);
	assert_int_equal(file_write(path, TARGET("cwnd >= 4"), strlen(TARGET("cwnd >= 4"))), 0);
	assert_int_equal(load(path), 0);
	assert_int_equal(file_write(path, "property p\0\nthen", 16), 0);
	check_refusals(load, &(struct refusal){path, "not a text: it has a NUL byte"}, 1);
	unlink(path);
}

// Every example of the manual that has a property is one.
static void test_manual(void **state)
{
	char *text, *at;
	size_t len;
	int n = 0;

	if (access("properties/README.md", R_OK)) {
		print_message("skip: run from the source folder\n");
		skip();
	}
	assert_int_equal(file_read("properties/README.md", 1 << 20, &text, &len), 0);
	for (at = strstr(text, "```\n"); at; at = strstr(at, "```\n")) {
		char *end = strstr(at + 4, "```\n"), *from = at + 4;

		assert_non_null(end);
		*end = 0;
		if (strstr(from, "\nproperty ") || !strncmp(from, "property ", 9)) {
			assert_int_equal(parse(from), 0);
			n++;
		}
		at = end + 4;
	}
	assert_int_equal(n, 6);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shipped),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_bad_overrides),
		cmocka_unit_test(test_bad_statements),
		cmocka_unit_test(test_bad_over),
		cmocka_unit_test(test_bad_given),
		cmocka_unit_test(test_bad_then),
		cmocka_unit_test(test_bad_sets),
		cmocka_unit_test(test_sets),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
