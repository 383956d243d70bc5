/* SPDX-License-Identifier: Apache-2.0 */

/*
 * nfnetlink_log: a group is bound to a socket, and what rules log there comes as messages, several
 * in a datagram. A loss shows in the numbers that the kernel gives the packets of a group.
 */

#include "netlink/nflog.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

#define COPY_SIZE      128 /* IP header with options, or some of IPv6's, and ports */
#define QUEUE_PACKETS  64  /* sent together at most */
#define QUEUE_TIMEOUT  10  /* hundredths of a second until they are sent */
#define RECEIVE_BUFFER (4 << 20)

struct nflog {
	struct nl *nl;
	struct nflog_stats stats;
	size_t n_groups;
	uint16_t groups[NFLOG_GROUPS_MAX];
	bool counted[NFLOG_GROUPS_MAX];
	uint32_t next_seq[NFLOG_GROUPS_MAX];
};

/* --- Life --------------------------------------------------------------------------------- */

static int bind_group(struct nl *nl, uint16_t group, struct err *err)
{
	struct nfgenmsg header = {
		.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(group)};
	const struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
	const struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_SIZE),
						    .copy_mode = NFULNL_COPY_PACKET};
	struct nl_answer answer = {0};
	struct nl_request request;
	struct nlmsghdr *message = nl_request_init(
		&request, (NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_CONFIG, 0, &header, sizeof(header));
	int r;

	mnl_attr_put(message, NFULA_CFG_CMD, sizeof(command), &command);
	mnl_attr_put(message, NFULA_CFG_MODE, sizeof(mode), &mode);
	mnl_attr_put_u32(message, NFULA_CFG_QTHRESH, htonl(QUEUE_PACKETS));
	mnl_attr_put_u32(message, NFULA_CFG_TIMEOUT, htonl(QUEUE_TIMEOUT));
	mnl_attr_put_u16(message, NFULA_CFG_FLAGS, htons(NFULNL_CFG_F_SEQ));
	r = nl_call(nl, message, &answer, err);
	if (r < 0)
		return r;
	return answer.errnum ? nl_refused(err, &answer, "listen to nflog group %u", group) : 0;
}

int nflog_open(const uint16_t *groups, size_t n, struct nflog **ret, struct err *err)
{
	_cleanup_(nflog_closep) struct nflog *log = XNEW(struct nflog);
	int size = RECEIVE_BUFFER;
	int r = nl_open(NETLINK_NETFILTER, -1, &log->nl, err);

	assert(n <= NFLOG_GROUPS_MAX);
	if (r < 0)
		return r;
	if (setsockopt(nl_fd(log->nl), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		(void)setsockopt(nl_fd(log->nl), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	for (size_t i = 0; r == 0 && i < n; i++) {
		log->groups[log->n_groups++] = groups[i];
		r = bind_group(log->nl, groups[i], err);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(log);
	return 0;
}

struct nflog *nflog_close(struct nflog *log)
{
	if (!log)
		return NULL;
	nl_close(log->nl);
	free(log);
	return NULL;
}

int nflog_fd(const struct nflog *log)
{
	return nl_fd(log->nl);
}

void nflog_get_stats(const struct nflog *log, struct nflog_stats *ret)
{
	*ret = log->stats;
}

/* --- Packets ------------------------------------------------------------------------------ */

static const uint8_t packet_policy[NFULA_SEQ + 1] = {
	[NFULA_PAYLOAD] = NL_ATTR_ANY,
	[NFULA_PREFIX] = NL_ATTR_ANY,
	[NFULA_SEQ] = NL_ATTR_U32,
};

/* The prefix has room for 127 bytes, more than other names, and ends with a NUL. */
static const char *text_of(const struct nlattr *attr)
{
	const char *text = mnl_attr_get_payload(attr);
	size_t size = mnl_attr_get_payload_len(attr);

	return size && text[size - 1] == '\0' ? text : NULL;
}

int nflog_message(const struct nlmsghdr *message, struct nflog_packet *ret)
{
	const struct nlattr *tb[ARRAY_SIZE(packet_policy)];
	struct nflog_packet packet = {.prefix = ""};
	struct nfgenmsg header;
	int r;

	if (message->nlmsg_type != ((NFNL_SUBSYS_ULOG << 8) | NFULNL_MSG_PACKET))
		return NFLOG_E_SKIP;
	r = nl_parse(message, sizeof(header), packet_policy, ARRAY_SIZE(packet_policy), tb);
	if (r < 0)
		return r;
	memcpy(&header, mnl_nlmsg_get_payload(message), sizeof(header));
	packet.group = ntohs(header.res_id);
	if (tb[NFULA_PREFIX])
		packet.prefix = text_of(tb[NFULA_PREFIX]);
	if (!packet.prefix)
		return -EBADMSG;
	if (tb[NFULA_PAYLOAD]) {
		packet.payload = mnl_attr_get_payload(tb[NFULA_PAYLOAD]);
		packet.size = mnl_attr_get_payload_len(tb[NFULA_PAYLOAD]);
	}
	if (tb[NFULA_SEQ])
		packet.seq = ntohl(mnl_attr_get_u32(tb[NFULA_SEQ]));
	*ret = packet;
	return 0;
}

static void count_seq(struct nflog *log, const struct nflog_packet *packet)
{
	for (size_t i = 0; i < log->n_groups; i++) {
		if (log->groups[i] != packet->group)
			continue;
		/* A number from before is no loss: two processors may have crossed. */
		if (log->counted[i] && (int32_t)(packet->seq - log->next_seq[i]) > 0)
			log->stats.n_lost += packet->seq - log->next_seq[i];
		log->counted[i] = true;
		log->next_seq[i] = packet->seq + 1;
	}
}

void nflog_read(struct nflog *log, size_t max,
		void (*see)(const struct nflog_packet *packet, void *ctx), void *ctx)
{
	size_t n = 0;

	while (n < max) {
		const void *data;
		int left = nl_receive(log->nl, &data);
		const struct nlmsghdr *message = data;

		if (left == -ENOBUFS) {
			log->stats.n_overruns++;
			n++;
			continue;
		}
		if (left <= 0)
			return;
		for (; nl_message_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
			struct nflog_packet packet;
			int r = nflog_message(message, &packet);

			if (r < 0)
				log->stats.n_bad++;
			if (r != 0)
				continue;
			n++;
			log->stats.n_packets++;
			count_seq(log, &packet);
			see(&packet, ctx);
		}
	}
}
