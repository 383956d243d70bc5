# SPDX-License-Identifier: Apache-2.0
"""
The fault plan: the n-th system call, kernel reply or datastore answer of an operation fails, and
whatever it is, the operation succeeds whole or says why it did not and leaves nothing.

Every test covers a sample of all n, another one each time; KORAT_FAULTS=all covers each, and
KORAT_FAULTS_SEED=NUMBER the sample of a run that failed.
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import time
import urllib.request

import pytest

from clusters import SIX, dual_cluster
from lab import Lab, LabError, cni, etcd, fault, lab as lab_module, probe, wait_for
from lab.fault import Plan

ALL = os.environ.get("KORAT_FAULTS") == "all"
SEED = int(os.environ.get("KORAT_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
# Of each test, when not all of them are run: ./dev faults does that.
SAMPLE = 10
# A fault may be met by a retry of the agent's; what it leaves is gone by then.
SETTLE_SECONDS = 15
START_SECONDS = 20

pytestmark = pytest.mark.skipif(
    not fault.PROGRAM.exists() or "asan" in str(lab_module.BUILD),
    reason="the tracer knows this machine's registers only, and not the sanitizers' own calls")


@pytest.fixture(autouse=True)
def _time_limit():
    """Each call has a limit of its own, and all of them take their time."""


def sample(plans, size=SAMPLE):
    """The plans of this run: all, or a part of them that is another one each time."""
    plans = list(plans)
    if ALL or len(plans) <= size:
        return plans
    print(f"KORAT_FAULTS_SEED={SEED}: {size} of {len(plans)} faults")
    return sorted(random.Random(SEED).sample(plans, size), key=plans.index)


class Victim:
    """A node whose agent is traced, and a pod that comes and goes."""

    def __init__(self, lab):
        self.lab = lab
        self.node = lab.nodes[0]
        # Of both families: what fails may fail between the two.
        self.stays = lab.pod(self.node, "stays", families="46")
        self.pod = lab.new_pod(self.node, "pod", families="46")
        self.warm = lab.new_pod(self.node, "warm", families="46")
        self.n_containers = 0
        self.n_deaths = 0
        self.failed = False
        self.tracer = self.plan = self.hit = None
        self.trace()
        self.before = self.state()
        self.n_open = min(self._n_open() for _ in range(20))

    def _n_open(self):
        time.sleep(0.02)
        return fault.n_open(self.node.agent.pid)

    def trace(self):
        """Attaches to the agent, when it has opened all that stays open."""
        wait_for(self.in_sync, 20, "the agent is in sync")
        for _ in range(2):
            self.add(self.warm)
            assert self.warm.try_del().code == 0
        self.tracer = fault.Tracer(self.node.agent.pid)

    def in_sync(self):
        """Does the agent say that it is ready?"""
        def ask():
            with urllib.request.urlopen("http://127.0.0.1:9099/readiness", timeout=5) as answer:
                return answer.status == 200
        try:
            return self.node.ns.run(ask)
        except OSError:
            return False

    def next_container(self):
        """From now on the pod is another container."""
        self.n_containers += 1
        self.pod.container = f"{self.lab.id}{self.n_containers}".ljust(16, "0")

    def state(self):
        """All that an ADD makes."""
        return {**fault.kernel(self.node.agent.pid), **fault.stored(self.lab),
                "files": fault.files(self.node.directory)}

    def settled(self):
        """None when all is as before; else what is not."""
        try:
            now = self.state()
        except FileNotFoundError:
            return "the agent" if self.revive() else "its state"
        if now != self.before:
            return {key: [item for item in now[key] if item not in self.before[key]] or
                    f"lost: {[item for item in self.before[key] if item not in now[key]]}"
                    for key in now if now[key] != self.before[key]}
        n_open = fault.n_open(self.node.agent.pid)
        return None if n_open <= self.n_open else f"{n_open} descriptors, not {self.n_open}"

    def wait_settled(self, when):
        """As before, at once or after the agent's own retries."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (left := self.settled()) is not None:
            assert time.monotonic() < deadline, f"{when}: left behind: {left}"
            time.sleep(0.01)

    def revive(self):
        """Starts the agent anew if the fault ended it, which it has to say why."""
        if self.node.agent.poll() is None and self.tracer.report() is not None:
            return False
        self.n_deaths += 1
        code = self.node.agent.wait(10)
        words = self.node.log_tail(6)
        if self.plan.words[0] != "kill":
            assert code not in (-11, 128 + 11), f"a crash:\n{words}"
            assert re.search(r"Z error |out of memory", words), f"it ended without a word:\n{words}"
        self.tracer.close()
        self.node.start_agent()
        # What is stale goes when it is in sync.
        self.trace()
        return True

    def add(self, pod):
        """ADD, again while the agent thinks that the datastore is away, as a runtime would."""
        answers = []

        def added():
            answers.append(pod.try_add())
            return answers[-1].code == 0

        wait_for(added, SETTLE_SECONDS, f"ADD works again: {answers[-1:]}")
        pod.result = answers[-1].json

    def assert_answers(self, when):
        """The pod, whose ADD succeeded, has an address of each family and answers by both."""
        assert len(self.pod.addresses) == 2, self.pod.result
        for address in self.pod.addresses:
            assert self.stays.ns.run(probe.ping, address, 2.0) is not None, \
                f"{when}, and the pod does not answer at {address}"

    def make_ready(self):
        """After a call that failed: the next one meets an agent that has got over it."""
        if self.failed:
            self.add(self.warm)
            assert self.warm.try_del().code == 0
            self.failed = False

    def rescue(self):
        """After a test failed: another agent, for the next."""
        self.node.kill_agent()
        self.tracer.close()
        self.node.start_agent()
        self.pod.try_del()
        self.trace()
        self.before = self.state()

    def call(self, command, plan):
        """A CNI call under a plan: its answer, whether the agent ended, and what was hit."""
        self.plan, self.hit, self.failed = plan, None, True
        self.tracer.plan(plan)
        answer = getattr(self.pod, f"try_{command}")()
        report = self.tracer.report()
        self.hit = report and report["hit"]
        if self.hit and "epoll_wait" in self.hit:
            self.node.agent.wait(10)
        # It may be on its way to its end.
        died = self.revive() or not self.tracer.plan(Plan("none")) and self.revive()
        return answer, died, report

    def count(self, command, mode):
        """The plans of a mode for one operation: each event of each thread."""
        counts = {}
        for _ in range(3):
            self.next_container()
            self.make_ready()
            if command == "del":
                self.add(self.pod)
            answer, _, report = self.call(command, Plan("call" if mode == "kill" else mode))
            assert answer.code == 0, answer.text
            for thread, number in report["counts"].items():
                counts[thread] = max(number, counts.get(thread, 0))
            if command == "add":
                assert self.pod.try_del().code == 0
        return [Plan(mode, thread, n) for thread, number in sorted(counts.items())
                for n in range(1, number + 1)]


