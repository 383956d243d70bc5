/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The watch half of the etcd backend, for its table. Internal. */

#include "store/store.h"

int etcd_watch_open(const struct store_config *config, uint64_t kinds, uint64_t revision,
		    struct store_watch **ret, struct err *err);
void etcd_watch_close(struct store_watch *watch);
int etcd_watch_fd(struct store_watch *watch);
int etcd_watch_next(struct store_watch *watch, struct store_event *ret, struct err *err);
