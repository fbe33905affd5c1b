import pytest

from striate.lab.controls import check_values
from striate.lab.lessons import architectures as lesson
from striate.lab.texts import Texts
from striate.lab.views import Bars, Table, sides
from striate.nets.catalogue import find

SAY = Texts("architectures", "en")


@pytest.mark.parametrize(
    ("name", "depth"),
    [("lenet5", 7), ("alexnet", 8), ("vgg16", 16), ("googlenet", 22), ("resnet34", 34), ("resnet50", 50)],
)
def test_depth_is_that_of_the_paper_and_the_sums_are_those_of_the_catalogue(name: str, depth: int):
    network, entry = lesson.facts(name), find(name)
    assert network.depth == depth
    assert (round(network.parameters * 1e6), round(network.macs * 1e9)) == (entry.parameters, entry.macs)


def test_stages_add_up_to_the_network():
    views = {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, {"measure": "depth"}), SAY)}
    stages, bars = views["first"], views["all"]
    assert isinstance(stages, Table)
    # conv1 of AlexNet: 96 filters of 11 x 11 x 3 with a bias; at 55 x 55 places
    assert stages.rows[0][:5] == [sides((55, 55)), "96", "1", f"{96 * (363 + 1):,}", f"{96 * 363 * 55 * 55:,}"]
    assert sum(int(row[3].replace(",", "")) for row in stages.rows) == 60_965_224
    assert isinstance(bars, Bars)
    assert bars.series[0].y == [7, 8, 16, 22, 34, 50]