def _refusal(answer):
    """An error as CNI has it, with words."""
    assert answer.json and answer.json["code"] and answer.json["msg"], answer.text + answer.errors


def _del(victim, when):
    answer = victim.pod.try_del()
    assert answer.code == 0, f"{when}: {answer.text}"
    victim.wait_settled(when)


def one_add(victim, plan):
    """ADD works whole or not at all; DEL afterwards works."""
    victim.next_container()
    victim.make_ready()
    answer, died, _ = victim.call("add", plan)
    if answer.code == 0:
        victim.pod.result = answer.json
        victim.assert_answers("ADD succeeds")
    else:
        _refusal(answer)
        # A call that is cut off leaves what the runtime's DEL removes.
        if not died and "does not answer" not in answer.text:
            victim.wait_settled(f"ADD fails with {answer.json['msg']}")
    _del(victim, "DEL after ADD")


def one_del(victim, plan):
    """DEL works, or says why not; then the next works."""
    victim.next_container()
    victim.add(victim.pod)
    answer, died, _ = victim.call("del", plan)
    if answer.code == 0 and not died:
        victim.wait_settled("DEL succeeds")
    if answer.code:
        _refusal(answer)
    _del(victim, "DEL after DEL")


def run_plans(victim, plans, one):
    """All plans, and then all that went wrong."""
    problems = []
    start = time.monotonic()
    for plan in plans:
        try:
            one(victim, plan)
        except (AssertionError, LabError, OSError, subprocess.SubprocessError) as error:
            hit = victim.hit or (victim.tracer.report() or {}).get("hit")
            problems.append(f"{plan}: {hit}: {error}\n{victim.node.log_tail(5)}")
            if len(problems) > 20:
                break
            victim.rescue()
    print(f"{len(plans)} faults in {time.monotonic() - start:.1f} s, {victim.n_deaths} restarts")
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module", name="victim")
def _victim():
    # Without a reserve: it hands out addresses that the datastore did not give, and gets others.
    with dual_cluster(1, KORAT_ADDRESS_RESERVE="0") as lab:
        victim = Victim(lab)
        yield victim
        victim.tracer.close()


@pytest.mark.parametrize("mode", ["call", "refuse", "reply", "kill"])
@pytest.mark.parametrize("command,one", [("add", one_add), ("del", one_del)])
def test_agent(victim, command, one, mode):
    run_plans(victim, sample(victim.count(command, mode)), one)


