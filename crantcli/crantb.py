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
