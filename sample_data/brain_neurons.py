"""The neurons of the sample brain, by cell type, and the rules that wire them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Columns in the order in which they lie around the ellipsoid body.
EB_COLUMNS = ["R1", "L8", "R2", "L7", "R3", "L6", "R4", "L5", "R5", "L4", "R6", "L3", "R7", "L2", "R8", "L1"]
# Glomeruli of the protocerebral bridge from its left end to its right end.
PB_GLOMERULI = ["L8", "L7", "L6", "L5", "L4", "L3", "L2", "L1", "R1", "R2", "R3", "R4", "R5", "R6", "R7", "R8"]
NO_COLUMN = -1
EPG = "EPG/PEG"


@dataclass(frozen=True)
class Group:
    """Neurons of one cell type, and what their annotations share."""

    cell_type: str
    count: int
    cell_class: str
    super_class: str
    region: str
    transmitter: str
    hemilineage: str = ""
    paired: bool = True  # belongs to the left or the right half; otherwise center
    columnar: bool = False  # spread over the 16 columns, which then decide the side
    untyped: int = 0  # so many of them are annotated without a cell type
    flow: str = "intrinsic"
    nerve: str = ""
    tract: str = ""
    other_name: str = ""


INTRINSIC = "central_brain_intrinsic"
AL, MB, CX = "antennal_lobe", "mushroom_body", "central_complex"
ACH, GABA, GLU, DA = "acetylcholine", "gaba", "glutamate", "dopamine"
GLOMERULI = ("T1", "T2", "T3", "T6")
ORN, PN = "olfactory_receptor_neuron", "olfactory_projection_neuron"
LN, KC = "antennal_lobe_local_neuron", "kenyon_cell"

GROUPS: tuple[Group, ...] = (
    *(Group(f"ORN_{g}", 12, ORN, "sensory", AL, ACH, flow="afferent", nerve="AN") for g in GLOMERULI),
    *(Group(f"PN_{g}", 6, PN, INTRINSIC, AL, ACH, "ALad1", tract="mALT") for g in GLOMERULI),
    Group("LN1", 8, LN, INTRINSIC, AL, GABA, "ALl1"),
    Group("LN2", 6, LN, INTRINSIC, AL, GABA, "ALl1", untyped=2),
    Group("KC_a", 36, KC, INTRINSIC, MB, ACH, "MBp", other_name="lip Kenyon cell"),
    Group("KC_b", 28, KC, INTRINSIC, MB, ACH, "MBp", untyped=4),
    Group("MBON01", 2, "MBON", INTRINSIC, MB, GLU),
    Group("MBON02", 2, "MBON", INTRINSIC, MB, GABA),
    Group("MBON03", 2, "MBON", INTRINSIC, MB, ACH),
    Group("MBON11", 2, "MBON", INTRINSIC, MB, GABA),
    Group("PAM1", 4, "DAN", INTRINSIC, MB, DA),
    Group("TuBu1", 8, "TuBu", INTRINSIC, CX, ACH, "DALcl1"),
    Group("ER1", 8, "ER", INTRINSIC, CX, GABA, "DALv2", other_name="ring neuron, R1"),
    Group("ER2", 12, "ER", INTRINSIC, CX, GABA, "DALv2", other_name="ring neuron, R2"),
    Group("ER3", 12, "ER", INTRINSIC, CX, GABA, "DALv2", other_name="ring neuron, R3"),
    Group("ER10", 6, "ER", INTRINSIC, CX, GABA, "DALv2"),
    Group("ExR1", 4, "ExR", INTRINSIC, CX, GLU),
    Group(EPG, 32, "EPG", INTRINSIC, CX, ACH, "DM2", columnar=True, other_name="compass neuron"),
    Group("PEN", 16, "PEN", INTRINSIC, CX, ACH, "DM3", columnar=True),
    Group("Delta7", 8, "Delta7", INTRINSIC, CX, GLU, paired=False, columnar=True),
    Group("PFN", 12, "PFN", INTRINSIC, CX, ACH, "DM4", columnar=True),
    Group("hDeltaA", 6, "hDelta", INTRINSIC, CX, ACH, "DM1", paired=False, columnar=True),
    Group("hDeltaB", 6, "hDelta", INTRINSIC, CX, ACH, "DM1", paired=False, columnar=True),
    Group("LNO1", 2, "LNO", INTRINSIC, CX, GABA),
    Group("FBt1", 4, "FBt", INTRINSIC, CX, GLU),
    Group("FBt2", 4, "FBt", INTRINSIC, CX, GLU),
    Group("FBt3", 7, "FBt", INTRINSIC, CX, GLU, untyped=4),
    Group("FBt10", 2, "FBt", INTRINSIC, CX, DA),
    Group("NA", 3, "NA", INTRINSIC, CX, "", paired=False),
)


@dataclass(frozen=True)
class Neuron:
    """One annotated neuron; `member` counts within its group, `column` indexes EB_COLUMNS."""

    group: Group
    member: int
    side: str
    column: int

    @property
    def cell_type(self) -> str:
        """The annotated cell type, empty for the last `untyped` members of a group."""
        return self.group.cell_type if self.member < self.typed_count else ""

    @property
    def typed_count(self) -> int:
        """How many members of the neuron's group have a cell type."""
        return self.group.count - self.group.untyped