# --- The datastore's answers --------------------------------------------------------------------


@contextlib.contextmanager
def _on_etcd(**environment):
    environment = {"CALICO_IPV4POOL_CIDR": "10.42.0.0/16", "CALICO_IPV4POOL_VXLAN": "Always",
                   "CALICO_IPV4POOL_IPIP": "Never", **SIX, **environment}
    with Lab(1, environment) as lab:
        etcd.start(lab)
        lab.start()
        yield lab


@pytest.fixture(scope="module", name="on_etcd", params=["0", "8"], ids=["plain", "reserve"])
def _on_etcd_fixture(request):
    if not etcd.is_installed():
        pytest.skip("the package etcd-server is not installed")
    with _on_etcd(KORAT_ADDRESS_RESERVE=request.param) as lab:
        victim = Victim(lab)
        yield victim
        victim.tracer.close()


@pytest.mark.parametrize("mode", ["http", "http-on", "call", "kill"])
@pytest.mark.parametrize("command,one", [("add", one_add), ("del", one_del)])
def test_etcd(on_etcd, command, one, mode):
    """
    What etcd has done is told as if it had not, once, or until the call is answered; and what the
    agent asks of it is cut off.
    """
    plans = on_etcd.count(command, mode)
    assert plans or not mode.startswith("http"), "no answer of etcd's was seen"
    run_plans(on_etcd, sample(plans), one)


# --- While the datastore is away ----------------------------------------------------------------


@contextlib.contextmanager
def _away(victim):
    """The embedded datastore's file is elsewhere, and the agent knows it."""
    store, hidden = victim.lab.directory / "store.db", victim.lab.directory / "hidden.db"
    victim.make_ready()
    wait_for(lambda: victim.in_sync() and fault.n_reserved(victim.node) >= 8, START_SECONDS,
             "in sync, with a reserve")
    store.rename(hidden)
    try:
        wait_for(lambda: victim.warm.try_add().code == 0, SETTLE_SECONDS, "ADD from the reserve")
        assert victim.warm.try_del().code == 0
        yield
    finally:
        hidden.rename(store)


def _away_call(victim, command, plan):
    """A CNI call under a plan while the datastore is away, which it is no more afterwards."""
    victim.next_container()
    if command == "del":
        victim.add(victim.pod)
    with _away(victim):
        victim.plan, victim.hit, victim.failed = plan, None, True
        victim.tracer.plan(plan)
        answer = getattr(victim.pod, f"try_{command}")()
        report = victim.tracer.report()
        victim.hit = report and report["hit"]
        if victim.hit and "epoll_wait" in victim.hit:
            victim.node.agent.wait(10)
        if answer.code == 0 and command == "add":
            victim.pod.result = answer.json
            victim.assert_answers("ADD succeeds")
        elif answer.code:
            _refusal(answer)
    _ = victim.revive() or not victim.tracer.plan(Plan("none")) and victim.revive()
    return answer, report


def away_add(victim, plan):
    """From the reserve, whole or not at all; DEL afterwards works."""
    answer, _ = _away_call(victim, "add", plan)
    if answer.code == 0:
        victim.assert_answers("the datastore is back")
    _del(victim, "DEL after ADD")


def away_del(victim, plan):
    """It is carried out with the datastore, or the next one is."""
    _away_call(victim, "del", plan)
    _del(victim, "DEL after DEL")


@pytest.fixture(scope="module", name="keeper")
def _keeper():
    with dual_cluster(1) as lab:
        victim = Victim(lab)
        yield victim
        victim.tracer.close()


