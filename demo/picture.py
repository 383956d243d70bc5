# SPDX-License-Identifier: Apache-2.0
"""
The topology of a demo as an SVG: nodes, pods with their addresses, blocks, tunnel, BGP sessions, and
one packet's way with what was seen of it. Everything drawn comes from Facts; positions come from the
number of nodes and pods alone, so the same cluster gives the same picture.
"""

import dataclasses
from xml.sax.saxutils import escape

INK, FAINT, PAPER, CARD = "#1f2933", "#66727f", "#fbfaf7", "#ffffff"
LINE = "#c9ced6"
PATH, BGP = "#d9480f", "#2b8a3e"
COLOURS = {"VXLAN": "#6741d9", "IPIP": "#6741d9", "no encapsulation": "#1971c2"}
SANS = "font-family='Inter,Helvetica,Arial,sans-serif'"
MONO = "font-family='DejaVu Sans Mono,Menlo,Consolas,monospace'"

MARGIN, GAP = 40, 40
NODE_WIDTH, NODE_TOP, NODE_HEIGHT = 370, 190, 372
POD_TOP, POD_HEIGHT = 112, 74
TUNNEL_TOP, TUNNEL_WIDTH, TUNNEL_HEIGHT = 236, 170, 44
PORT_TOP, PORT_WIDTH, PORT_HEIGHT = 316, 170, 38
SWITCH_TOP, SWITCH_HEIGHT = 640, 40
STEP_HEIGHT = 22


@dataclasses.dataclass
class Facts:
    """What there is to draw."""

    nodes: list  # (name, address, tunnel address or None)
    pods: list  # (name, address, node, host interface, encapsulation)
    blocks: list  # (CIDR, node, addresses in use, encapsulation)
    sessions: dict  # (address, address) -> established
    tunnel: str  # device
    source: str
    target: str
    way: str
    seen: list  # lab.capture.Seen


class Canvas:
    """Collects SVG elements."""

    def __init__(self):
        self._parts = []

    def add(self, text):
        """A raw element."""
        self._parts.append(text)

    def text(self, x, y, words, size=13, colour=INK, mono=False, weight=400, anchor="start"):
        """A line of text."""
        self.add(f"<text x='{x:g}' y='{y:g}' font-size='{size}' fill='{colour}' "
                 f"font-weight='{weight}' text-anchor='{anchor}' {MONO if mono else SANS}>"
                 f"{escape(str(words))}</text>")

    def box(self, x, y, width, height, fill=CARD, stroke=LINE, radius=8, stroke_width=1.2):
        """A rounded rectangle."""
        self.add(f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='{radius}' "
                 f"fill='{fill}' stroke='{stroke}' stroke-width='{stroke_width}'/>")

    def path(self, data, colour, width=1.6, dash=None, opacity=1):
        """A line or curve."""
        extra = f" stroke-dasharray='{dash}'" if dash else ""
        self.add(f"<path d='{data}' fill='none' stroke='{colour}' stroke-width='{width}' "
                 f"stroke-linejoin='round' stroke-linecap='round' opacity='{opacity}'{extra}/>")

    def mark(self, x, y, number):
        """A numbered dot on the packet's way."""
        self.add(f"<circle cx='{x:g}' cy='{y:g}' r='10' fill='{PATH}' stroke='{PAPER}' "
                 "stroke-width='2'/>")
        self.text(x, y + 4, number, 11, "#ffffff", weight=700, anchor="middle")

    def svg(self, width, height):
        """The document."""
        head = (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' "
                f"width='{width:g}' height='{height:g}' role='img'>\n"
                f"<rect width='100%' height='100%' fill='{PAPER}'/>\n")
        return head + "\n".join(self._parts) + "\n</svg>\n"


class Layout:
    """Where things stand."""

    def __init__(self, facts):
        self.facts = facts
        self.width = 2 * MARGIN + len(facts.nodes) * NODE_WIDTH + (len(facts.nodes) - 1) * GAP
        self._index = {name: i for i, (name, _, _) in enumerate(facts.nodes)}
        self._pods = {name: [pod for pod in facts.pods if pod[2] == name] for name in self._index}

    def node_x(self, name):
        """The left edge of a node."""
        return MARGIN + self._index[name] * (NODE_WIDTH + GAP)

    def centre(self, name):
        """The middle of a node."""
        return self.node_x(name) + NODE_WIDTH / 2

    def pod_box(self, pod):
        """x, y, width of a pod."""
        siblings = self._pods[pod[2]]
        width = (NODE_WIDTH - 16 * (len(siblings) + 1)) / len(siblings)
        x = self.node_x(pod[2]) + 16 + siblings.index(pod) * (width + 16)
        return x, NODE_TOP + POD_TOP, width

    def pods_of(self, name):
        """The pods of a node, left to right."""
        return self._pods[name]


