import numpy as np

from striate.training.transfer import out_of_fold


def clusters(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels_N = np.repeat([0, 1, 2], 10)
    return (np.eye(3)[labels_N] * 5 + draw.normal(size=(30, 3))).astype(np.float32), labels_N


def test_each_image_has_probabilities_that_add_to_one_and_most_are_of_its_class():
    values_ND, labels_N = clusters()
    shares_NK = out_of_fold.probabilities(values_ND, labels_N, np.arange(30) % 5, 3)
    assert np.allclose(shares_NK.sum(axis=1), 1)
    assert (shares_NK.argmax(axis=1) == labels_N).mean() > 0.9


def test_the_label_of_an_image_changes_nothing_in_its_own_probabilities():
    values_ND, labels_N = clusters()
    fold_N = np.arange(30) % 5
    changed_N = labels_N.copy()
    changed_N[fold_N == 0] = (changed_N[fold_N == 0] + 1) % 3
    before, after = (out_of_fold.probabilities(values_ND, labels, fold_N, 3) for labels in (labels_N, changed_N))
    assert (before[fold_N == 0] == after[fold_N == 0]).all()
    assert (before[fold_N != 0] != after[fold_N != 0]).any()


def test_a_class_that_the_other_folds_lack_has_probability_zero():
    values_ND, labels_N = clusters()
    fold_N = np.where(labels_N == 2, 0, np.arange(30) % 5)  # class 2 lies in fold 0 alone
    shares_NK = out_of_fold.probabilities(values_ND, labels_N, fold_N, 3)
    assert not shares_NK[fold_N == 0, 2].any()
    assert np.allclose(shares_NK.sum(axis=1), 1)


def test_of_one_class_it_is_sure():
    values_ND, labels_N = clusters()
    shares_NK = out_of_fold.probabilities(values_ND[:20], labels_N[:20], labels_N[:20], 2)  # a fold is a class
    assert shares_NK[:10].tolist() == [[0.0, 1.0]] * 10


def test_more_features_than_images_give_the_same():
    values_ND, labels_N = clusters()
    wide_ND = np.concatenate([values_ND] * 20, axis=1)  # every distance is larger by one factor, which the strength takes back
    narrow, wide = (out_of_fold.probabilities(values, labels_N, np.arange(30) % 5, 3) for values in (values_ND, wide_ND))
    assert np.allclose(narrow, wide, atol=1e-3)
