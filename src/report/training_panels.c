/* The panels of a training report: which scalars stand beside each other. */
#include "report/training.h"

const struct training_panel training_panels[] = {
	{"Held-out set-ups", "held-out-score",
		"score, by which the best model is chosen: reward and reference QC, weighted", 0,
		{{"held_out/score", "score"}}},
	{NULL, "held-out-raw", "raw reward", 0, {{"held_out/raw", "raw reward"}}},
	{NULL, "reference-qc", "QC on reference decisions, the same for every policy", 0,
		{{"held_out/reference_qc", "all"}, {"reference/*", NULL}}},
	{NULL, "held-out-qc", "QC of the decisions that trigger", 0,
		{{"held_out/qc", "all"}, {"held_out_qc/*", NULL}}},
	{NULL, "held-out-triggered", "share of decisions that trigger", TRAINING_NONZERO,
		{{"held_out/triggered", "any"}, {"held_out_triggered/*", NULL}}},
	{NULL, "held-out-throughput", "throughput (Mbit/s)", 0, {{"held_out/mbps", "throughput"}}},
	{NULL, "held-out-delay", "queueing delay (ms)", TRAINING_LOG,
		{{"held_out/qdelay_ms", "queueing delay"}}},
	{NULL, "held-out-floor", "share of windows at the floor", 0,
		{{"held_out/floor", "at the floor"}}},
	{"Reward and certificates, on policy", "reward", "reward", 0,
		{{"reward/raw", "raw"}, {"reward/trained", "with certificate"}}},
	{NULL, "qc", "QC of the decisions that trigger", 0, {{"reward/qc", "all"}, {"qc/*", NULL}}},
	{NULL, "triggered", "share of decisions that trigger", TRAINING_NONZERO,
		{{"reward/triggered", "any"}, {"triggered/*", NULL}}},
	{NULL, "throughput", "throughput of a flow (Mbit/s)", 0, {{"network/mbps", "throughput"}}},
	{NULL, "delay", "queueing delay (ms)", TRAINING_LOG, {{"network/qdelay_ms", "delay"}}},
	{"Actions", "actions", "actions taken, exploration included", 0,
		{{"action/mean", "mean"}, {"action/abs", "mean size"}}},
	{NULL, "actor-actions", "actions of the actor, over the batch", 0,
		{{"actor/action", "mean"}, {"actor/action_abs", "mean size"}}},
	{NULL, "floor", "share of windows at the floor", 0, {{"action/floor", "at the floor"}}},
	{NULL, "pre-activation", "mean size of the actor\342\200\231s output before tanh", 0,
		{{"actor/pre_abs", "size"}}},
	{"Learner", "critic-loss", "critic loss", TRAINING_LOG,
		{{"critic/loss1", "critic 1"}, {"critic/loss2", "critic 2"}}},
	{NULL, "extra-loss", "extra (certified) loss", TRAINING_LOG | TRAINING_NONZERO,
		{{"actor/extra_loss", "extra loss"}}},
	{NULL, "q", "value", 0,
		{{"critic/q", "Q(s, a)"}, {"critic/target", "target"},
			{"actor/q", "Q(s, \317\200(s))"}}},
	{NULL, "extra-states", "states of the extra loss, an update", TRAINING_NONZERO,
		{{"actor/extra_states", "states"}}},
	{"Speed", "transitions-rate", "transitions a second", 0,
		{{"speed/transitions", "transitions/s"}}},
	{NULL, "updates-rate", "updates a second", 0, {{"speed/updates", "updates/s"}}},
	{NULL, "time", "share of wall time", TRAINING_EACH,
		{{"time/environments", "simulator"}, {"time/inference", "inference"},
			{"time/certificates", "certificates"}, {"time/updates", "updates"},
			{"time/held_out", "held-out"}, {"time/checkpoints", "checkpoints"}}},
};
#define NPANELS ((int)(sizeof(training_panels) / sizeof(training_panels[0])))

int training_npanels(void)
{
	return NPANELS;
}