def _title(canvas, layout, facts):
    canvas.text(MARGIN, 50, "Korat: pods on three nodes", 24, weight=700)
    canvas.text(MARGIN, 74, "drawn by ./dev demo from what the kernel, BIRD and the datastore said",
                13, FAINT)
    x = layout.width - MARGIN
    kinds = sorted({pod[4] for pod in facts.pods}, reverse=True)
    legend = [(PATH, f"one ping, {facts.source} to {facts.target}", None),
              (BGP, "BGP session, established", None)]
    legend += [(COLOURS.get(kind, FAINT), f"pool: {kind}", "4 4") for kind in kinds]
    for i, (colour, words, dash) in enumerate(legend):
        y = 34 + i * 20
        canvas.path(f"M {x - 270} {y} h 36", colour, 3, dash)
        canvas.text(x - 224, y + 4, words, 12, FAINT)


def _bgp(canvas, layout, facts):
    by_address = {address: name for name, address, _ in facts.nodes}
    for (one, other), established in sorted(facts.sessions.items()):
        if one not in by_address or other not in by_address:
            continue
        left, right = sorted((layout.centre(by_address[one]), layout.centre(by_address[other])))
        hops = round((right - left) / (NODE_WIDTH + GAP))
        # Neighbours low and between their nodes; the longer, the higher and further out.
        left, right = (left + 30, right - 30) if hops == 1 else (left - 30, right + 30)
        rise = 40 if hops == 1 else 45 + 35 * hops
        canvas.path(f"M {left} {NODE_TOP} C {left + 50} {NODE_TOP - rise} {right - 50} "
                    f"{NODE_TOP - rise} {right} {NODE_TOP}", BGP if established else "#c92a2a", 1.8)
        canvas.text((left + right) / 2, NODE_TOP - rise * 0.75 - 5,
                    "BGP" if established else "BGP down", 11, BGP, weight=600, anchor="middle")


def _node(canvas, layout, facts, node):
    name, address, tunnel_address = node
    x, middle = layout.node_x(name), layout.centre(name)
    canvas.box(x, NODE_TOP, NODE_WIDTH, NODE_HEIGHT, radius=12)
    canvas.text(x + 16, NODE_TOP + 30, name, 17, weight=700)
    canvas.text(x + NODE_WIDTH - 16, NODE_TOP + 30, "agent · BIRD", 12, FAINT, anchor="end")
    blocks = [block for block in facts.blocks if block[1] == name]
    for i, (cidr, _, used, kind) in enumerate(blocks[:3]):
        y = NODE_TOP + 54 + i * 18
        canvas.box(x + 16, y - 9, 10, 10, COLOURS.get(kind, FAINT), "none", 2)
        canvas.text(x + 32, y, f"block {cidr}", 12, mono=True)
        canvas.text(x + NODE_WIDTH - 16, y, f"{used} in use", 11, FAINT, anchor="end")
    for pod in layout.pods_of(name):
        _pod(canvas, layout, pod)
    if tunnel_address:
        canvas.box(middle - TUNNEL_WIDTH / 2, NODE_TOP + TUNNEL_TOP, TUNNEL_WIDTH, TUNNEL_HEIGHT,
                   "#f3f0ff", COLOURS["VXLAN"])
        canvas.text(middle, NODE_TOP + TUNNEL_TOP + 18, facts.tunnel, 12, COLOURS["VXLAN"],
                    weight=600, anchor="middle")
        canvas.text(middle, NODE_TOP + TUNNEL_TOP + 35, tunnel_address, 12, mono=True,
                    anchor="middle")
    canvas.box(middle - PORT_WIDTH / 2, NODE_TOP + PORT_TOP, PORT_WIDTH, PORT_HEIGHT, "#f1f3f5")
    canvas.text(middle, NODE_TOP + PORT_TOP + 24, f"eth0 {address}", 12, mono=True, anchor="middle")
    canvas.path(f"M {middle} {NODE_TOP + PORT_TOP + PORT_HEIGHT} V {SWITCH_TOP}", FAINT, 2)


def _pod(canvas, layout, pod):
    name, address, _, interface, kind = pod
    x, y, width = layout.pod_box(pod)
    colour = COLOURS.get(kind, FAINT)
    canvas.box(x, y, width, POD_HEIGHT, stroke=colour)
    canvas.box(x, y, 6, POD_HEIGHT, colour, "none", 3)
    canvas.text(x + 18, y + 24, name, 14, weight=600)
    canvas.text(x + 18, y + 44, address, 13, mono=True)
    canvas.text(x + 18, y + 62, interface, 11, FAINT, mono=True)


