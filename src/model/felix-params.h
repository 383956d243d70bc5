/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* clang-format off */

/*
 * Every parameter of FelixConfiguration, once. A row is
 *
 *	P(type, member, "EnvironmentName", "jsonName", default, argument, words)
 *
 * or the same as N() if this version reads the parameter and does not apply it:
 * tools/check-felix.py holds that to be so.
 *
 * 'default' is DEFAULT(JSON text) or NO_DEFAULT. 'argument' goes with the type:
 *
 *	BOOL			unused
 *	INT, MASK		RANGE(min, max); a mask may be written in hexadecimal in the environment
 *	STRING, LIST		the check of the string, or of each
 *	INT_OR_STRING(_LIST)	the check of the text
 *	CHOICE			the allowed values, in any case
 *	DURATION		the unit of a plain number in the environment
 *	PORTS, RANGE, RANGES, HEALTH, TIMEOUTS, MAP	unused
 *
 * felix-configuration.h makes the struct of it, felix-configuration.c the table of fields and
 * felix-config.c the reading of the environment.
 */

#define FELIX_INBOUND_PORTS \
	"[" \
	"{\"protocol\": \"TCP\", \"port\": 22}," \
	"{\"protocol\": \"UDP\", \"port\": 68}," \
	"{\"protocol\": \"TCP\", \"port\": 179}," \
	"{\"protocol\": \"TCP\", \"port\": 2379}," \
	"{\"protocol\": \"TCP\", \"port\": 2380}," \
	"{\"protocol\": \"TCP\", \"port\": 5473}," \
	"{\"protocol\": \"TCP\", \"port\": 6443}," \
	"{\"protocol\": \"TCP\", \"port\": 6666}," \
	"{\"protocol\": \"TCP\", \"port\": 6667}" \
	"]"

#define FELIX_OUTBOUND_PORTS \
	"[" \
	"{\"protocol\": \"UDP\", \"port\": 53}," \
	"{\"protocol\": \"UDP\", \"port\": 67}," \
	"{\"protocol\": \"TCP\", \"port\": 179}," \
	"{\"protocol\": \"TCP\", \"port\": 2379}," \
	"{\"protocol\": \"TCP\", \"port\": 2380}," \
	"{\"protocol\": \"TCP\", \"port\": 5473}," \
	"{\"protocol\": \"TCP\", \"port\": 6443}," \
	"{\"protocol\": \"TCP\", \"port\": 6666}," \
	"{\"protocol\": \"TCP\", \"port\": 6667}" \
	"]"

#define FELIX_CONNTRACK_TIMEOUTS \
	"{" \
	"\"creationGracePeriod\": \"10s\"," \
	"\"tcpSynSent\": \"20s\"," \
	"\"tcpEstablished\": \"1h\"," \
	"\"tcpFinsSeen\": \"Auto\"," \
	"\"tcpResetSeen\": \"40s\"," \
	"\"udpTimeout\": \"60s\"," \
	"\"genericTimeout\": \"10m\"," \
	"\"icmpTimeout\": \"5s\"" \
	"}"

