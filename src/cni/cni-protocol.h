/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What korat-cni and the agent say to each other over the unix stream socket. One request, one
 * answer, then both close. Included by the plugin too, so plain C, no other header of ours.
 *
 *	request:  struct cni_request_head, then 'env_size' bytes of NUL-terminated "KEY=value"
 *		  strings (CNI_* and those of the plugin's own), then 'stdin_size' bytes of stdin,
 *		  then 'delegated_size' bytes: what the delegated IPAM plugin printed;
 *		  the head carries, as SCM_RIGHTS, the open network namespace if there is one
 *	answer:	  struct cni_answer_head, then 'stdout_size' bytes for stdout; exit code in it
 *
 * The exit code CNI_ANSWER_DELEGATE says: run the IPAM plugin whose name is the text. After ADD the
 * request is made again, with what that plugin printed; after all other verbs its outcome is the
 * call's.
 */

#include <stdint.h>

#define CNI_MAGIC	      0x4b434e32u /* "KCN2" */
#define CNI_ENV_MAX	      65536u
#define CNI_STDIN_MAX	      (1u << 20)
#define CNI_STDOUT_MAX	      (1u << 20)
#define CNI_DELEGATED_MAX     (256u << 10)
#define CNI_DELEGATE_NAME_MAX 64u
#define CNI_ANSWER_DELEGATE   0x44454cu /* no exit code of a process */
#define CNI_SOCKET_PATH	      "/run/korat/cni.sock"
#define CNI_SOCKET_ENV	      "KORAT_CNI_SOCKET"   /* overrides the path */
#define CNI_QUEUE_PATH	      "/run/korat/cni-del" /* DELs made while the agent is away */
#define CNI_QUEUE_ENV	      "KORAT_CNI_QUEUE"
#define CNI_QUEUE_MAX	      4096u /* files; each is a request as above, without namespace */

enum cni_plugin_role {
	CNI_ROLE_MAIN, /* called as calico, korat */
	CNI_ROLE_IPAM, /* calico-ipam, korat-ipam */
};

struct cni_request_head {
	uint32_t magic;
	uint32_t role;
	uint32_t has_netns;
	uint32_t env_size;
	uint32_t stdin_size;
	uint32_t delegated_size;
	uint32_t had_del; /* ADD: a queued DEL of the same was taken back; 0 or 1 */
};

struct cni_answer_head {
	uint32_t magic;
	uint32_t exit_code;
	uint32_t stdout_size;
};
