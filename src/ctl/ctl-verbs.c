/* SPDX-License-Identifier: Apache-2.0 */

/* The two tables of the command line: flags and verbs. Names and letters are calicoctl's. */

#include "ctl/ctl-internal.h"

static const char *const output_words[] = {
	"ps", "wide", "yaml", "json", "name", "custom-columns=", NULL};
static const char *const bool_words[] = {"true", "false", NULL};
static const char *const persistence_words[] = {"Enabled", "Disabled", NULL};
static const char *const level_words[] = {"panic", "fatal", "error", "warn", "info", "debug", NULL};
static const char *const patch_words[] = {"strategic", "merge", "json", NULL};
static const char *const format_words[] = {"text", "json", NULL};

const struct ctl_flag_desc ctl_flags[FLAG_COUNT_] = {
	[FLAG_FILENAME] = {"filename", 'f', "FILE", NULL,
			   "file, directory, or - for standard input"},
	[FLAG_RECURSIVE] = {"recursive", 'R', NULL, NULL, "with a directory: those in it, too"},
	[FLAG_SKIP_EMPTY] = {"skip-empty", 0, NULL, NULL, "a file without objects is no error"},
	[FLAG_SKIP_EXISTS] = {"skip-exists", 0, NULL, NULL,
			      "leave what is there already; no error"},
	[FLAG_SKIP_NOT_EXISTS] = {"skip-not-exists", 's', NULL, NULL,
				  "pass over what is not there; no error"},
	[FLAG_NAMESPACE] = {"namespace", 'n', "NS", NULL, "namespace of what names none (default)"},
	[FLAG_ALL_NAMESPACES] = {"all-namespaces", 'A', NULL, NULL, "objects of all namespaces"},
	[FLAG_OUTPUT] = {"output", 'o', "FORMAT", output_words,
			 "ps, wide, yaml, json, name, custom-columns=COLUMN,..."},
	[FLAG_EXPORT] = {"export", 0, NULL, NULL,
			 "of named objects: without uid, revision and time"},
	[FLAG_SELECTOR] = {"selector", 'l', "LABELS", NULL,
			   "by label: a=b,c!=d,e in (f,g),h notin (i),j,!k"},
	[FLAG_PATCH] = {"patch", 'p', "PATCH", NULL, "the patch, JSON"},
	[FLAG_PATCH_TYPE] = {"type", 't', "TYPE", patch_words, "strategic, merge or json"},
	[FLAG_OVERWRITE] = {"overwrite", 0, NULL, NULL,
			    "change the value of a label that is there"},
	[FLAG_REMOVE] = {"remove", 0, NULL, NULL, "take the label away"},
	[FLAG_IP] = {"ip", 0, "IP", NULL, "one address"},
	[FLAG_SHOW_BLOCKS] = {"show-blocks", 0, NULL, NULL, "every block of the pools, too"},
	[FLAG_SHOW_BORROWED] = {"show-borrowed", 0, NULL, NULL,
				"addresses that lie in blocks of other nodes"},
	[FLAG_SHOW_CONFIGURATION] = {"show-configuration", 0, NULL, NULL,
				     "the settings that ipam configure changes"},
	[FLAG_SHOW_ALL_IPS] = {"show-all-ips", 0, NULL, NULL, "list every address that is checked"},
	[FLAG_SHOW_PROBLEM_IPS] = {"show-problem-ips", 0, NULL, NULL,
				   "list every address with a problem"},
	[FLAG_REPORT] = {"output", 'o', "FILE", NULL, "write a report for ipam release"},
	[FLAG_FIX] = {"fix", 0, NULL, NULL, "look twice, and repair what is wrong both times"},
	[FLAG_GRACE] = {"grace", 0, "SECONDS", NULL,
			"--fix leaves younger assignments alone (default 60)"},
	[FLAG_FROM_REPORT] = {"from-report", 0, "FILE", NULL,
			      "what every one of these reports of ipam check calls leaked", true},
	[FLAG_FORCE] = {"force", 0, NULL, NULL, "also while the datastore is not locked"},
	[FLAG_FORCE_REPORT] = {"force", 0, NULL, NULL,
			       "also by reports of another cluster, version or time"},
	[FLAG_STRICT_AFFINITY] = {"strictaffinity", 0, "BOOL", bool_words,
				  "nodes do not borrow addresses from each other's blocks"},
	[FLAG_MAX_BLOCKS_PER_HOST] = {"max-blocks-per-host", 0, "N", NULL,
				      "blocks a node may have; 0: no other limit than 20"},
	[FLAG_KUBEVIRT_IP_PERSISTENCE] = {"kubevirt-ip-persistence", 0, "MODE", persistence_words,
					  "does a virtual machine keep its address"},
	[FLAG_IP_COOLDOWN_SECONDS] = {"ip-cooldown-seconds", 0, "N", NULL,
				      "how long a released address rests, 0..1200"},
	[FLAG_CIDR] = {"cidr", 0, "CIDR", NULL, "the pool that has this CIDR"},
	[FLAG_NAME] = {"name", 0, "NAME", NULL, "the pool of this name"},
	[FLAG_NODE] = {"node", 0, "NODE", NULL, "as seen from this node"},
	[FLAG_CLIENT] = {"client", 0, NULL, NULL, "this program's version only"},
	[FLAG_SOCKET] = {"socket", 0, "PATH", NULL,
			 "BIRD's control socket (KORAT_RUN_DIR/bird.ctl)"},
	[FLAG_FROM] = {"from", 0, "FILE", NULL,
		       "judge the objects of this file or directory, not the datastore's", true},
	[FLAG_FORMAT] = {"output", 'o', "FORMAT", format_words, "text or json"},
	[FLAG_ALL] = {"all", 0, NULL, NULL, "everything, however much it is"},
	[FLAG_HOST_ACTION] = {"default-endpoint-to-host-action", 0, "ACTION", NULL,
			      "what the agent's environment sets it to: Drop, Accept or Return"},
	[FLAG_SOURCE_PORT] = {"source-port", 0, "PORT", NULL, "port that is sent from (49152)"},
	[FLAG_SECONDS] = {"seconds", 0, "N", NULL, "how long, 1..3600 (10)"},
	[FLAG_DENIED] = {"denied", 0, NULL, NULL, "only what was denied"},
	[FLAG_OF_NAMESPACE] = {"namespace", 'n', "NS", NULL,
			       "only what pods of this namespace sent or were sent"},
	[FLAG_POD] = {"pod", 0, "[NS/]NAME", NULL, "only what this pod sent or was sent"},
	[FLAG_FOLLOW] = {"follow", 0, NULL, NULL, "go on with those that come"},
	[FLAG_CONFIG] = {"config", 'c', "FILE", NULL,
			 "where the datastore is (/etc/calico/calicoctl.cfg)"},
	[FLAG_HELP] = {"help", 'h', NULL, NULL, "this text"},
	[FLAG_LOG_LEVEL] = {"log-level", 'l', "LEVEL", level_words,
			    "what is logged on standard error: panic to debug (info)"},
	[FLAG_CONTEXT] = {"context", 0, "NAME", NULL,
			  "for a Kubernetes datastore: not supported yet"},
	[FLAG_MARKDOWN] = {"markdown", 0, NULL, NULL, NULL},
	[FLAG_ALLOW_VERSION_MISMATCH] = {"allow-version-mismatch", 0, NULL, NULL,
					 "accepted for calicoctl's sake; no effect"},
};

