"""The facts of CRANTb, the clonal raider ant brain, as data.

Source: the CRANTb project's public documentation (CAVE, SeaTable and mesh repository addresses).
"""

from __future__ import annotations

#: Names under which the data set can be asked for -> its CAVE datastack.
DATASTACKS = {"latest": "kronauer_ant", "crantb": "kronauer_ant", "sandbox": "kronauer_ant_sandbox"}

#: CAVE server on which they are, and the table of their synapses.
CAVE_SERVER = "https://proofreading.zetta.ai"
SYNAPSE_TABLE = "synapses_v2"

#: Nanometres per voxel along x, y and z.
VOXEL_SIZE_NM = (8.0, 8.0, 42.0)

#: Root ID of everything that is not segmented.
BACKGROUND_IDS = (0,)

#: Neuropils that stand for several meshes, where there is no mesh of that name.
NEUROPIL_UNIONS = {"nodulus_right": ("NOc_r", "NOm1_r", "NOm2_r", "NOs_r")}

#: Where the annotations are, as a data set's TOML says it.
ANNOTATIONS = {
    "seatable_server": "https://cloud.seatable.io/",
    "workspace": 62919,
    "base": "CRANTb",
    "table": "CRANTb_meta",
}

_GLOMERULI = ("L5", "L6", "L7", "L8", "R1", "R2", "R3", "R5", "R7", "R8")

#: Names of the neuropils by the IDs 1, 2, ... of their meshes.
_NEUROPILS = (
    "mushroom_body_pedunculus_and_lobes_left",
    "mushroom_body_medial_calyx_left",
    "mushroom_body_lateral_calyx_left",
    "mushroom_body_pedunculus_and_lobes_right",
    "mushroom_body_medial_calyx_right",
    "mushroom_body_lateral_calyx_right",
    "antennal_lobe_left",
    "antennal_lobe_right",
    "fan_shaped_body",
    "ellipsoid_body",
    "protocerebral_bridge",
    "nodulus_left",
    "optic_lobe_left",
    "optic_lobe_right",
    "lateral_horn_left",
    "lateral_horn_right",
    *(f"pb_glomerulus_{name}" for name in _GLOMERULI),
    "gall_left",
    "gall_right",
    "bulb_left",
    "bulb_right",
    "posterior_optic_tubercle_left",
    "posterior_optic_tubercle_right",
    "NOc_r",
    "NOm1_r",
    "NOm2_r",
    "NOs_r",
)

#: Where the neuropils' meshes are, as a data set's TOML says it. Numbers and names are those of this commit; others
#: differ.
NEUROPILS = {
    "source": (
        "precomputed://https://raw.githubusercontent.com/yigityargili991/haberkernlab_mesh_repo/"
        "6d007140ff8b15dd20b4110b8c22b556e76c6f14/"
    ),
    "labels": {str(number): name for number, name in enumerate(_NEUROPILS, 1)},
}
