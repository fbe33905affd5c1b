"""The tests that `make soak` runs and `make test` does not though they bear no mark: the longest of several that ask the same.

A row names the functions and the values of their parameters, with wildcards, and says what of it `make test` keeps.
"""

from fnmatch import fnmatchcase
from typing import NamedTuple

# As a smaller one that stays - resnet18, resnet20, resnet50, plain20, vgg11, vgg11_bn - but with more layers
DEEPER = (
    "resnet34", "resnet101", "resnet152", "resnet32", "resnet44", "resnet56", "resnet110", "plain56", "vgg13", "vgg16", "vgg19",
    "vgg13_bn", "vgg16_bn", "vgg19_bn",
)  # fmt: skip


class FullProduct(NamedTuple):
    """Functions of a file, the values of their parameters (or all), and what stays in `make test`."""

    file: str  # below tests/
    functions: str  # names between spaces
    values: tuple[str, ...]
    stays: str


def _row(file: str, functions: str, values: str = "", stays: str = "") -> FullProduct:
    return FullProduct(file, functions, tuple(values.split("|")) if values else (), stays)


def _deeper(file: str, functions: str) -> FullProduct:
    values = tuple(form for name in DEEPER for form in (name, f"{name}-*", f"*-{name}"))
    return FullProduct(file, functions, values, "networks of the same blocks with fewer layers; all are built without numbers")


