"""The neocognitron as a network: the table of 1988 for ten digits, that of 1980, and what both run through.

1988 (Fukushima, Neural Networks 1:119): u0 19 x 19, then four stages of S- and C-cells; "nine layers" are these and u0. 35,341
cells and 980 V-cells; 30,658 weights a and 96 b learn, the weights c and d are fixed. The table was taken from public
descriptions that agree, not from the paper itself. 1980 (Biol. Cybern. 36:193): u0 16 x 16, three stages of 24 planes; how far
the cells of uc1 lie apart is not confirmed: here they are neighbors, and the border of us1 is left out.
"""

from typing import NamedTuple, cast

import torch
from torch import Tensor

from striate.base.errors import UnsupportedError
from striate.history.neocognitron.layers import CLayer, CRow, SLayer, SRow, Year
from striate.nets.net import Net

_SINGLE = (1,) * 24  # each C-plane collects one S-plane


class Design(NamedTuple):
    """A neocognitron's table: the side of its input, its stages in order, and the year whose equations hold."""

    size_px: int
    stages: tuple[tuple[SRow, CRow], ...]
    year: Year


DESIGN_1988 = Design(19, (
    (SRow(19, 12, 3, 1.7, 0.9), CRow(21, (1, 2, 1, 2, 1, 2, 1, 2), 3, 1, 0.9, 4.0)),
    (SRow(21, 38, 5, 4.0, 0.9), CRow(13, (1, 1, 1, 1, 4, 3, 3, 2, 1, 1, 2, 1, 5, 4, 1, 2, 2, 2, 1), 7, 2, 0.8, 4.0)),
    (SRow(13, 35, 5, 1.5, 0.9), CRow(7, (2, 3, 1, 1, 1, 1, 2, 2, 1, 3, 1, 3, 1, 2, 1, 1, 1, 1, 2, 1, 1, 2, 1), 5, 2, 0.7, 2.5)),
    (SRow(3, 11, 5, 1.0, 0.8), CRow(1, (1, 1, 1, 1, 2, 1, 1, 1, 1, 1), 3, 1, 1.0, 1.0)),
), 1988)  # fmt: skip
DESIGN_1980 = Design(16, (
    (SRow(16, 24, 5, 4.0, 0.9), CRow(10, _SINGLE, 5, 1, 0.9, 4.0)),
    (SRow(8, 24, 5, 1.5, 0.9), CRow(6, _SINGLE, 5, 1, 0.8, 4.0)),
    (SRow(2, 24, 5, 1.5, 0.9), CRow(1, _SINGLE, 2, 1, 0.7, 2.5)),
), 1980)  # fmt: skip


class Neocognitron(Net):
    """us1 - uc1 - us2 - ... - uc4: the strongest cell of the last layer is the class, all are zero where none is recognized.

    It has no gradients to descend: `teacher.teach`, `winners.organize` and `growing.learn` change the weights. `strongest`: the
    last C-cells take the strongest S-plane of their group in place of the sum.
    """

    def __init__(self, design: Design = DESIGN_1988, strongest: bool = False) -> None:
        super().__init__((1, design.size_px, design.size_px))
        self.design, self.strongest = design, strongest
        self.taps = tuple(f"{kind}{number}" for number in range(1, len(design.stages) + 1) for kind in ("us", "uc"))
        self.head_name = self.taps[-1]
        for number in range(1, len(design.stages) + 1):
            self._add_stage(number)

    def _add_stage(self, stage: int) -> None:
        """The empty cells of a stage, as the design says."""
        s_row, c_row = self.design.stages[stage - 1]
        before = (1, self.design.size_px)
        if stage > 1:
            c_before = self.design.stages[stage - 2][1]
            before = len(c_before.groups), c_before.side
        last = stage == len(self.design.stages)
        self.add_module(f"us{stage}", SLayer(before, s_row, self.design.year))
        self.add_module(f"uc{stage}", CLayer(s_row.side, c_row, self.design.year, strongest=self.strongest and last, flat=last))

    def resize(self, stage: int, groups: tuple[int, ...]) -> None:
        """Give a stage other numbers of planes, one C-plane for each group; it and the one after it become empty."""
        stages = list(self.design.stages)
        s_row, c_row = stages[stage - 1]
        stages[stage - 1] = (s_row._replace(planes=sum(groups)), c_row._replace(groups=groups))
        self.design = self.design._replace(stages=tuple(stages))
        for number in range(stage, min(stage + 1, len(stages)) + 1):
            self._add_stage(number)

    def s_layer(self, stage: int) -> SLayer:
        """The S-cells of a stage, from 1."""
        return cast("SLayer", self.get_submodule(f"us{stage}"))

    def c_layer(self, stage: int) -> CLayer:
        """The C-cells of a stage, from 1."""
        return cast("CLayer", self.get_submodule(f"uc{stage}"))

    def up_to(self, images_NCHW: Tensor, stage: int) -> Tensor:
        """Responses of the C-cells of a stage; the images themselves for stage 0."""
        maps_NKHW = images_NCHW
        for number in range(1, stage + 1):
            maps_NKHW = self.c_layer(number)(self.s_layer(number)(maps_NKHW))
        return maps_NKHW

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Responses of the last layer from 0 to below 1, N x K, to images in [0, 1] with ink 1."""
        self.check(images_NCHW)
        with torch.no_grad():
            return self.up_to(images_NCHW, len(self.design.stages))

    def replace_head(self, num_classes: int) -> None:
        """Refused with an UnsupportedError: what each plane of the last layer stands for comes from what it was shown."""
        raise UnsupportedError(
            f"the last layer of a neocognitron cannot be replaced by one of {num_classes} classes: its planes are built from "
            "what it is shown. Build it anew and let it learn."
        )


class Row(NamedTuple):
    """The counts of one layer: planes, cells of a side, window, cells, and the weights a and b that learn."""

    name: str
    planes: int
    side: int
    window: int  # side of what a cell sees; 0 of the input
    cells: int
    v_cells: int
    a: int
    b: int


def table(net: Neocognitron) -> list[Row]:
    """The layers from u0 on, with their counts."""
    size = net.design.size_px
    rows = [Row("u0", 1, size, 0, size * size, 0, 0, 0)]
    for number, (s_row, c_row) in enumerate(net.design.stages, start=1):
        a, planes, groups = net.s_layer(number).a_PKkk.numel(), s_row.planes, len(c_row.groups)
        v_cells = s_row.side**2
        rows.append(Row(f"us{number}", planes, s_row.side, s_row.window, planes * v_cells, v_cells, a, planes))
        rows.append(Row(f"uc{number}", groups, c_row.side, c_row.window, groups * c_row.side**2, 0, 0, 0))
    return rows


def predict(outputs_NK: Tensor) -> Tensor:
    """The plane or class that responds most to each image, -1 where the last layer is silent and so rejects it."""
    strongest_N, classes_N = outputs_NK.max(1)
    return torch.where(strongest_N > 0, classes_N, torch.full_like(classes_N, -1))