def make_neurons() -> list[Neuron]:
    """Every neuron of every group, in the order of GROUPS."""
    return [make_neuron(group, member) for group in GROUPS for member in range(group.count)]


def make_neuron(group: Group, member: int) -> Neuron:
    """Member number `member` of a group, with the side and column that follow from it."""
    columns = len(EB_COLUMNS)
    if group.columnar:
        spread = 1 if group.count >= columns else columns / group.count
        column = int(member * spread) % columns
        side = "left" if EB_COLUMNS[column].startswith("L") else "right"
    else:
        column = NO_COLUMN
        side = ("left", "right")[member % 2]
    return Neuron(group, member, side if group.paired else "center", column)


def members(neurons: Sequence[Neuron], name: str, side: str | None) -> list[int]:
    """Indices of the neurons of a cell type or class, of one side if given."""
    return [
        index
        for index, neuron in enumerate(neurons)
        if name in (neuron.group.cell_type, neuron.group.cell_class) and side in (None, neuron.side)
    ]


@dataclass(frozen=True)
class Rule:
    """Who synapses onto whom, where, how often and how strongly.

    `pre` and `post` name a cell type or a cell class. A shape with `{side}` connects neurons of
    that side only. With `offset`, a pair's strength falls off (standard deviation `width`, in
    columns) with the distance of the post neuron's column from the pre neuron's plus `offset`;
    `mirrored` turns the offset round for columns of the left half.
    """

    pre: str
    post: str
    shape: str
    probability: float
    median: float  # synapses of a connected pair
    offset: int | None = None
    width: float = 1.0
    mirrored: bool = False

    @property
    def sides(self) -> tuple[str | None, ...]:
        """The sides that the rule holds on, each on its own; None stands for no sides."""
        return ("left", "right") if "{side}" in self.shape else (None,)


CALYX = "mushroom_body_medial_calyx_{side}"
LOBES = "mushroom_body_pedunculus_and_lobes_{side}"
LOBE, BULB, NODULUS = "antennal_lobe_{side}", "bulb_{side}", "nodulus_{side}"
EB, FB, PB = "ellipsoid_body", "fan_shaped_body", "protocerebral_bridge"

RULES: tuple[Rule, ...] = (
    *(Rule(f"ORN_{g}", f"PN_{g}", LOBE, 0.9, 11) for g in GLOMERULI),
    Rule(ORN, LN, LOBE, 0.4, 2),
    Rule(LN, PN, LOBE, 0.5, 4),
    Rule(LN, ORN, LOBE, 0.3, 2),
    Rule(PN, KC, CALYX, 0.25, 5),
    Rule(KC, KC, LOBES, 0.05, 2),
    Rule(KC, "MBON", LOBES, 0.8, 7),
    Rule(KC, "DAN", LOBES, 0.2, 2),
    Rule("DAN", KC, LOBES, 0.3, 3),
    Rule("DAN", "MBON", LOBES, 0.7, 5),
    Rule("MBON", "DAN", LOBES, 0.5, 5),
    Rule("TuBu", "ER", BULB, 0.6, 12),
    Rule("ER", "TuBu", BULB, 0.1, 2),
    Rule("ER1", EPG, EB, 0.6, 3),
    Rule("ER2", EPG, EB, 0.85, 7),
    Rule("ER3", EPG, EB, 0.75, 4),
    Rule("ER10", EPG, EB, 0.4, 5),
    *(Rule(f"ER{n}", f"ER{n}", EB, 0.6, 3) for n in (1, 2, 3, 10)),
    Rule(EPG, "ER", EB, 0.15, 2),
    Rule("ExR", "ER", BULB, 0.3, 3),
    Rule("ExR", EPG, EB, 0.6, 3),
    Rule(EPG, "ExR", EB, 0.5, 4),
    Rule(EPG, EPG, EB, 0.9, 6, offset=0, width=0.8),
    Rule(EPG, "PEN", PB, 1.0, 28, offset=0, width=0.5),
    Rule("PEN", EPG, EB, 0.95, 20, offset=2, width=0.7, mirrored=True),
    Rule(EPG, "Delta7", PB, 0.6, 5),
    Rule("Delta7", "Delta7", PB, 0.5, 3),
    Rule("Delta7", "PEN", PB, 0.9, 11, offset=8, width=2.0),
    Rule("Delta7", EPG, PB, 0.7, 4, offset=8, width=2.0),
    Rule("Delta7", "PFN", PB, 0.7, 5, offset=8, width=2.0),
    Rule("LNO", "PFN", NODULUS, 0.9, 14),
    Rule("PFN", "LNO", NODULUS, 0.5, 3),
    Rule("PFN", "hDelta", FB, 0.9, 12, offset=0, width=1.5),
    Rule("hDelta", "hDelta", FB, 0.8, 9, offset=8, width=1.5),
    Rule("hDelta", "PFN", FB, 0.2, 3),
    Rule("FBt", "hDelta", FB, 0.5, 5),
    Rule("hDelta", "FBt", FB, 0.3, 3),
    Rule("FBt", "FBt", FB, 0.2, 2),
    Rule("FBt", "NA", FB, 0.7, 5),
    Rule("NA", "hDelta", FB, 0.8, 6),
)