ROWS = (
    _row(
        "workflows/finetune/test_strategies.py", "test_what_a_strategy_left_half_written_is_written_again", "",
        "a strategy that has lost a file is done again, and kill -9 in faults/test_killed_runs",
    ),
    _row(
        "workflows/finetune/test_run.py", "test_the_artifact_answers_as_the_run_did", "how1-*|how3-*",
        "the plain head, that of several layers, and one of the two of neighbors",
    ),
    _row(
        "cli/test_nets.py", "test_no_name_and_no_number_is_cut_in_a_terminal_of_any_width", "*-80|*-100",
        "the narrowest and the widest terminal",
    ),
    _row(
        "history/optimal_control/test_model.py", "test_the_state_limit_of_bryson_and_denham_by_penalty", "0.11*",
        "the two other limits",
    ),
    _row(
        "plots/test_save_figure.py", "test_a_figure_with_a_layout_is_drawn_once_to_the_bytes_of_matplotlib", "pdf",
        "png, svg",
    ),
    _row(
        "nets/test_init.py", "test_twenty_rectified_layers_multiply_the_second_moment_as_worked_out", "gaussian-*|scaled-*",
        "he, which keeps it",
    ),
    _row(
        "nets/architectures/test_timm_net.py",
        "test_weights_depend_on_the_seed_alone test_an_artifact_comes_back_bit_for_bit test_weights_of_timm_give_timm_s_logits "
        "test_logits_have_the_classes_and_images_the_channels_asked_for",
        "timm:mobilenetv3_small_100", "timm:resnet18; every layer of both, their heads and gradients",
    ),
    _row(
        "nets/architectures/test_timm_net.py", "test_a_size_that_the_network_cannot_take_is_refused", "inception_v3*",
        "vit_tiny_patch16_224",
    ),
    _row(
        "test_main.py", "test_a_signal_before_the_work_begins", "torch-SIGINT|torch-SIGUSR1",
        "SIGTERM while torch is imported, and each signal at another moment",
    ),
    _deeper(
        "contract/test_nets.py",
        "test_logits_have_the_classes_asked_for test_any_number_of_channels "
        "test_taps_are_layers_in_forward_order_and_the_head_is_the_last "
        "test_a_tap_is_not_changed_by_what_follows test_replace_head_changes_the_head_alone "
        "test_images_of_another_shape_are_refused test_an_image_s_answer_does_not_depend_on_its_batch "
        "test_every_weight_gets_a_gradient test_weights_saved_and_loaded_give_the_same_answers",
    ),
    _row(
        "contract/test_attribution.py", "test_after_success_a_wrong_class_and_a_crash",
        "alexnet_owt-*|vgg11-*|googlenet_bn-*", "alexnet, vgg11_bn and googlenet, with the same layers",
    ),
    _row(
        "contract/test_activations.py",
        "test_hooks_come_off_after_success_a_wrong_name_and_a_crash "
        "test_hooks_come_off_after_looking_at_the_whole_and_a_crash",
        "alexnet_owt-*|vgg11-*|googlenet_bn-*", "alexnet, vgg11_bn and googlenet, with the same layers",
    ),
    _deeper("contract/test_learning.py", "test_a_small_network_learns_32_images_by_heart"),
    _deeper(
        "plots/network/test_architecture.py",
        "test_every_network_is_drawn_with_its_numbers_and_the_name_of_every_layer_or_run",
    ),
    _row(
        "plots/network/test_architecture.py",
        "test_every_network_is_drawn_with_its_numbers_and_the_name_of_every_layer_or_run",
        "alexnet_owt|vgg11|googlenet_bn", "alexnet, vgg11_bn and googlenet, with the same layers",
    ),
    _deeper("nets/test_worked_arithmetic.py", "test_every_formula_of_every_layer_gives_the_number_of_the_table"),
    _deeper("nets/test_catalogue.py", "test_every_setting_of_a_row_changes_the_network"),
    _deeper("interpret/test_filter_health.py", "test_every_network_has_places_to_be_judged_at"),
    _row(
        "nets/test_receptive_field.py", "test_the_networks_of_the_catalogue_too", "googlenet*|alexnet*|resnet18*",
        "resnet20; the fields of alexnet and googlenet are worked out by hand beside it",
    ),
    _row(
        "nets/test_convert_weights.py", "test_logits_are_those_of_the_other_library", "torchvision-vgg16",
        "alexnet_owt, whose layers and whose kind of head vgg16 has",
    ),
    _row(
        "nets/test_convert_weights.py", "test_timm_s_vgg_whose_fc6_is_a_convolution_gives_its_logits", "",
        "where each of its tensors goes and in which order, and logits of other networks",
    ),
    _row("plots/network/test_architecture.py", "test_the_same_network_gives_the_same_bytes", ".png|.pdf", ".svg"),
    _row("plots/network/test_signal.py", "test_the_same_signal_gives_the_same_bytes", ".png|.pdf", ".svg"),
    _row(
        "plots/network/test_signal.py", "test_no_text_covers_another_or_leaves_the_image", "*-short|few-long",
        "many rows with a long title, and long names with it",
    ),
    _row("plots/interpret/test_feature_maps.py", "test_no_text_covers_another_or_leaves_the_sheet", "*-short", "long titles"),
    _row(
        "data/test_decode.py", "test_a_image_at_the_limit_fits_into_the_memory_of_the_child", "PNG-P|JPEG-CMYK",
        "TIFF-F, whose 4 bytes a pixel are the most",
    ),
    _row(
        "contract/test_every_path.py",
        "test_the_page_of_a_static_host_sees_the_same_pixels_and_asks_for_nothing_elsewhere", "gray",
        "the page with a network for color; gray over every other path",
    ),
    _row(
        "training/test_loop.py", "test_stopped_at_every_step_and_resumed_it_ends_with_the_same_bytes",
        "sgd in parts|adam with clipping", "adamw with an average, hinge with every penalty",
    ),
    _row(
        "workflows/train/test_one_training_nets.py",
        "test_googlenet_trains_without_auxiliary_heads_where_that_is_asked_for", "",
        "the training with them, and the network without them in tests/nets",
    ),
    _row(
        "workflows/train/test_one_training_whitening.py", "test_the_artifact_answers_as_the_run_did", "*std-image*",
        "zca and pca with 20 components",
    ),
    _row(
        "data/test_on_the_fly.py", "test_all_that_is_known_and_every_pixel_is_as_in_the_store", "4", "1 and 2 workers",
    ),
    _row(
        "interpret/attribution/test_methods.py", "test_integrated_gradients_sum_to_what_the_logit_gains", "resnet20",
        "the small networks",
    ),
    _row(
        "data/test_split.py", "test_its_cost_grows_with_the_number_of_images_alone", "True", "without groups",
    ),
    _row("cli/test_crops.py", "test_every_way_gives_the_mean_over_the_views", "10", "5 crops"),
    _row(
        "workflows/train/test_gradient_free.py", "test_its_report_and_a_look_inside", "neocognitron",
        "the report of gmdh, and an image inside the neocognitron",
    ),
    _row(
        "workflows/finetune/test_strategies.py", "test_interrupted_anywhere_and_resumed_it_ends_with_the_same_bytes", "",
        "an interruption of each kind of fitting in test_run and test_full_finetune, and kill -9 in faults/test_killed_runs",
    ),
    _row(
        "history/optimal_control/test_problems.py", "test_the_sail_takes_as_long_as_pontryagin_says", "", "the rocket",
    ),
    _row(
        "history/neocognitron/test_winners.py", "test_five_patterns_get_five_distinct_winners", "[2-9]*", "two seeds",
    ),
)  # fmt: skip