#define FILE_FLAGS                                                                                 \
	(CTL_FLAG(FLAG_FILENAME) | CTL_FLAG(FLAG_RECURSIVE) | CTL_FLAG(FLAG_SKIP_EMPTY) |          \
	 CTL_FLAG(FLAG_NAMESPACE))

const struct ctl_verb ctl_verbs[] = {
	{
		.name = "create",
		.operands = "-f FILE",
		.flags = FILE_FLAGS | CTL_FLAG(FLAG_SKIP_EXISTS),
		.doc = "Create objects that are not there yet",
		.more = "Up to 256 objects are created all or none.",
		.needs_store = true,
		.begins_store = true,
		.examples = "koratctl create -f pool.yaml",
		.run = ctl_run_create,
	},
	{
		.name = "apply",
		.operands = "-f FILE",
		.flags = FILE_FLAGS,
		.doc = "Create objects, or replace those that are there",
		.more = "Up to 256 objects are written all or none.",
		.needs_store = true,
		.begins_store = true,
		.examples = "koratctl apply -f cluster/ --recursive\n"
			    "sed s/10.1/10.2/ pool.yaml | koratctl apply -f -",
		.run = ctl_run_apply,
	},
	{
		.name = "replace",
		.operands = "-f FILE",
		.flags = FILE_FLAGS,
		.doc = "Replace objects that are there",
		.more = "Up to 256 objects are replaced all or none. A resourceVersion in the file must\n"
			"be the one the object has.",
		.needs_store = true,
		.examples = "koratctl replace -f pool.yaml",
		.run = ctl_run_replace,
	},
	{
		.name = "patch",
		.operands = "KIND NAME -p PATCH",
		.takes = OPERANDS_KIND_NAME,
		.flags =
			CTL_FLAG(FLAG_PATCH) | CTL_FLAG(FLAG_PATCH_TYPE) | CTL_FLAG(FLAG_NAMESPACE),
		.doc = "Change fields of an object",
		.more = "merge: RFC 7386, null removes a field, a list replaces the list.\n"
			"json: RFC 6902, a list of add, remove, replace, move, copy and test.\n"
			"strategic, the default, is the same as merge.",
		.needs_store = true,
		.examples =
			"koratctl patch ippool pool1 -p '{\"spec\": {\"natOutgoing\": true}}'\n"
			"koratctl patch tier default -t json -p '[{\"op\": \"replace\", \"path\": \"/spec/order\", \"value\": 5}]'",
		.run = ctl_run_patch,
	},
	{
		.name = "delete",
		.operands = "(KIND NAME... | -f FILE)",
		.takes = OPERANDS_KIND_NAMES,
		.flags = FILE_FLAGS | CTL_FLAG(FLAG_SKIP_NOT_EXISTS),
		.doc = "Delete objects",
		.more = "Up to 256 objects are deleted all or none.",
		.needs_store = true,
		.examples = "koratctl delete ippool pool1 pool2\n"
			    "koratctl delete -f policy.yaml --skip-not-exists",
		.run = ctl_run_delete,
	},
	{
		.name = "get",
		.operands = "(KIND [NAME...] | -f FILE)",
		.takes = OPERANDS_KIND_NAMES,
		.flags = FILE_FLAGS | CTL_FLAG(FLAG_ALL_NAMESPACES) | CTL_FLAG(FLAG_OUTPUT) |
			 CTL_FLAG(FLAG_EXPORT) | CTL_FLAG(FLAG_SELECTOR),
		.doc = "Show objects",
		.more = "A custom column is the title of one that -o wide has, or TITLE:PATH.",
		.needs_store = true,
		.examples = "koratctl get ippools -o wide\n"
			    "koratctl get networkpolicy -A\n"
			    "koratctl get node node1 -o yaml\n"
			    "koratctl get ippool -o custom-columns=NAME,SIZE:.spec.blockSize",
		.run = ctl_run_get,
	},
	{
		.name = "label",
		.operands = "KIND NAME (KEY=VALUE | KEY --remove)",
		.takes = OPERANDS_KIND_NAME_LABEL,
		.flags =
			CTL_FLAG(FLAG_OVERWRITE) | CTL_FLAG(FLAG_REMOVE) | CTL_FLAG(FLAG_NAMESPACE),
		.doc = "Set or remove a label of an object",
		.needs_store = true,
		.examples = "koratctl label node node1 rack=r1\n"
			    "koratctl label node node1 rack --remove",
		.run = ctl_run_label,
	},
	{
		.name = "validate",
		.operands = "-f FILE",
		.flags = FILE_FLAGS,
		.doc = "Check the objects of files; needs no datastore",
		.examples = "koratctl validate -f cluster/ --recursive",
		.run = ctl_run_validate,
	},
	{
		.name = "ipam show",
		.operands = "",
		.flags = CTL_FLAG(FLAG_IP) | CTL_FLAG(FLAG_SHOW_BLOCKS) |
			 CTL_FLAG(FLAG_SHOW_BORROWED) | CTL_FLAG(FLAG_SHOW_CONFIGURATION),
		.doc = "Show how the addresses of the pools are used",
		.needs_store = true,
		.examples = "koratctl ipam show --show-blocks\n"
			    "koratctl ipam show --ip 10.1.0.5",
		.run = ctl_run_ipam_show,
	},
	{
		.name = "ipam check",
		.operands = "",
		.flags = CTL_FLAG(FLAG_SHOW_ALL_IPS) | CTL_FLAG(FLAG_SHOW_PROBLEM_IPS) |
			 CTL_FLAG(FLAG_REPORT) | CTL_FLAG(FLAG_FIX) | CTL_FLAG(FLAG_GRACE),
		.doc = "Compare the addresses that are assigned with those in use",
		.more = "--fix releases addresses of pods and nodes that are gone, corrects handles,\n"
			"and gives back the blocks of nodes that are gone.",
		.needs_store = true,
		.examples = "koratctl ipam check --show-problem-ips\n"
			    "koratctl ipam check -o report.json",
		.run = ctl_run_ipam_check,
	},
	{
		.name = "ipam release",
		.operands = "",
		.flags = CTL_FLAG(FLAG_IP) | CTL_FLAG(FLAG_FROM_REPORT) |
			 CTL_FLAG(FLAG_FORCE_REPORT),
		.doc = "Release an address, or what reports of ipam check call leaked",
		.more = "An endpoint that still uses the address is not told: release only what was\n"
			"left behind. Of several reports only what all of them agree on is released.",
		.needs_store = true,
		.examples =
			"koratctl ipam release --ip 10.1.0.5\n"
			"koratctl ipam release --from-report report1.json --from-report report2.json",
		.run = ctl_run_ipam_release,
	},
	{
		.name = "ipam configure",
		.operands = "",
		.flags = CTL_FLAG(FLAG_STRICT_AFFINITY) | CTL_FLAG(FLAG_MAX_BLOCKS_PER_HOST) |
			 CTL_FLAG(FLAG_KUBEVIRT_IP_PERSISTENCE) |
			 CTL_FLAG(FLAG_IP_COOLDOWN_SECONDS),
		.doc = "Change the settings of the address management",
		.needs_store = true,
		.examples = "koratctl ipam configure --strictaffinity=true --max-blocks-per-host=4",
		.run = ctl_run_ipam_configure,
	},
	{
		.name = "ipam split",
		.operands = "NUMBER",
		.takes = OPERANDS_ONE,
		.flags = CTL_FLAG(FLAG_CIDR) | CTL_FLAG(FLAG_NAME) | CTL_FLAG(FLAG_FORCE),
		.doc = "Split a pool into NUMBER smaller ones, a power of 2",
		.more = "The pool is given by --cidr or --name. The new ones are named split-POOL-I and\n"
			"have its settings. Unless --force, the datastore must be locked, that is,\n"
			"ClusterInformation default must have datastoreReady false: agents change\n"
			"nothing meanwhile.",
		.needs_store = true,
		.examples = "koratctl ipam split 4 --name pool1",
		.run = ctl_run_ipam_split,
	},
	{
		.name = "ipam why",
		.operands = "ADDRESS",
		.takes = OPERANDS_ONE,
		.flags = CTL_FLAG(FLAG_NODE),
		.doc = "Explain who has an address, or who may get it and why not",
		.needs_store = true,
		.examples = "koratctl ipam why 10.1.0.5\n"
			    "koratctl ipam why 10.1.0.9 --node node2",
		.run = ctl_run_ipam_why,
	},
	{
		.name = "policy explain",
		.operands = "('FROM -> TO:PROTOCOL/PORT' | FROM TO:PROTOCOL/PORT)",
		.takes = OPERANDS_CONNECTION,
		.flags = CTL_FLAG(FLAG_FROM) | CTL_FLAG(FLAG_RECURSIVE) | CTL_FLAG(FLAG_FORMAT) |
			 CTL_FLAG(FLAG_ALL) | CTL_FLAG(FLAG_SOURCE_PORT) |
			 CTL_FLAG(FLAG_NAMESPACE) | CTL_FLAG(FLAG_HOST_ACTION),
		.doc = "Explain which policy lets a connection pass, or does not, and why",
		.more = "An end is pod/NAMESPACE/NAME, hep/NAME, node/NAME, networkset/NAMESPACE/NAME,\n"
			"globalnetworkset/NAME or ip/ADDRESS, as ip/[fd00::1]. What is spoken is tcp/PORT,\n"
			"udp/PORT, sctp/PORT, icmp, icmp/TYPE/CODE, icmpv6 or a protocol's number; a port may be\n"
			"the name of one that TO has. Every tier, policy and rule that is looked at is\n"
			"shown, at both ends and on the hosts between, with what decided it. --from\n"
			"takes files, and may be given several times; no datastore is asked then. Of\n"
			"Kubernetes' objects in them it uses pods, namespaces, service accounts,\n"
			"endpoint slices and network policies, and passes over others.\n"
			"Where staged policies have a say, it is shown besides what they would do.\n"
			"The exit code is 0 if the connection is allowed, 2 if it is denied, 1 if\n"
			"anything was wrong.",
		.examples =
			"koratctl policy explain 'pod/shop/web -> pod/shop/db:tcp/5432'\n"
			"koratctl policy explain pod/shop/web ip/1.1.1.1:udp/53 --from cluster/\n"
			"koratctl policy explain 'ip/10.0.0.9 -> hep/node1-eth0:tcp/22' -o json",
		.run = ctl_run_policy_explain,
	},
	{
		.name = "policy impact",
		.operands = "-f FILE",
		.flags = FILE_FLAGS | CTL_FLAG(FLAG_FROM) | CTL_FLAG(FLAG_FORMAT) |
			 CTL_FLAG(FLAG_ALL),
		.doc = "Show which connections would be allowed or denied if the objects of a file were applied",
		.more = "Nothing is written. Endpoints that no rule tells apart are shown as one, ports as\n"
			"ranges; every other connection is judged as it is now and as it would be: by the\n"
			"sender's egress and the receiver's ingress, not by hosts on the way. Of staged\n"
			"policies it is shown besides what would change if they were enforced.",
		.examples = "koratctl policy impact -f new-policy.yaml\n"
			    "koratctl policy impact -f new-policy.yaml --from cluster/ -o json",
		.run = ctl_run_policy_impact,
	},
	{
		.name = "policy trace",
		.operands = "('FROM -> TO[:PROTOCOL/PORT]' | FROM TO[:PROTOCOL/PORT])",
		.takes = OPERANDS_CONNECTION,
		.flags = CTL_FLAG(FLAG_SECONDS) | CTL_FLAG(FLAG_FROM) | CTL_FLAG(FLAG_RECURSIVE) |
			 CTL_FLAG(FLAG_FORMAT) | CTL_FLAG(FLAG_NAMESPACE),
		.doc = "Follow real packets through the kernel of this node, rule by rule",
		.more = "The ends are those of policy explain; if both are addresses, no datastore is asked.\n"
			"Nothing is sent: the packets are those that FROM sends meanwhile and that pass this\n"
			"node, so try on both nodes. Every rule they match is shown, whoever made it, with\n"
			"the policy and its rule where it is one of ours; packets that fare the same are\n"
			"shown once and counted. Answers are not followed.\n"
			"A temporary nftables table korat-trace-PID marks the packets; the kernel removes it\n"
			"when this program ends, however it ends. Needs root.\n"
			"The exit code is 2 if a packet was denied, 1 if anything was wrong, else 0.",
		.examples =
			"koratctl policy trace 'pod/shop/web -> pod/shop/db:tcp/5432' --seconds 30\n"
			"koratctl policy trace 10.1.0.5 10.2.0.7 -o json",
		.run = ctl_run_policy_trace,
	},
	{
		.name = "flows",
		.operands = "",
		.flags = CTL_FLAG(FLAG_FOLLOW) | CTL_FLAG(FLAG_DENIED) |
			 CTL_FLAG(FLAG_OF_NAMESPACE) | CTL_FLAG(FLAG_POD) | CTL_FLAG(FLAG_FORMAT),
		.doc = "Show which connections policy allowed and denied on this node",
		.more = "Works on the node itself, as root, once flowLogsLocalReporter of FelixConfiguration\n"
			"is Enabled. Each line says when, what became of it, from whom to whom, which rule\n"
			"of which policy decided at which end, and of how many packets: of a connection\n"
			"that is allowed only the first is counted. The last 4096 flows are kept. The\n"
			"agent is asked at KORAT_RUN_DIR/flows.sock, /run/korat unless the environment\n"
			"says otherwise. json: an object in each line.",
		.examples = "koratctl flows --follow --denied\n"
			    "koratctl flows -n shop -o json\n"
			    "koratctl flows --pod shop/web-1",
		.run = ctl_run_flows,
	},
	{
		.name = "node status",
		.operands = "",
		.flags = CTL_FLAG(FLAG_SOCKET),
		.doc = "Show the BGP sessions of this node",
		.more = "Asks the node's BIRD at KORAT_RUN_DIR/bird.ctl, which is /run/korat/bird.ctl\n"
			"unless the environment says otherwise; so it works on the node itself only.",
		.examples = "koratctl node status",
		.run = ctl_run_node_status,
	},
	{
		.name = "version",
		.operands = "",
		.flags = CTL_FLAG(FLAG_CLIENT),
		.doc = "Show the versions of this program and of the cluster",
		.examples = "koratctl version --client",
		.run = ctl_run_version,
	},
	{
		.name = "completion",
		.operands = "bash|zsh",
		.takes = OPERANDS_SHELL,
		.doc = "Write a shell's completion of this program to standard output",
		.more = "It completes commands, flags, kinds, and the names of objects.",
		.examples = "source <(koratctl completion bash)\n"
			    "koratctl completion zsh > \"${fpath[1]}/_koratctl\"",
		.run = ctl_run_completion,
	},
	{
		.name = "help",
		.operands = "[COMMAND | kinds | KIND | config]",
		.takes = OPERANDS_TOPIC,
		.flags = CTL_FLAG(FLAG_MARKDOWN),
		.doc = "Explain a command, list the kinds, or describe the fields of one",
		.examples = "koratctl help ipam check\n"
			    "koratctl help ippool",
		.run = ctl_run_help,
	},
	{.name = NULL},
};