def _tunnels(canvas, layout, facts):
    """The mesh of tunnels, between neighbours on the picture; it needs no state of its own."""
    ends = [name for name, _, address in facts.nodes if address]
    y = NODE_TOP + TUNNEL_TOP + TUNNEL_HEIGHT / 2
    for left, right in zip(ends, ends[1:]):
        x1 = layout.centre(left) + TUNNEL_WIDTH / 2
        x2 = layout.centre(right) - TUNNEL_WIDTH / 2
        canvas.path(f"M {x1} {y} H {x2}", COLOURS["VXLAN"], 6, opacity=0.16)
        canvas.path(f"M {x1} {y} H {x2}", COLOURS["VXLAN"], 1.6, "5 5")


def _switch(canvas, layout):
    canvas.box(MARGIN, SWITCH_TOP, layout.width - 2 * MARGIN, SWITCH_HEIGHT, "#eef1f4")
    canvas.text(MARGIN + 16, SWITCH_TOP + 25, "switch", 13, FAINT, weight=600)
    canvas.text(layout.width - MARGIN - 16, SWITCH_TOP + 25, "192.168.0.0/24", 12, FAINT, mono=True,
                anchor="end")


def _stops(layout, facts):
    """[(x, y)] of every interface the packet was seen at, in the order it was seen."""
    pods = {pod[0]: pod for pod in facts.pods}
    stops = []
    for one in (one for one in facts.seen if not one.reply):
        if one.place in pods:
            x, y, width = layout.pod_box(pods[one.place])
            stops.append((x + width - 22, y + 26))
        elif one.interface.startswith("cali"):
            pod = next(pod for pod in facts.pods if pod[3] == one.interface)
            x, y, width = layout.pod_box(pod)
            stops.append((x + width - 22, y + POD_HEIGHT + 16))
        elif one.place == "switch":
            name = f"node{one.interface.removeprefix('port')}"
            stops.append((layout.centre(name), SWITCH_TOP + SWITCH_HEIGHT / 2))
        elif one.interface == "eth0":
            stops.append((layout.centre(one.place) - PORT_WIDTH / 2 - 2,
                          NODE_TOP + PORT_TOP + PORT_HEIGHT / 2))
        else:
            stops.append((layout.centre(one.place) - TUNNEL_WIDTH / 2 - 2,
                          NODE_TOP + TUNNEL_TOP + TUNNEL_HEIGHT / 2))
    return stops


def _packet(canvas, layout, facts):
    stops = _stops(layout, facts)
    if not stops:
        return
    data = f"M {stops[0][0]:g} {stops[0][1]:g}"
    for (x1, y1), (x2, y2) in zip(stops, stops[1:]):
        if x1 == x2 or y1 == y2:
            data += f" L {x2:g} {y2:g}"
        else:
            middle = (y1 + y2) / 2
            data += f" C {x1:g} {middle:g} {x2:g} {middle:g} {x2:g} {y2:g}"
    canvas.path(data, PATH, 9, opacity=0.15)
    canvas.path(data, PATH, 2.6)
    for number, (x, y) in enumerate(stops, 1):
        canvas.mark(x, y, number)


def _steps(canvas, facts):
    """The list under the picture; gives where it ends."""
    top = SWITCH_TOP + SWITCH_HEIGHT + 40
    canvas.text(MARGIN, top, f"The way of one packet, {facts.source} to {facts.target}, as packet "
                "sockets saw it", 15, weight=700)
    questions = [one for one in facts.seen if not one.reply]
    for number, one in enumerate(questions, 1):
        y = top + 12 + number * STEP_HEIGHT
        canvas.mark(MARGIN + 10, y - 4, number)
        canvas.text(MARGIN + 100, y, f"{(one.stamp - questions[0].stamp) / 1000:.0f} µs", 12, FAINT,
                    mono=True, anchor="end")
        canvas.text(MARGIN + 116, y, f"{one.place}", 13, weight=600)
        canvas.text(MARGIN + 186, y, one.interface, 12, mono=True)
        canvas.text(MARGIN + 310, y, one.text(), 12, mono=True)
    return top + 12 + len(questions) * STEP_HEIGHT + 34


def draw(facts):
    """The SVG as text."""
    canvas, layout = Canvas(), Layout(facts)
    _title(canvas, layout, facts)
    _bgp(canvas, layout, facts)
    _switch(canvas, layout)
    for node in facts.nodes:
        _node(canvas, layout, facts, node)
    _tunnels(canvas, layout, facts)
    _packet(canvas, layout, facts)
    height = _steps(canvas, facts)
    return canvas.svg(layout.width, height)