def of(file: str, function: str, values: str | None) -> FullProduct | None:
    """The row that a test belongs to: its file below tests/, its name, and the values of its parameters."""
    for row in ROWS:
        named = row.file == file and function in row.functions.split()
        if named and (not row.values or any(fnmatchcase(values or "", form) for form in row.values)):
            return row
    return None


# Commands of documents that take long. `make test` checks that striate takes their words, and `make soak` runs the document
# whole, with the figures that it quotes
COMMANDS = {
    "README.md": ("striate inspect mine photos/circle/003.png",),
    "docs/tutorials/story.md": (
        # tests/figures draws each, and tests/rules/test_story.py compares its numbers with the text
        "striate figure multichannel",
        "striate figure relu_tanh",
        "striate figure pooling",
        "striate figure initialization",
        "striate figure batchnorm",
        "striate figure penalties",
        "striate figure dropout",
        "striate figure losses",
        "striate figure noisy_filters",
        "striate figure receptive",
        "striate figure inception",
        "striate figure residual",
        "striate figure degradation",
        "striate nets vgg16 --size 32 --init gaussian --signal --draw signal.svg",
        "striate nets vgg16 --size 32 --init constant --signal",
        "striate nets vgg16 --size 32 --init he --signal",
        "striate nets plain56 --signal",
        "striate nets resnet152",
        "striate finetune photos --from resnet20@cifar10 --strategy extract,adapt --per-class 1,2,5 --name moved --no-report",
    ),
    "docs/tutorials/report.md": ("striate report first",),
    "docs/history/index.md": ("striate history timeline",),
    "docs/history/cells.md": ("striate history cells",),
    "docs/history/neocognitron.md": ("striate history neocognitron",),
    "docs/history/optimal_control.md": ("striate history optimal_control --flight rocket --steps 10",),
    "docs/history/rumelhart.md": ("striate history rumelhart",),
    "docs/how-to/duplicates.md": (
        "striate train photos --group 'name:([0-9]+)' --epochs 1 --no-report --name grouped",
    ),
    "docs/how-to/few-images.md": (
        "striate finetune photos --from resnet20@cifar10 --strategy extract,adapt --name both",
    ),
    "docs/how-to/i-dont-know.md": ("striate report sure",),
    "docs/explanation/training.md": (
        "striate data digits --preview whitening --draw whitening.png",  # the story previews it too
    ),
    "docs/how-to/initialize.md": ("striate nets vgg16 --size 32 --init gaussian --signal",),
    "docs/how-to/inspect-filters.md": (
        "striate inspect first --layer conv2",
        "striate inspect first --filters --layer conv2",
    ),
    "docs/how-to/explain-a-prediction.md": ("striate inspect first photos/circle/003.png --method gradcam,occlusion",),
    "docs/how-to/learning-rate.md": ("striate train digits --net mlp --set train.optimizer=sgd --find-lr",),
    "docs/how-to/small-test-set.md": ("striate train digits --net mlp --epochs 1 --folds 3 --name folded",),
    "docs/history/convolution.md": ("striate history convolution",),
    "docs/history/mcculloch_pitts.md": ("striate history mcculloch_pitts",),
    "docs/how-to/small-weights.md": (
        "striate train digits --net mlp --epochs 10 --set train.optimizer=sgd --set train.lr=0.05 "
        "--set train.weight_decay=0 --set train.l1=0.003 --name l1",
        "striate train digits --net mlp --epochs 10 --set train.optimizer=sgd --set train.lr=0.05 "
        "--set train.weight_decay=0 --set train.l2=0.003 --name l2",
        "striate runs l1 --weights l1.svg",
        "striate runs l2",
    ),
    "docs/how-to/tune.md": (
        'striate tune photos --weights none --vary train.lr=0.001..0.02 --vary "preprocess.size_px=24|32" --trials 3 '
        "--minutes 0.1",
    ),
}  # fmt: skip