#define FELIX_PARAMS(P, N) \
	/* Process */ \
	N(STRING, feature_detect_override, "FeatureDetectOverride", "featureDetectOverride", \
	  NO_DEFAULT, CHECK_NONE, "Forces detected kernel features, as name=true,name=false") \
	N(STRING, feature_gates, "FeatureGates", "featureGates", \
	  NO_DEFAULT, CHECK_NONE, "Technical previews to switch on, as name=value,name=value") \
	N(INT, go_gc_threshold, "GoGCThreshold", "goGCThreshold", \
	  DEFAULT("40"), RANGE(-1, INT32_MAX), \
	  "Accepted and without effect: there is no garbage collector") \
	N(INT, go_max_procs, "GoMaxProcs", "goMaxProcs", \
	  DEFAULT("-1"), RANGE(-1, INT32_MAX), "Accepted and without effect") \
	N(INT, go_memory_limit_mb, "GoMemoryLimitMB", "goMemoryLimitMB", \
	  DEFAULT("-1"), RANGE(-1, INT32_MAX), "Accepted and without effect") \
	N(BOOL, health_enabled, "HealthEnabled", "healthEnabled", \
	  DEFAULT("false"), 0, "Serve /liveness and /readiness over HTTP") \
	N(STRING, health_host, "HealthHost", "healthHost", \
	  DEFAULT("\"localhost\""), CHECK_NONE, "Address or name the health server listens on") \
	N(INT, health_port, "HealthPort", "healthPort", \
	  DEFAULT("9099"), RANGE(0, 65535), "Port of the health server") \
	N(HEALTH, health_timeout_overrides, "HealthTimeoutOverrides", "healthTimeoutOverrides", \
	  NO_DEFAULT, 0, \
	  "How long each named component may stay silent before it counts as " \
	  "unhealthy") \
	N(DURATION, dataplane_watchdog_timeout, \
	  "DataplaneWatchdogTimeout", "dataplaneWatchdogTimeout", \
	  DEFAULT("\"90s\""), SECOND, \
	  "Deprecated: use healthTimeoutOverrides. How long the dataplane loop may " \
	  "stay silent") \
	/* Logging */ \
	N(STRING, log_file_path, "LogFilePath", "logFilePath", \
	  DEFAULT("\"/var/log/calico/felix.log\""), CHECK_NONE, "File to log to") \
	N(CHOICE, log_severity_file, "LogSeverityFile", "logSeverityFile", \
	  DEFAULT("\"Info\""), felix_values_severity, \
	  "From which severity on to log to the file. One of Trace, Debug, Info, " \
	  "Warning, Error, Fatal, None") \
	P(CHOICE, log_severity_screen, "LogSeverityScreen", "logSeverityScreen", \
	  DEFAULT("\"Info\""), felix_values_severity, \
	  "From which severity on to log to the standard error stream. One of Trace, " \
	  "Debug, Info, Warning, Error, Fatal, None") \
	N(CHOICE, log_severity_sys, "LogSeveritySys", "logSeveritySys", \
	  DEFAULT("\"Info\""), felix_values_severity, \
	  "From which severity on to log to syslog. One of Trace, Debug, Info, " \
	  "Warning, Error, Fatal, None") \
	N(STRING, log_debug_filename_regex, "LogDebugFilenameRegex", "logDebugFilenameRegex", \
	  NO_DEFAULT, CHECK_REGEX, "Restricts debug messages to source files whose name matches") \
	P(STRING, log_prefix, "LogPrefix", "logPrefix", \
	  DEFAULT("\"calico-packet\""), CHECK_NONE, \
	  "Prefix of what LOG rules write: %t tier, %k kind, %n policy, %p namespace " \
	  "and policy") \
	P(STRING, log_action_rate_limit, "LogActionRateLimit", "logActionRateLimit", \
	  NO_DEFAULT, CHECK_RATE, \
	  "Limit of LOG rules, as N/second, N/minute, N/hour or N/day; absent: none") \
	P(INT, log_action_rate_limit_burst, "LogActionRateLimitBurst", "logActionRateLimitBurst", \
	  DEFAULT("5"), RANGE(0, 9999), \
	  "Packets LOG rules may log at once before logActionRateLimit holds") \
	/* Prometheus */ \
	N(BOOL, prometheus_metrics_enabled, \
	  "PrometheusMetricsEnabled", "prometheusMetricsEnabled", \
	  DEFAULT("false"), 0, "Serve metrics over HTTP") \
	N(STRING, prometheus_metrics_host, "PrometheusMetricsHost", "prometheusMetricsHost", \
	  NO_DEFAULT, CHECK_NONE, "Address the metrics server listens on; absent: all") \
	N(INT, prometheus_metrics_port, "PrometheusMetricsPort", "prometheusMetricsPort", \
	  DEFAULT("9091"), RANGE(0, 65535), "Port of the metrics server") \
	N(STRING, prometheus_metrics_ca_file, \
	  "PrometheusMetricsCAFile", "prometheusMetricsCAFile", \
	  NO_DEFAULT, CHECK_NONE, "CA that signs the clients of the metrics server") \
	N(STRING, prometheus_metrics_cert_file, \
	  "PrometheusMetricsCertFile", "prometheusMetricsCertFile", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Certificate of the metrics server; with it metrics are served by TLS") \
	N(STRING, prometheus_metrics_key_file, \
	  "PrometheusMetricsKeyFile", "prometheusMetricsKeyFile", \
	  NO_DEFAULT, CHECK_NONE, "Private key of the metrics server") \
	N(CHOICE, prometheus_metrics_client_auth, \
	  "PrometheusMetricsClientAuth", "prometheusMetricsClientAuth", \
	  DEFAULT("\"NoClientCert\""), felix_values_client_auth, \
	  "Which certificate a client of the metrics server must show. One of " \
	  "NoClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, " \
	  "RequireAndVerifyClientCert") \
	N(BOOL, prometheus_go_metrics_enabled, \
	  "PrometheusGoMetricsEnabled", "prometheusGoMetricsEnabled", \
	  DEFAULT("true"), 0, "Accepted and without effect") \
	N(BOOL, prometheus_process_metrics_enabled, \
	  "PrometheusProcessMetricsEnabled", "prometheusProcessMetricsEnabled", \
	  DEFAULT("true"), 0, "Serve metrics of the process: memory, CPU time, open files") \
	N(BOOL, prometheus_wire_guard_metrics_enabled, \
	  "PrometheusWireGuardMetricsEnabled", "prometheusWireGuardMetricsEnabled", \
	  DEFAULT("true"), 0, "Serve metrics of WireGuard peers") \
	/* Dataplane, common */ \
	P(BOOL, allow_ipip_packets_from_workloads, \
	  "AllowIPIPPacketsFromWorkloads", "allowIPIPPacketsFromWorkloads", \
	  DEFAULT("false"), 0, "Let workloads send IPIP packets; otherwise they are dropped") \
	P(BOOL, allow_vxlan_packets_from_workloads, \
	  "AllowVXLANPacketsFromWorkloads", "allowVXLANPacketsFromWorkloads", \
	  DEFAULT("false"), 0, "Let workloads send VXLAN packets; otherwise they are dropped") \
	N(STRING, cgroup_v2_path, "CgroupV2Path", "cgroupV2Path", \
	  NO_DEFAULT, CHECK_NONE, "Where the cgroup v2 hierarchy is mounted") \
	P(CHOICE, chain_insert_mode, "ChainInsertMode", "chainInsertMode", \
	  DEFAULT("\"insert\""), felix_values_chain_insert, \
	  "Where the first rule goes in the kernel's own chains. One of insert, " \
	  "append") \
	N(STRING, dataplane_driver, "DataplaneDriver", "dataplaneDriver", \
	  DEFAULT("\"calico-iptables-plugin\""), CHECK_NONE, \
	  "Program of an external dataplane; only with useInternalDataplaneDriver " \
	  "false") \
	N(BOOL, use_internal_dataplane_driver, \
	  "UseInternalDataplaneDriver", "useInternalDataplaneDriver", \
	  DEFAULT("true"), 0, "Use the dataplane that is built in") \
	P(CHOICE, default_endpoint_to_host_action, \
	  "DefaultEndpointToHostAction", "defaultEndpointToHostAction", \
	  DEFAULT("\"Drop\""), felix_values_endpoint_to_host, \
	  "What becomes of packets from a workload to its own host that no policy " \
	  "decides. One of Drop, Accept, Return") \
	P(INT, device_route_protocol, "DeviceRouteProtocol", "deviceRouteProtocol", \
	  DEFAULT("3"), RANGE(0, 255), \
	  "Routing protocol number of the routes that are programmed") \
	N(STRING, device_route_source_address, \
	  "DeviceRouteSourceAddress", "deviceRouteSourceAddress", \
	  NO_DEFAULT, CHECK_IP_V4, "Source address hint of IPv4 routes to workloads") \
	N(STRING, device_route_source_address_ipv6, \
	  "DeviceRouteSourceAddressIPv6", "deviceRouteSourceAddressIPv6", \
	  NO_DEFAULT, CHECK_IP_V6, "Source address hint of IPv6 routes to workloads") \
	P(BOOL, disable_conntrack_invalid_check, \
	  "DisableConntrackInvalidCheck", "disableConntrackInvalidCheck", \
	  DEFAULT("false"), 0, "Don't drop packets that connection tracking calls invalid") \
	N(STRING, endpoint_status_path_prefix, \
	  "EndpointStatusPathPrefix", "endpointStatusPathPrefix", \
	  DEFAULT("\"/var/run/calico\""), CHECK_NONE, \
	  "Directory of the files that tell of each endpoint's state") \
	N(LIST, external_nodes_list, "ExternalNodesCIDRList", "externalNodesList", \
	  NO_DEFAULT, CHECK_CIDR, "Further peers that IPIP and VXLAN packets are accepted from") \
	P(PORTS, failsafe_inbound_host_ports, \
	  "FailsafeInboundHostPorts", "failsafeInboundHostPorts", \
	  DEFAULT(FELIX_INBOUND_PORTS), 0, \
	  "Ports of host endpoints that no policy can close to incoming packets; the " \
	  "empty list: none") \
	P(PORTS, failsafe_outbound_host_ports, \
	  "FailsafeOutboundHostPorts", "failsafeOutboundHostPorts", \
	  DEFAULT(FELIX_OUTBOUND_PORTS), 0, \
	  "Ports that no policy can keep host endpoints from reaching; the empty " \
	  "list: none") \
	N(CHOICE, floating_ips, "FloatingIPs", "floatingIPs", \
	  DEFAULT("\"Disabled\""), felix_values_enabled, \
	  "Translate floating addresses to workloads. One of Enabled, Disabled") \
	N(CHOICE, ip_forwarding, "IPForwarding", "ipForwarding", \
	  DEFAULT("\"Enabled\""), felix_values_enabled, \
	  "Switch on IP forwarding of the host. One of Enabled, Disabled") \
	N(INT, ipv4_elevated_route_priority, \
	  "IPv4ElevatedRoutePriority", "ipv4ElevatedRoutePriority", \
	  DEFAULT("512"), RANGE(0, INT32_MAX), \
	  "Metric of IPv4 routes while a workload moves here") \
	N(INT, ipv6_elevated_route_priority, \
	  "IPv6ElevatedRoutePriority", "ipv6ElevatedRoutePriority", \
	  DEFAULT("512"), RANGE(0, INT32_MAX), \
	  "Metric of IPv6 routes while a workload moves here") \
	N(INT, ipv4_normal_route_priority, "IPv4NormalRoutePriority", "ipv4NormalRoutePriority", \
	  DEFAULT("1024"), RANGE(0, INT32_MAX), "Metric of IPv4 routes") \
	N(INT, ipv6_normal_route_priority, "IPv6NormalRoutePriority", "ipv6NormalRoutePriority", \
	  DEFAULT("1024"), RANGE(0, INT32_MAX), "Metric of IPv6 routes") \
	N(DURATION, live_migration_route_convergence_time, \
	  "LiveMigrationRouteConvergenceTime", "liveMigrationRouteConvergenceTime", \
	  DEFAULT("\"30s\""), SECOND, \
	  "How long routes keep the elevated priority after a live migration") \
	N(STRING, interface_exclude, "InterfaceExclude", "interfaceExclude", \
	  DEFAULT("\"kube-ipvs0\""), CHECK_NONE, \
	  "Interfaces to leave alone: names, or patterns between slashes, with commas " \
	  "between") \
	P(STRING, interface_prefix, "InterfacePrefix", "interfacePrefix", \
	  DEFAULT("\"cali\""), CHECK_NONE, \
	  "How names of workload interfaces begin; with commas between if there are " \
	  "several") \
	N(DURATION, interface_refresh_interval, \
	  "InterfaceRefreshInterval", "interfaceRefreshInterval", \
	  DEFAULT("\"90s\""), SECOND, "How often to read all interfaces again; 0: never") \
	N(BOOL, ipv6_support, "Ipv6Support", "ipv6Support", \
	  DEFAULT("true"), 0, "Support IPv6") \
	N(CHOICE, istio_ambient_mode, "IstioAmbientMode", "istioAmbientMode", \
	  DEFAULT("\"Disabled\""), felix_values_enabled, \
	  "Support for Istio's ambient mode. One of Enabled, Disabled") \
	N(INT_OR_STRING, istio_dscp_mark, "IstioDSCPMark", "istioDSCPMark", \
	  DEFAULT("23"), CHECK_NONE, \
	  "DSCP value, a number or a name, that tells traffic of Istio's ambient mode") \
	N(CHOICE, local_subnet_l2_reachability, \
	  "LocalSubnetL2Reachability", "localSubnetL2Reachability", \
	  DEFAULT("\"Disabled\""), felix_values_l2_reachability, \
	  "Answer ARP and NDP on the host's subnet for local pods and load balancers. " \
	  "One of Disabled, PodsAndLoadBalancers") \
	N(DURATION, local_subnet_l2_reachability_refresh_interval, \
	  "LocalSubnetL2ReachabilityRefreshInterval", "localSubnetL2ReachabilityRefreshInterval", \
	  DEFAULT("\"120s\""), SECOND, "How often to check what localSubnetL2Reachability set up") \
	P(STRING, mtu_iface_pattern, "MTUIfacePattern", "mtuIfacePattern", \
	  DEFAULT("\"^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)\""), CHECK_REGEX, \
	  "Interfaces of the host whose MTU counts for that of workloads") \
	N(STRING, nat_outgoing_address, "NATOutgoingAddress", "natOutgoingAddress", \
	  NO_DEFAULT, CHECK_IP, "Source address of outgoing NAT; absent: that of the interface") \
	P(CHOICE, nat_outgoing_exclusions, "NATOutgoingExclusions", "natOutgoingExclusions", \
	  DEFAULT("\"IPPoolsOnly\""), felix_values_nat_exclusions, \
	  "Destinations that outgoing NAT leaves alone. One of IPPoolsOnly, " \
	  "IPPoolsAndHostIPs") \
	P(INT_OR_STRING, nat_port_range, "NATPortRange", "natPortRange", \
	  NO_DEFAULT, CHECK_PORT, "Source ports of outgoing NAT, as first:last") \
	N(DURATION, netlink_timeout, "NetlinkTimeoutSecs", "netlinkTimeout", \
	  DEFAULT("\"10s\""), SECOND, "How long to wait for an answer of the kernel") \
	N(STRING, policy_sync_path_prefix, "PolicySyncPathPrefix", "policySyncPathPrefix", \
	  NO_DEFAULT, CHECK_NONE, "Directory of the policy synchronisation socket; absent: off") \
	N(CHOICE, program_cluster_routes, "ProgramClusterRoutes", "programClusterRoutes", \
	  DEFAULT("\"EnabledIPIPOnly\""), felix_values_cluster_routes, \
	  "Which routes to other nodes to program here; BIRD has the others. One of " \
	  "Enabled, Disabled, EnabledIPIPOnly, EnabledNoEncapOnly") \
	N(BOOL, remove_external_routes, "RemoveExternalRoutes", "removeExternalRoutes", \
	  DEFAULT("true"), 0, "Remove routes to workload interfaces that others have added") \
	N(BOOL, require_mtu_file, "RequireMTUFile", "requireMTUFile", \
	  DEFAULT("false"), 0, "Wait for the file that tells the MTU") \
	P(DURATION, route_refresh_interval, "RouteRefreshInterval", "routeRefreshInterval", \
	  DEFAULT("\"90s\""), SECOND, "How often to read all routes again; 0: never") \
	N(CHOICE, route_source, "RouteSource", "routeSource", \
	  DEFAULT("\"CalicoIPAM\""), felix_values_route_source, \
	  "Where routes to workloads are learnt from. One of CalicoIPAM, WorkloadIPs") \
	N(BOOL, route_sync_disabled, "RouteSyncDisabled", "routeSyncDisabled", \
	  DEFAULT("false"), 0, "Program no routes at all") \
	N(RANGE, route_table_range, "RouteTableRange", "routeTableRange", \
	  NO_DEFAULT, 0, "Deprecated: use routeTableRanges. Routing tables to use") \
	N(RANGES, route_table_ranges, "RouteTableRanges", "routeTableRanges", \
	  NO_DEFAULT, 0, "Routing tables to use; absent: 1 to 250") \
	P(CHOICE, service_loop_prevention, "ServiceLoopPrevention", "serviceLoopPrevention", \
	  DEFAULT("\"Drop\""), felix_values_loop_prevention, \
	  "What to do with packets to service addresses that nothing answers. One of " \
	  "Drop, Reject, Disabled") \
	N(BOOL, sidecar_acceleration_enabled, \
	  "SidecarAccelerationEnabled", "sidecarAccelerationEnabled", \
	  DEFAULT("false"), 0, "Short-cut between a sidecar and its workload") \
	P(CHOICE, workload_source_spoofing, "WorkloadSourceSpoofing", "workloadSourceSpoofing", \
	  DEFAULT("\"Disabled\""), felix_values_spoofing, \
	  "Whether workloads may ask for further source addresses by annotation. One " \
	  "of Disabled, Any") \
	/* iptables */ \
	P(CHOICE, iptables_backend, "IptablesBackend", "iptablesBackend", \
	  DEFAULT("\"Auto\""), felix_values_iptables_backend, \
	  "Which of the iptables programs' forms to use. One of Auto, Legacy, NFT") \
	P(CHOICE, iptables_filter_allow_action, \
	  "IptablesFilterAllowAction", "iptablesFilterAllowAction", \
	  DEFAULT("\"Accept\""), felix_values_allow_action, \
	  "What happens to packets that policy allows. One of Accept, Return") \
	P(CHOICE, iptables_filter_deny_action, \
	  "IptablesFilterDenyAction", "iptablesFilterDenyAction", \
	  DEFAULT("\"Drop\""), felix_values_deny_action, \
	  "What happens to packets that policy denies. One of Drop, Reject") \
	P(CHOICE, iptables_mangle_allow_action, \
	  "IptablesMangleAllowAction", "iptablesMangleAllowAction", \
	  DEFAULT("\"Accept\""), felix_values_allow_action, \
	  "What happens to packets that preDNAT policy allows. One of Accept, Return") \
	N(DURATION, iptables_lock_probe_interval, \
	  "IptablesLockProbeIntervalMillis", "iptablesLockProbeInterval", \
	  DEFAULT("\"50ms\""), MILLISECOND, "How often to try for the lock of iptables") \
	N(MASK, iptables_mark_mask, "IptablesMarkMask", "iptablesMarkMask", \
	  DEFAULT("4294901760"), RANGE(1, UINT32_MAX), "Bits of the packet mark to use") \
	N(STRING, iptables_nat_outgoing_interface_filter, \
	  "IptablesNATOutgoingInterfaceFilter", "iptablesNATOutgoingInterfaceFilter", \
	  NO_DEFAULT, CHECK_INTERFACE_GLOB, \
	  "Restricts outgoing NAT to packets that leave by matching interfaces") \
	N(DURATION, iptables_post_write_check_interval, \
	  "IptablesPostWriteCheckIntervalSecs", "iptablesPostWriteCheckInterval", \
	  DEFAULT("\"5s\""), SECOND, "When to check what was written") \
	P(DURATION, iptables_refresh_interval, \
	  "IptablesRefreshInterval", "iptablesRefreshInterval", \
	  DEFAULT("\"180s\""), SECOND, "How often to check all rules; 0: never") \
	P(DURATION, ipsets_refresh_interval, "IpsetsRefreshInterval", "ipsetsRefreshInterval", \
	  DEFAULT("\"90s\""), SECOND, "How often to check all sets; 0: never") \
	N(INT, max_ipset_size, "MaxIpsetSize", "maxIpsetSize", \
	  DEFAULT("1048576"), RANGE(1, UINT32_MAX), "Largest number of members of a set") \
	N(INT_OR_STRING_LIST, kube_node_port_ranges, "KubeNodePortRanges", "kubeNodePortRanges", \
	  DEFAULT("[\"30000:32767\"]"), CHECK_PORT, "Ports of Kubernetes node ports") \
	/* nftables */ \
	P(CHOICE, nftables_mode, "NFTablesMode", "nftablesMode", \
	  DEFAULT("\"Auto\""), felix_values_nftables_mode, \
	  "Use nftables; Auto: if the kernel has it. One of Auto, Enabled, " \
	  "Disabled") \
	P(CHOICE, nftables_filter_allow_action, \
	  "NftablesFilterAllowAction", "nftablesFilterAllowAction", \
	  DEFAULT("\"Accept\""), felix_values_allow_action, \
	  "What happens to packets that policy allows. One of Accept, Return") \
	P(CHOICE, nftables_filter_deny_action, \
	  "NftablesFilterDenyAction", "nftablesFilterDenyAction", \
	  DEFAULT("\"Drop\""), felix_values_deny_action, \
	  "What happens to packets that policy denies. One of Drop, Reject") \
	P(CHOICE, nftables_mangle_allow_action, \
	  "NftablesMangleAllowAction", "nftablesMangleAllowAction", \
	  DEFAULT("\"Accept\""), felix_values_allow_action, \
	  "What happens to packets that preDNAT policy allows. One of Accept, Return") \
	N(MASK, nftables_mark_mask, "NftablesMarkMask", "nftablesMarkMask", \
	  DEFAULT("4294901760"), RANGE(1, UINT32_MAX), "Bits of the packet mark to use") \
	P(DURATION, nftables_refresh_interval, \
	  "NftablesRefreshInterval", "nftablesRefreshInterval", \
	  DEFAULT("\"180s\""), SECOND, "How often to check all rules; 0: never") \
	P(CHOICE, nftables_flow_table_offload, \
	  "NFTablesFlowTableOffload", "nftablesFlowTableOffload", \
	  DEFAULT("\"Disabled\""), felix_values_flow_table, \
	  "Which established connections take the flow table's short way. One of " \
	  "Disabled, All") \
	P(STRING, nftables_flow_table_data_iface_pattern, \
	  "NFTablesFlowTableDataIfacePattern", "nftablesFlowTableDataIfacePattern", \
	  NO_DEFAULT, CHECK_REGEX, "Interfaces of the host that take part in the flow table") \
	/* XDP */ \
	N(BOOL, xdp_enabled, "XDPEnabled", "xdpEnabled", \
	  DEFAULT("true"), 0, "Use XDP for untracked deny policy") \
	N(BOOL, generic_xdp_enabled, "GenericXDPEnabled", "genericXDPEnabled", \
	  DEFAULT("false"), 0, "Use XDP also where the driver does not support it") \
	N(DURATION, xdp_refresh_interval, "XDPRefreshInterval", "xdpRefreshInterval", \
	  DEFAULT("\"90s\""), SECOND, "How often to check the XDP state; 0: never") \
	/* VXLAN and IPIP */ \
	N(BOOL, vxlan_enabled, "VXLANEnabled", "vxlanEnabled", \
	  NO_DEFAULT, 0, "Set up the VXLAN device; absent: as the pools need it") \
	P(INT, vxlan_mtu, "VXLANMTU", "vxlanMTU", \
	  DEFAULT("0"), RANGE(0, 65535), "MTU of the VXLAN device; 0: from the host's interfaces") \
	P(INT, vxlan_mtu_v6, "VXLANMTUV6", "vxlanMTUV6", \
	  DEFAULT("0"), RANGE(0, 65535), \
	  "MTU of the IPv6 VXLAN device; 0: from the host's interfaces") \
	P(INT, vxlan_port, "VXLANPort", "vxlanPort", \
	  DEFAULT("4789"), RANGE(1, 65535), "UDP port of VXLAN") \
	P(INT, vxlan_vni, "VXLANVNI", "vxlanVNI", \
	  DEFAULT("4096"), RANGE(1, 16777215), "VXLAN network identifier") \
	N(BOOL, ipip_enabled, "IpInIpEnabled", "ipipEnabled", \
	  NO_DEFAULT, 0, "Set up the IPIP device; absent: as the pools need it") \
	P(INT, ipip_mtu, "IpInIpMtu", "ipipMTU", \
	  DEFAULT("0"), RANGE(0, 65535), "MTU of the IPIP device; 0: from the host's interfaces") \
	/* WireGuard */ \
	N(BOOL, wireguard_enabled, "WireguardEnabled", "wireguardEnabled", \
	  DEFAULT("false"), 0, "Encrypt IPv4 traffic between workloads of different nodes") \
	N(BOOL, wireguard_enabled_v6, "WireguardEnabledV6", "wireguardEnabledV6", \
	  DEFAULT("false"), 0, "Encrypt IPv6 traffic between workloads of different nodes") \
	N(BOOL, wireguard_host_encryption_enabled, \
	  "WireguardHostEncryptionEnabled", "wireguardHostEncryptionEnabled", \
	  DEFAULT("false"), 0, "Encrypt traffic between the nodes themselves, too") \
	N(STRING, wireguard_interface_name, "WireguardInterfaceName", "wireguardInterfaceName", \
	  DEFAULT("\"wireguard.cali\""), CHECK_INTERFACE, "Name of the WireGuard device") \
	N(STRING, wireguard_interface_name_v6, \
	  "WireguardInterfaceNameV6", "wireguardInterfaceNameV6", \
	  DEFAULT("\"wg-v6.cali\""), CHECK_INTERFACE, "Name of the IPv6 WireGuard device") \
	N(INT, wireguard_listening_port, "WireguardListeningPort", "wireguardListeningPort", \
	  DEFAULT("51820"), RANGE(1, 65535), "UDP port of WireGuard") \
	N(INT, wireguard_listening_port_v6, \
	  "WireguardListeningPortV6", "wireguardListeningPortV6", \
	  DEFAULT("51821"), RANGE(1, 65535), "UDP port of IPv6 WireGuard") \
	N(INT, wireguard_mtu, "WireguardMTU", "wireguardMTU", \
	  DEFAULT("0"), RANGE(0, 65535), \
	  "MTU of the WireGuard device; 0: from the host's interfaces") \
	N(INT, wireguard_mtu_v6, "WireguardMTUV6", "wireguardMTUV6", \
	  DEFAULT("0"), RANGE(0, 65535), \
	  "MTU of the IPv6 WireGuard device; 0: from the host's interfaces") \
	N(DURATION, wireguard_keep_alive, "WireguardPersistentKeepAlive", "wireguardKeepAlive", \
	  DEFAULT("\"0s\""), SECOND, "How often a silent peer is sent a packet; 0: never") \
	N(INT, wireguard_routing_rule_priority, \
	  "WireguardRoutingRulePriority", "wireguardRoutingRulePriority", \
	  DEFAULT("99"), RANGE(1, 32766), "Priority of the routing rule") \
	N(BOOL, wireguard_threading_enabled, \
	  "WireguardThreadingEnabled", "wireguardThreadingEnabled", \
	  DEFAULT("false"), 0, "Let the kernel use threaded NAPI for WireGuard") \
	/* Flow logs */ \
	P(DURATION, flow_logs_flush_interval, "FlowLogsFlushInterval", "flowLogsFlushInterval", \
	  DEFAULT("\"300s\""), SECOND, "How often flow logs are sent") \
	N(STRING, flow_logs_goldmane_server, "FlowLogsGoldmaneServer", "flowLogsGoldmaneServer", \
	  NO_DEFAULT, CHECK_NONE, "host:port of the flow log server; absent: off") \
	P(CHOICE, flow_logs_local_reporter, "FlowLogsLocalReporter", "flowLogsLocalReporter", \
	  DEFAULT("\"Disabled\""), felix_values_enabled, \
	  "Offer flow logs on a local socket. One of Enabled, Disabled") \
	N(CHOICE, flow_logs_policy_evaluation_mode, \
	  "FlowLogsPolicyEvaluationMode", "flowLogsPolicyEvaluationMode", \
	  DEFAULT("\"Continuous\""), felix_values_policy_evaluation, \
	  "Whether flows are judged again when policy changes. One of None, " \
	  "Continuous") \
	N(BOOL, flow_logs_collector_debug_trace, \
	  "FlowLogsCollectorDebugTrace", "flowLogsCollectorDebugTrace", \
	  DEFAULT("false"), 0, "Trace every flow; very costly") \
	/* eBPF */ \
	N(BOOL, bpf_enabled, "BPFEnabled", "bpfEnabled", \
	  DEFAULT("false"), 0, "Use the eBPF dataplane") \
	N(CHOICE, bpf_attach_type, "BPFAttachType", "bpfAttachType", \
	  DEFAULT("\"Netkit\""), felix_values_bpf_attach, \
	  "How programs are attached to interfaces. One of Netkit, TCX, TC") \
	N(STRING, bpf_ctlb_log_filter, "BPFCTLBLogFilter", "bpfCTLBLogFilter", \
	  NO_DEFAULT, CHECK_NONE, \
	  "all: the connect-time load balancer logs although bpfLogFilters is set") \
	N(CHOICE, bpf_connect_time_load_balancing, \
	  "BPFConnectTimeLoadBalancing", "bpfConnectTimeLoadBalancing", \
	  DEFAULT("\"TCP\""), felix_values_bpf_ctlb, \
	  "Which service connections are balanced when they are made. One of TCP, " \
	  "Enabled, Disabled") \
	N(BOOL, bpf_connect_time_load_balancing_enabled, \
	  "BPFConnectTimeLoadBalancingEnabled", "bpfConnectTimeLoadBalancingEnabled", \
	  NO_DEFAULT, 0, "Deprecated: use bpfConnectTimeLoadBalancing") \
	N(CHOICE, bpf_host_networked_nat_without_ctlb, \
	  "BPFHostNetworkedNATWithoutCTLB", "bpfHostNetworkedNATWithoutCTLB", \
	  DEFAULT("\"Enabled\""), felix_values_enabled, \
	  "NAT for host processes whose connections are not balanced when made. One " \
	  "of Enabled, Disabled") \
	N(CHOICE, bpf_conntrack_mode, "BPFConntrackCleanupMode", "bpfConntrackMode", \
	  DEFAULT("\"Auto\""), felix_values_bpf_cleanup, \
	  "Who removes old entries of the connection table. One of Auto, Userspace, " \
	  "BPFProgram") \
	N(CHOICE, bpf_conntrack_log_level, "BPFConntrackLogLevel", "bpfConntrackLogLevel", \
	  DEFAULT("\"Off\""), felix_values_bpf_ct_log, \
	  "What the clean-up of the connection table logs. One of Off, Debug") \
	N(TIMEOUTS, bpf_conntrack_timeouts, "BPFConntrackTimeouts", "bpfConntrackTimeouts", \
	  DEFAULT(FELIX_CONNTRACK_TIMEOUTS), 0, "How long connections are remembered") \
	N(LIST, bpf_dsr_optout_cidrs, "BPFDSROptoutCIDRs", "bpfDSROptoutCIDRs", \
	  NO_DEFAULT, CHECK_CIDR, "Clients that direct server return is not used for") \
	N(STRING, bpf_data_iface_pattern, "BPFDataIfacePattern", "bpfDataIfacePattern", \
	  DEFAULT("\"^((en|wl|ww|sl|ib)[Popsx].*|(eth|wlan|wwan|bond).*)\""), CHECK_REGEX, \
	  "Interfaces of the host that carry traffic") \
	N(STRING, bpf_l3_iface_pattern, "BPFL3IfacePattern", "bpfL3IfacePattern", \
	  NO_DEFAULT, CHECK_REGEX, "Further interfaces without link layer, such as tunnels") \
	N(STRING, bpf_disable_gro_for_ifaces, "BPFDisableGROForIfaces", "bpfDisableGROForIfaces", \
	  NO_DEFAULT, CHECK_REGEX, "Interfaces to switch generic receive offload off for") \
	N(BOOL, bpf_disable_unprivileged, "BPFDisableUnprivileged", "bpfDisableUnprivileged", \
	  DEFAULT("true"), 0, "Keep unprivileged users from using eBPF") \
	N(CHOICE, bpf_enforce_rpf, "BPFEnforceRPF", "bpfEnforceRPF", \
	  DEFAULT("\"Loose\""), felix_values_bpf_rpf, \
	  "Reverse path check of host interfaces. One of Disabled, Strict, Loose") \
	N(LIST, bpf_exclude_cidrs_from_nat, "BPFExcludeCIDRsFromNAT", "bpfExcludeCIDRsFromNAT", \
	  NO_DEFAULT, CHECK_CIDR, \
	  "Service addresses the host answers itself, such as a node-local DNS cache") \
	N(INT, bpf_export_buffer_size_mb, "BPFExportBufferSizeMB", "bpfExportBufferSizeMB", \
	  DEFAULT("1"), RANGE(1, 4096), "Size of the buffer for events") \
	N(MASK, bpf_ext_to_service_connmark, "BPFExtToServiceConnmark", "bpfExtToServiceConnmark", \
	  DEFAULT("0"), RANGE(0, UINT32_MAX), \
	  "Connection mark of connections from outside to a service") \
	N(CHOICE, bpf_external_service_mode, "BPFExternalServiceMode", "bpfExternalServiceMode", \
	  DEFAULT("\"Tunnel\""), felix_values_bpf_service_mode, \
	  "How answers to connections from outside go back. One of Tunnel, DSR") \
	N(LIST, bpf_force_track_packets_from_ifaces, \
	  "BPFForceTrackPacketsFromIfaces", "bpfForceTrackPacketsFromIfaces", \
	  DEFAULT("[\"docker+\"]"), CHECK_INTERFACE_GLOB, \
	  "Interfaces whose packets the kernel's connection tracking keeps seeing") \
	N(BOOL, bpf_host_conntrack_bypass, "BPFHostConntrackBypass", "bpfHostConntrackBypass", \
	  DEFAULT("false"), 0, "Bypass the kernel's connection tracking for workloads") \
	N(DURATION, bpf_ip_frag_timeout, "BPFIPFragTimeout", "bpfIPFragTimeout", \
	  DEFAULT("\"0s\""), SECOND, "How long fragments are kept; 0: as the kernel does") \
	N(BOOL, bpf_ip_fragment_reassembly_enabled, \
	  "BPFIPFragmentReassemblyEnabled", "bpfIPFragmentReassemblyEnabled", \
	  DEFAULT("true"), 0, "Put fragments together") \
	N(CHOICE, bpf_jit_hardening, "BPFJITHardening", "bpfJITHardening", \
	  DEFAULT("\"Auto\""), felix_values_bpf_jit, \
	  "Hardening of the kernel's JIT compiler. One of Auto, Strict") \
	N(STRING, bpf_overlay_host_source_ip, "BPFOverlayHostSourceIP", "bpfOverlayHostSourceIP", \
	  DEFAULT("\"TunnelAddress\""), CHECK_NONE, \
	  "Source address of host packets into the overlay") \
	N(INT_OR_STRING, bpf_psnat_ports, "BPFPSNATPorts", "bpfPSNATPorts", \
	  DEFAULT("\"20000:29999\""), CHECK_PORT, \
	  "Source ports used where two connections would collide") \
	N(BOOL, bpf_policy_debug_enabled, "BPFPolicyDebugEnabled", "bpfPolicyDebugEnabled", \
	  DEFAULT("true"), 0, "Keep what is needed to show programs with their policies") \
	N(CHOICE, bpf_profiling, "BPFProfiling", "bpfProfiling", \
	  DEFAULT("\"Disabled\""), felix_values_enabled, \
	  "Measure programs. One of Enabled, Disabled") \
	N(CHOICE, bpf_redirect_to_peer, "BPFRedirectToPeer", "bpfRedirectToPeer", \
	  DEFAULT("\"Enabled\""), felix_values_bpf_redirect, \
	  "Hand packets straight to the peer of a workload's device. One of Enabled, " \
	  "Disabled, L2Only") \
	N(CHOICE, bpf_log_level, "BPFLogLevel", "bpfLogLevel", \
	  DEFAULT("\"Off\""), felix_values_bpf_log, "What programs log. One of Off, Info, Debug") \
	N(MAP, bpf_log_filters, "BPFLogFilters", "bpfLogFilters", \
	  NO_DEFAULT, 0, \
	  "Which packets programs log, by interface (all, weps, heps or a name): a " \
	  "pcap expression") \
	N(INT, bpf_kube_proxy_healthz_port, "BPFKubeProxyHealthzPort", "bpfKubeProxyHealthzPort", \
	  DEFAULT("10256"), RANGE(0, 65535), "Port of kube-proxy's health server") \
	N(BOOL, bpf_kube_proxy_iptables_cleanup_enabled, \
	  "BPFKubeProxyIptablesCleanupEnabled", "bpfKubeProxyIptablesCleanupEnabled", \
	  DEFAULT("true"), 0, "Remove what kube-proxy left") \
	N(DURATION, bpf_kube_proxy_min_sync_period, \
	  "BPFKubeProxyMinSyncPeriod", "bpfKubeProxyMinSyncPeriod", \
	  DEFAULT("\"1s\""), SECOND, "Shortest time between two updates of services") \
	N(INT, bpf_maglev_max_services, "BPFMaglevMaxServices", "bpfMaglevMaxServices", \
	  DEFAULT("100"), RANGE(1, INT32_MAX), "Most services with Maglev balancing") \
	N(INT, bpf_maglev_max_endpoints_per_service, \
	  "BPFMaglevMaxEndpointsPerService", "bpfMaglevMaxEndpointsPerService", \
	  DEFAULT("100"), RANGE(1, INT32_MAX), \
	  "Most endpoints of a service with Maglev balancing") \
	N(INT, bpf_map_size_conntrack, "BPFMapSizeConntrack", "bpfMapSizeConntrack", \
	  DEFAULT("512000"), RANGE(1, UINT32_MAX), "Size of the connection table") \
	N(INT, bpf_map_size_conntrack_cleanup_queue, \
	  "BPFMapSizeConntrackCleanupQueue", "bpfMapSizeConntrackCleanupQueue", \
	  DEFAULT("100000"), RANGE(1, UINT32_MAX), \
	  "Size of the clean-up queue of the connection table") \
	N(CHOICE, bpf_map_size_conntrack_scaling, \
	  "BPFMapSizeConntrackScaling", "bpfMapSizeConntrackScaling", \
	  DEFAULT("\"DoubleIfFull\""), felix_values_bpf_scaling, \
	  "What happens when the connection table is full. One of Disabled, " \
	  "DoubleIfFull") \
	N(INT, bpf_map_size_per_cpu_conntrack, \
	  "BPFMapSizePerCPUConntrack", "bpfMapSizePerCpuConntrack", \
	  DEFAULT("0"), RANGE(0, UINT32_MAX), \
	  "Size of the connection table per CPU; 0: bpfMapSizeConntrack holds") \
	N(INT, bpf_map_size_ip_sets, "BPFMapSizeIPSets", "bpfMapSizeIPSets", \
	  DEFAULT("1048576"), RANGE(1, UINT32_MAX), "Size of the table of set members") \
	N(INT, bpf_map_size_if_state, "BPFMapSizeIfState", "bpfMapSizeIfState", \
	  DEFAULT("1000"), RANGE(1, UINT32_MAX), "Size of the table of interfaces") \
	N(INT, bpf_map_size_nat_affinity, "BPFMapSizeNATAffinity", "bpfMapSizeNATAffinity", \
	  DEFAULT("65536"), RANGE(1, UINT32_MAX), "Size of the table of session affinities") \
	N(INT, bpf_map_size_nat_backend, "BPFMapSizeNATBackend", "bpfMapSizeNATBackend", \
	  DEFAULT("262144"), RANGE(1, UINT32_MAX), "Size of the table of service endpoints") \
	N(INT, bpf_map_size_nat_frontend, "BPFMapSizeNATFrontend", "bpfMapSizeNATFrontend", \
	  DEFAULT("65536"), RANGE(1, UINT32_MAX), "Size of the table of services") \
	N(INT, bpf_map_size_route, "BPFMapSizeRoute", "bpfMapSizeRoute", \
	  DEFAULT("262144"), RANGE(1, UINT32_MAX), "Size of the table of routes") \
	/* OpenStack, Windows, AWS */ \
	N(BOOL, endpoint_reporting_enabled, \
	  "EndpointReportingEnabled", "endpointReportingEnabled", \
	  DEFAULT("false"), 0, "Report the state of endpoints to the datastore") \
	N(DURATION, endpoint_reporting_delay, \
	  "EndpointReportingDelaySecs", "endpointReportingDelay", \
	  DEFAULT("\"1s\""), SECOND, "Shortest time between two reports of an endpoint") \
	N(STRING, metadata_addr, "MetadataAddr", "metadataAddr", \
	  DEFAULT("\"127.0.0.1\""), CHECK_NONE, \
	  "Address or name of the metadata server; None: off") \
	N(INT, metadata_port, "MetadataPort", "metadataPort", \
	  DEFAULT("8775"), RANGE(0, 65535), "Port of the metadata server") \
	N(STRING, openstack_region, "OpenstackRegion", "openstackRegion", \
	  NO_DEFAULT, CHECK_LABEL_NAME, "Region of this node") \
	N(DURATION, reporting_interval, "ReportingIntervalSecs", "reportingInterval", \
	  DEFAULT("\"30s\""), SECOND, "How often the node reports its state; 0: never") \
	N(DURATION, reporting_ttl, "ReportingTTLSecs", "reportingTTL", \
	  DEFAULT("\"90s\""), SECOND, "How long a report of state holds") \
	N(CHOICE, windows_manage_firewall_rules, \
	  "WindowsManageFirewallRules", "windowsManageFirewallRules", \
	  DEFAULT("\"Disabled\""), felix_values_enabled, \
	  "Accepted and without effect. One of Enabled, Disabled") \
	N(CHOICE, aws_src_dst_check, "AWSSrcDstCheck", "awsSrcDstCheck", \
	  DEFAULT("\"DoNothing\""), felix_values_aws_check, \
	  "Set the source and destination check of an EC2 instance. One of DoNothing, " \
	  "Enable, Disable") \
	/* Usage and debugging */ \
	N(BOOL, usage_reporting_enabled, "UsageReportingEnabled", "usageReportingEnabled", \
	  DEFAULT("true"), 0, "Accepted and without effect: nothing is reported to anyone") \
	N(DURATION, usage_reporting_initial_delay, \
	  "UsageReportingInitialDelaySecs", "usageReportingInitialDelay", \
	  DEFAULT("\"300s\""), SECOND, "Accepted and without effect") \
	N(DURATION, usage_reporting_interval, \
	  "UsageReportingIntervalSecs", "usageReportingInterval", \
	  DEFAULT("\"86400s\""), SECOND, "Accepted and without effect") \
	N(BOOL, debug_disable_log_dropping, "DebugDisableLogDropping", "debugDisableLogDropping", \
	  DEFAULT("false"), 0, "Wait rather than drop messages when logging is slow") \
	N(STRING, debug_host, "DebugHost", "debugHost", \
	  DEFAULT("\"localhost\""), CHECK_NONE, "Address the debug server listens on") \
	N(INT, debug_port, "DebugPort", "debugPort", \
	  NO_DEFAULT, RANGE(0, 65535), "Port of the debug server; absent: off") \
	N(STRING, debug_memory_profile_path, "DebugMemoryProfilePath", "debugMemoryProfilePath", \
	  NO_DEFAULT, CHECK_NONE, "File to write a memory profile to") \
	N(DURATION, debug_simulate_calc_graph_hang_after, \
	  "DebugSimulateCalcGraphHangAfter", "debugSimulateCalcGraphHangAfter", \
	  DEFAULT("\"0s\""), SECOND, \
	  "For tests: let the calculation hang after this time; 0: never") \
	N(DURATION, debug_simulate_dataplane_apply_delay, \
	  "DebugSimulateDataplaneApplyDelay", "debugSimulateDataplaneApplyDelay", \
	  DEFAULT("\"0s\""), SECOND, "For tests: make every update take this long") \
	N(DURATION, debug_simulate_dataplane_hang_after, \
	  "DebugSimulateDataplaneHangAfter", "debugSimulateDataplaneHangAfter", \
	  DEFAULT("\"0s\""), SECOND, \
	  "For tests: let the dataplane hang after this time; 0: never")

