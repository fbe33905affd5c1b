from striate.lab.controls import check_values
from striate.lab.lessons import inception as lesson
from striate.lab.texts import Texts
from striate.lab.views import Bars, Diagram, Sentence
from striate.nets.architectures.googlenet import TABLE

SAY = Texts("inception", "en")


def shown(**given):
    return {view.name: view for view in lesson.views(check_values(lesson.CONTROLS, given), SAY)}


def test_it_starts_as_module_3a():
    assert tuple(lesson.WIDTHS.values()) == TABLE["3a"]


def test_the_branches_cost_what_the_arithmetic_says():
    # 3 x 3: 28 * 28 * (192 * 96 + 9 * 96 * 128), 5 x 5: 28 * 28 * (192 * 16 + 25 * 16 * 32), pool: 28 * 28 * 192 * 32
    bars = shown()["macs"]
    assert isinstance(bars, Bars)
    assert [round(value, 6) for value in bars.series[0].y] == [9.633792, 101.154816, 12.443648, 4.816896]
    assert [round(value, 6) for value in bars.series[1].y] == [9.633792, 173.408256, 120.422400, 0]


def test_channels_are_joined_and_cost_falls_with_the_places():
    sentence, diagram = shown(side=14)["result"], shown(module="naive")["module"]
    assert isinstance(sentence, Sentence)
    assert sentence.text.startswith("With reductions 32.0 million multiply-adds and 256 channels;")  # 128.05 / 4
    assert isinstance(diagram, Diagram)
    assert diagram.nodes[-1].value == "416"  # 64 + 128 + 32 + 192
