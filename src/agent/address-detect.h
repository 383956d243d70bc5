/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which of a host's addresses is the node's: Calico's IP_AUTODETECTION_METHOD. Pure: what
 * can-reach and kubernetes-internal-ip ask of the world, the caller finds out first.
 */

#include "base/ip.h"

struct host_addr {
	const char *interface;
	struct cidr cidr; /* with host bits */
	bool up;
};

enum address_detect_outcome { ADDRESS_DETECT_E_NONE = 1 };

/*
 * method: first-found, interface=REGEX[,...], skip-interface=REGEX[,...], cidr=CIDR[,...],
 * can-reach=HOST ('told' then is the source address of the route there), kubernetes-internal-ip
 * ('told' is the InternalIP of the Node); 'told' with family 0: there is none.
 * 0: '*ret' set. ADDRESS_DETECT_E_NONE: no address fits, 'err' says what was looked for. -EINVAL:
 * the method can't be understood.
 */
MUST_CHECK int address_detect(const char *method, uint8_t family, const struct host_addr *addrs,
			      size_t n, const struct ip_addr *told, struct cidr *ret,
			      struct err *err);