/* Not for the datastore: the agent needs them to find it, or they are about this process alone. */
#define FELIX_LOCAL_PARAMS(P, N) \
	N(CHOICE, datastore_type, "DatastoreType", "datastoreType", \
	  DEFAULT("\"etcdv3\""), felix_values_datastore, \
	  "Only by environment or file. Which datastore to use. One of etcdv3, " \
	  "kubernetes") \
	N(STRING, etcd_addr, "EtcdAddr", "etcdAddr", \
	  DEFAULT("\"127.0.0.1:2379\""), CHECK_NONE, \
	  "Only by environment or file. host:port of etcd") \
	N(STRING, etcd_scheme, "EtcdScheme", "etcdScheme", \
	  DEFAULT("\"http\""), CHECK_NONE, \
	  "Only by environment or file. http or https, with etcdAddr") \
	N(LIST, etcd_endpoints, "EtcdEndpoints", "etcdEndpoints", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. URLs of etcd; they win over etcdAddr") \
	N(STRING, etcd_ca_file, "EtcdCaFile", "etcdCaFile", \
	  NO_DEFAULT, CHECK_NONE, "Only by environment or file. CA that signs etcd's certificate") \
	N(STRING, etcd_cert_file, "EtcdCertFile", "etcdCertFile", \
	  NO_DEFAULT, CHECK_NONE, "Only by environment or file. Client certificate for etcd") \
	N(STRING, etcd_key_file, "EtcdKeyFile", "etcdKeyFile", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. Private key of the client certificate for " \
	  "etcd") \
	N(STRING, felix_hostname, "FelixHostname", "felixHostname", \
	  NO_DEFAULT, CHECK_NAME, \
	  "Only by environment or file. Name of this node; absent: the host's name") \
	N(STRING, typha_addr, "TyphaAddr", "typhaAddr", \
	  NO_DEFAULT, CHECK_NONE, "Only by environment or file. host:port of the fan-out server") \
	N(STRING, typha_k8s_namespace, "TyphaK8sNamespace", "typhaK8sNamespace", \
	  DEFAULT("\"kube-system\""), CHECK_LABEL_NAME, \
	  "Only by environment or file. Namespace of the fan-out service") \
	N(STRING, typha_k8s_service_name, "TyphaK8sServiceName", "typhaK8sServiceName", \
	  NO_DEFAULT, CHECK_LABEL_NAME, \
	  "Only by environment or file. Service whose endpoints are the fan-out " \
	  "servers; absent: none is used") \
	N(STRING, typha_ca_file, "TyphaCAFile", "typhaCAFile", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. CA that signs the fan-out server's " \
	  "certificate") \
	N(STRING, typha_cert_file, "TyphaCertFile", "typhaCertFile", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. Client certificate for the fan-out server") \
	N(STRING, typha_key_file, "TyphaKeyFile", "typhaKeyFile", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. Private key of the client certificate for the " \
	  "fan-out server") \
	N(STRING, typha_cn, "TyphaCN", "typhaCN", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. Common name the fan-out server's certificate " \
	  "must have") \
	N(STRING, typha_uri_san, "TyphaURISAN", "typhaURISAN", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. URI the fan-out server's certificate must " \
	  "have") \
	N(DURATION, typha_read_timeout, "TyphaReadTimeout", "typhaReadTimeout", \
	  DEFAULT("\"30s\""), SECOND, \
	  "Only by environment or file. How long to wait for the fan-out server") \
	N(DURATION, typha_write_timeout, "TyphaWriteTimeout", "typhaWriteTimeout", \
	  DEFAULT("\"10s\""), SECOND, \
	  "Only by environment or file. How long a message to the fan-out server may " \
	  "take") \
	N(STRING, debug_bpf_cgroup_v2, "DebugBPFCgroupV2", "debugBPFCgroupV2", \
	  NO_DEFAULT, CHECK_NONE, \
	  "Only by environment or file. For tests: cgroup to attach connect-time " \
	  "programs to") \
	N(STRING, debug_cpu_profile_path, "DebugCPUProfilePath", "debugCPUProfilePath", \
	  NO_DEFAULT, CHECK_NONE, "Only by environment or file. File to write a CPU profile to") \
	N(DURATION, debug_panic_after, "DebugPanicAfter", "debugPanicAfter", \
	  DEFAULT("\"0s\""), SECOND, \
	  "Only by environment or file. For tests: crash after this time; 0: never") \
	N(BOOL, debug_simulate_data_race, "DebugSimulateDataRace", "debugSimulateDataRace", \
	  DEFAULT("false"), 0, "Only by environment or file. Accepted and without effect")
/* clang-format on */
