# SPDX-License-Identifier: Apache-2.0
"""ipam show, on blocks as the agents write them."""

WORLD = """
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: one}
spec: {cidr: 10.1.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: six}
spec: {cidr: "fd00:1::/48"}
---
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: r}
spec: {reservedCIDRs: [10.1.0.62/31]}
---
apiVersion: projectcalico.org/v3
kind: IPAMBlock
metadata: {name: 10-1-0-0-26}
spec:
  cidr: 10.1.0.0/26
  affinity: host:node1
  allocations: [0, 1%s]
  unallocated: [%s]
  attributes:
  - {handle_id: h1, secondary: {node: node1, namespace: default, pod: web, timestamp: x}}
  - {handle_id: h2, secondary: {node: node2, namespace: prod, pod: db, timestamp: x}}
  deleted: false
""" % (", null" * 62, ", ".join(map(str, range(2, 64))))


def rows(said):
    """Cells of a boxed table."""
    return [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in said.lines() if line.startswith("|")]


def test_use(ctl):
    ctl.good("create", "-f", "-", stdin=WORLD)
    table = rows(ctl.good("ipam", "show", "--show-blocks"))
    assert table[0] == ["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS RESERVED", "IPS FREE"]
    assert table[1] == ["IP Pool", "10.1.0.0/16", "65536", "2 (0%)", "2", "65532 (100%)"]
    assert table[2] == ["Block", "10.1.0.0/26", "64", "2 (3%)", "2", "60 (94%)"]
    assert table[3][:2] == ["IP Pool", "fd00:1::/48"]
    assert len(rows(ctl.good("ipam", "show"))) == 3


def test_borrowed(ctl):
    ctl.good("create", "-f", "-", stdin=WORLD)
    assert rows(ctl.good("ipam", "show", "--show-borrowed")) == [
        ["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"],
        ["10.1.0.1", "node2", "10.1.0.0/26", "node1", "Workload", "prod/db"]]


def test_address(ctl):
    ctl.good("create", "-f", "-", stdin=WORLD)
    said = ctl.good("ipam", "show", "--ip", "10.1.0.1").out
    assert "10.1.0.1 is in use" in said and "pod: db" in said
    assert "is not assigned" in ctl.good("ipam", "show", "--ip=10.1.0.9").out
    assert "--ip" in ctl.bad("ipam", "show", "--ip", "frob").err


def test_configuration(ctl):
    ctl.begin()
    table = rows(ctl.good("ipam", "show", "--show-configuration"))
    assert table[:3] == [["PROPERTY", "VALUE"], ["StrictAffinity", "false"],
                         ["AutoAllocateBlocks", "true"]]
    ctl.good("create", "-f", "-", stdin="""
apiVersion: projectcalico.org/v3
kind: IPAMConfiguration
metadata: {name: default}
spec: {strictAffinity: true, maxBlocksPerHost: 4}
""")
    table = rows(ctl.good("ipam", "show", "--show-configuration"))
    assert table[1] == ["StrictAffinity", "true"]
    assert ["MaxBlocksPerHost", "4"] in table
