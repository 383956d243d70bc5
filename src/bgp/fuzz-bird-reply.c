/* SPDX-License-Identifier: Apache-2.0 */

/* Whatever stands behind BIRD's socket: the parsers take any bytes. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bgp/bird.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	_cleanup_(bird_protocols_deinitp) struct bird_protocols protocols = {.v = NULL};
	struct bird_daemon_status status;
	struct bgp_session session;
	size_t line = 0;

	/* In two parts, as a socket gives them: the verdict may not depend on where they meet. */
	if (bird_reply_check(text, size / 2, &line, NULL) == BIRD_E_MORE) {
		size_t fresh = 0;

		if (bird_reply_check(text, size, &line, NULL) !=
		    bird_reply_check(text, size, &fresh, NULL))
			abort();
	}
	(void)!bird_parse_status(text, size, &status, NULL);
	if (bird_parse_protocols(text, size, &protocols, NULL) == 0)
		for (size_t i = 0; i < protocols.n; i++)
			(void)bgp_session_of(&protocols.v[i], &session);
	return 0;
}
