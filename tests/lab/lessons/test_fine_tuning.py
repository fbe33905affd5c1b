import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from striate.lab import digit_transfer as transfer
from striate.lab import lesson_api
from striate.metrics.intervals import wilson
from support.lesson_views import views_of


def right_of_svm(layer: str, per_class: int) -> int:
    """By scikit-learn alone, from the features."""
    values_ND, labels_N = transfer.features()[layer].astype(float), transfer.chosen().labels_N
    rows_M = [300 + 30 * digit + number for digit in range(10) for number in range(per_class)]
    std_D = values_ND[rows_M].std(axis=0)
    kept_D = std_D > 1e-6 * std_D.max()
    ready_ND = (values_ND - values_ND[rows_M].mean(axis=0))[:, kept_D] / std_D[kept_D]
    c = 1 / np.square(ready_ND[rows_M]).sum(axis=1).mean()
    svm = LinearSVC(C=c, dual="auto", max_iter=5000, random_state=0).fit(ready_ND[rows_M], labels_N[rows_M])
    return int((svm.predict(ready_ND[:300]) == labels_N[:300]).sum())


@pytest.mark.parametrize("layer", ["pool4", "conv3_3"])
def test_the_svm_is_that_of_scikit_learn_on_the_same_features(layer: str):
    shown = views_of("fine_tuning", images=10, layer=layer)
    right = right_of_svm(layer, 10)
    share = wilson(right, 300)
    assert f"{right} of 300 held-out scans are correct" in shown["result"]["text"]
    assert shown["ways"]["rows"][0][2:] == [f"{100 * share.value:.1f} %", f"{100 * share.low:.1f} – {100 * share.high:.1f} %"]
    assert shown["accuracy"]["series"][0]["y"][0] == pytest.approx(share.value)


def test_each_scan_has_its_label_and_none_is_on_both_sides():
    images_NCHW, levels_NHW, labels_N = transfer.chosen()
    assert len({level_HW.tobytes() for level_HW in levels_NHW}) == len(levels_NHW) == 600
    assert labels_N[300:].tolist() == [digit for digit in range(10) for _ in range(30)]
    assert images_NCHW.shape == (600, 3, 16, 16)
    assert transfer.chosen().rows(2)[:4].tolist() == [300, 301, 330, 331]


def test_a_way_trains_so_many_weights():
    rows = [transfer.extract(layer, 1).trained for layer in ("pixels", "conv1", "pool4")]
    assert rows == [10 * 257, 10 * 17, 10 * 65]
    assert transfer.adapt(1).trained == 650


def test_retraining_goes_on_with_each_answer_and_leaves_the_pretrained_weights():
    transfer.retraining.cache_clear()
    before = {name: tensor.clone() for name, tensor in transfer.pretrained().net.state_dict().items()}
    asked = [lesson_api.answer("fine_tuning", "en", lesson_api.values("fine_tuning", {"way": "retrain", "images": 1}))["views"]
             for _ in range(4)]  # fmt: skip
    names = [[view.get("name") for view in views] for views in asked]
    assert ["again" in each for each in names] == [True, True, True, False]  # 8 steps, of which an answer makes 2
    assert asked[0][0]["text"] == "Retraining on 10 images: epoch 3 of 8."
    convolutions = 432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864
    assert asked[3][1]["rows"][2][1] == f"{convolutions + 650:,}"
    done = transfer.retraining(1)
    with torch.inference_mode():
        answers_N = done.net.eval()(transfer.chosen().images_NCHW[:300]).argmax(1).numpy()
    assert done.score is not None
    assert done.score.accuracy.value == pytest.approx((answers_N == transfer.chosen().labels_N[:300]).mean())
    assert all(torch.equal(before[name], tensor) for name, tensor in transfer.pretrained().net.state_dict().items())
    changed = [name for name, tensor in done.net.state_dict().items() if name != "fc.weight" and name != "fc.bias"
               and not torch.equal(before[name], tensor)]  # fmt: skip
    assert "conv1.weight" in changed
    assert not any("running" in name for name in changed)  # the norms are frozen
