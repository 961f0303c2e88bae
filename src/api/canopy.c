/* The library's version and messages. */
#include "canopy/canopy.h"

#include "base/log.h"

const char *canopy_version(void)
{
	return CANOPY_VERSION;
}

void canopy_messages(int level)
{
	log_set_level(level);
}