@pytest.mark.parametrize("mode", ["call", "refuse", "reply", "kill"])
@pytest.mark.parametrize("command,one", [("add", away_add), ("del", away_del)])
def test_away(keeper, command, one, mode):
    counts = {}
    for _ in range(2):
        answer, report = _away_call(keeper, command, Plan("call" if mode == "kill" else mode))
        assert answer.code == 0, answer.text
        for thread, number in report["counts"].items():
            counts[thread] = max(number, counts.get(thread, 0))
        assert keeper.pod.try_del().code == 0
    plans = [Plan(mode, thread, n) for thread, number in sorted(counts.items())
             for n in range(1, number + 1)]
    run_plans(keeper, sample(plans, SAMPLE // 2), one)


# --- The plugin ---------------------------------------------------------------------------------


def _plugin_call(victim, command, plan):
    """The plugin under a plan."""
    report = victim.lab.directory / "report"
    report.unlink(missing_ok=True)
    victim.plan = plan
    victim.hit = None
    answer = getattr(victim.pod, f"try_{command}")(prefix=plan.run(report, "exec"))
    victim.hit = fault.read_report(report)["hit"]
    return answer, fault.read_report(report)


def _plugin_plans(victim, command, mode):
    victim.next_container()
    if command == "del":
        victim.add(victim.pod)
    answer, report = _plugin_call(victim, command, Plan("call"))
    assert answer.code == 0, answer.text
    assert victim.pod.try_del().code == 0
    return [Plan(mode, "main", n) for n in range(1, report["counts"]["main"] + 1)]


def plugin_add(victim, plan):
    """Whatever becomes of the plugin: what the agent did is whole, and DEL removes it."""
    victim.next_container()
    answer, _ = _plugin_call(victim, "add", plan)
    if answer.code == 0:
        victim.pod.result = answer.json
        victim.assert_answers("ADD succeeds")
    elif plan.words[0] != "kill" and not (victim.hit or "").startswith("write(0x1,"):
        _refusal(answer)
    _del(victim, "DEL after ADD")


def plugin_del(victim, plan):
    """DEL's success is a promise, be it kept later."""
    victim.next_container()
    victim.add(victim.pod)
    answer, _ = _plugin_call(victim, "del", plan)
    if answer.code == 0:
        victim.wait_settled("DEL succeeds")
    _del(victim, "DEL after DEL")


def plugin_del_alone(victim, plan):
    """As plugin_del(), with no agent there to ask."""
    victim.next_container()
    victim.add(victim.pod)
    victim.node.kill_agent()
    answer, _ = _plugin_call(victim, "del", plan)
    victim.tracer.close()
    victim.node.start_agent()
    victim.trace()
    if answer.code == 0:
        victim.wait_settled("DEL succeeds")
    _del(victim, "DEL after DEL")


@pytest.mark.parametrize("mode", ["call", "kill"])
@pytest.mark.parametrize("command,one", [("add", plugin_add), ("del", plugin_del),
                                         ("del", plugin_del_alone)])
def test_plugin(victim, command, one, mode):
    plans = _plugin_plans(victim, command, mode)
    if one is plugin_del_alone:
        # Without an agent it does more: it writes a file.
        plans = [Plan(mode, "main", n) for n in range(1, len(plans) + 20)]
    run_plans(victim, sample(plans), one)


# --- Start-up -----------------------------------------------------------------------------------


def _start(victim, plan):
    """Starts the agent under a plan. True: it is in sync. False: it ended."""
    report = victim.lab.directory / "report"
    report.unlink(missing_ok=True)
    victim.plan, victim.hit = plan, None
    node = victim.node
    size = node.log.stat().st_size
    node.start_agent(wait=False, prefix=plan.run(report, "log"))
    wait_for(lambda: node.agent.poll() is not None or victim.in_sync(), START_SECONDS,
             f"in sync or ended:\n{node.log_tail(6)}")
    victim.hit = fault.read_report(report)["hit"]
    code = node.agent.poll()
    if code is None:
        return report
    words = node.log.read_bytes()[size:].decode("utf-8", "replace")
    said = re.search(r"Z error |out of memory", words)
    assert plan.words[0] == "kill" or code in (1, 128 + 6) and said, \
        f"the agent ended with {code}:\n{words}"
    return None


def start_up(victim, plan):
    """The agent comes up whole, or ends and says why; then the next one comes up whole."""
    victim.node.kill_agent()
    report = _start(victim, plan)
    if report is None:
        victim.n_deaths += 1
        victim.node.start_agent()
        wait_for(victim.in_sync, START_SECONDS, "the next agent is in sync")
    victim.wait_settled("started")
    for address in victim.stays.addresses:
        assert victim.node.ns.run(probe.ping, address, 2.0) is not None, address


def _start_all(victim, mode):
    """Every fault of a mode in the agent's start, in whatever thread."""
    victim.tracer.close()
    victim.node.kill_agent()
    try:
        report = _start(victim, Plan("call" if mode == "kill" else mode))
        victim.node.kill_agent(signal.SIGTERM)
        counts = fault.read_report(report)["counts"]
        print(counts)
        threads = counts if mode == "http" else ["main"]  # the others come up as it says
        plans = [Plan(mode, thread, n) for thread in sorted(threads)
                 for n in range(1, counts[thread] + 1)]
        assert plans
        run_plans(victim, sample(plans), start_up)
    finally:
        victim.node.kill_agent()
        victim.node.start_agent()
        victim.trace()


@pytest.mark.parametrize("mode", ["call", "refuse", "reply", "kill"])
def test_start(victim, mode):
    _start_all(victim, mode)


@pytest.mark.parametrize("mode", ["http", "call"])
def test_start_on_etcd(on_etcd, mode):
    _start_all(on_etcd, mode)
