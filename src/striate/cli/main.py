"""`striate`: its commands, and the one place where errors become a sentence and an exit code.

Nothing here imports torch; a command's own file is imported when it runs.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any, get_args

from cyclopts import (
    App,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    Token,
    UnknownOptionError,
    UnusedCliTokensError,
    convert,
)

from striate._version import __version__
from striate.base.errors import Interrupted, StriateError
from striate.base.option_names import on_command_line
from striate.base.phrases import without_controls

# Idle threads of libgomp spin for so long by default that any other work on the machine slows training by up to ten times;
# a short spin costs nothing where it is quiet (docs/decisions/0006). Read once, when torch is imported.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")


def _converted(kind: Any, tokens: Sequence[Token]) -> Any:
    """Words of the command line as the types of its functions; cyclopts alone would round 1.5 to a whole number."""
    for token in tokens:
        if int in (kind, *get_args(kind)) and "." in token.value:
            raise ValueError(f'unable to convert "{token.value}" into int.')
    return convert(kind, tokens)


app = App(
    name="striate",
    help="Train, understand and ship convolutional image classifiers.",
    version=__version__,
    default_parameter=Parameter(negative=(), converter=_converted),
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    help_on_error=False,
    suppress_keyboard_interrupt=False,
)
app.command("striate.cli.data:data", name="data", help="Survey labeled images: counts, bad files, duplicates, the split.")
app.command("striate.cli.nets:nets", name="nets", help="The catalogue of networks, or one network layer by layer.")
app.command("striate.cli.train:train", name="train", help="Train a network on labeled images, test it and save it.")
app.command("striate.cli.finetune:finetune", name="finetune", help="Make a classifier out of the weights of another.")
app.command("striate.cli.tune:tune", name="tune", help="Search for better settings by short trainings.")
app.command("striate.cli.evaluate:evaluate", name="evaluate", help="Score a model: accuracy with its interval, per class.")
app.command("striate.cli.compare:compare", name="compare", help="Compare runs on the same test images: is it chance?")
app.command("striate.cli.labels:labels", name="labels", help="Which labels are probably wrong, with the images as evidence.")
app.command("striate.cli.inspect:inspect", name="inspect", help="A verdict on every filter: dead, blank, duplicate, noisy.")
app.command("striate.cli.report:report", name="report", help="All that is known of a run on one page, without a server.")
app.command("striate.cli.figure:figure", name="figure", help="Draw how networks work: pooling, dropout, losses and more.")
app.command("striate.cli.predict:predict", name="predict", help="Predict classes for images: files, folders, globs, tables.")
app.command("striate.cli.export:export", name="export", help="Write a classifier as one ONNX file, proved on held-out images.")
app.command("striate.cli.serve:serve", name="serve", help="Serve a model over HTTP: an API and a page to try it.")
app.command("striate.cli.lab:lab", name="lab", help="Pages on which a classifier is made, watched and understood.")
app.command("striate.cli.import_:import_", name="import", help="Make a model of weights from elsewhere: .pth, .safetensors.")
app.command("striate.cli.runs:runs", name="runs", help="The runs here: network, data, score, size on disk.")
app.command("striate.cli.doctor:doctor", name="doctor", help="Versions, device, cache, what is missing: for bug reports.")

# A command of commands: each subject of the history on its own task
history = App(name="history", help="What came before: each method on its own task, with figures of what it did.")
app.command(history)
history.command("striate.cli.history:convolution", name="convolution", help="Kernels that slide over an image, step by step.")
history.command("striate.cli.history:cells", name="cells", help="Hubel & Wiesel 1959-1968: simple and complex cells.")
history.command(
    "striate.cli.history:mcculloch_pitts",
    name="mcculloch_pitts",
    help="McCulloch & Pitts 1943: networks of all-or-none units.",
)
history.command(
    "striate.cli.history:optimal_control",
    name="optimal_control",
    help="Kelley, Bryson & Dreyfus 1960-1962: gradients by adjoint equations, and flights to Mars.",
)
history.command("striate.cli.history:gmdh", name="gmdh", help="Ivakhnenko 1971: polynomials grown layer by layer.")
history.command(
    "striate.cli.history:rumelhart",
    name="rumelhart",
    help="Rumelhart, Hinton & Williams 1986: exclusive or, symmetry, encoder, family trees.",
)
history.command(
    "striate.cli.history:neocognitron",
    name="neocognitron",
    help="Fukushima 1980 and 1988: ten digits with a teacher, five without; MNIST where asked.",
)
history.command(
    "striate.cli.history:timeline", name="timeline", help="From 1943 to 2015, with what each makes of the same digits."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 done, 2 the user's mistake, 74 the disk, 75 interrupted and resumable."""
    try:
        with on_command_line():
            app(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except CycloptsError as error:
        return _fail(_sentence(error), 2)
    except StriateError as error:
        return _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail("Interrupted; nothing is lost: run the same command again.", Interrupted.exit_code)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # of a file that nothing above expected to fail, as one whose permissions were taken away
        path, reason = error.filename or "a file", error.strerror or str(error)
        return _fail(f"cannot use {path}: {reason} (errno {error.errno}). Mend that, then run the same command again.", 74)
    return 0


def _sentence(error: CycloptsError) -> str:
    """What is wrong with the words of a command, and where its help is."""
    command = " ".join(("striate", *(error.command_chain or ())))
    text = " ".join(str(error).split())
    if isinstance(error, UnusedCliTokensError):
        words = " ".join(error.unused_tokens or ())
        text = f"{command} does not take {words!r} besides what it got. Text with spaces or a pattern needs quotes around it."
    elif isinstance(error, MissingArgumentError) and error.argument is not None and not error.argument.name.startswith("-"):
        text = f"expected {error.argument.name} after `{command}`; it is missing."
    elif isinstance(error, UnknownOptionError) and error.token.value in ("--data", "--run", "--images"):
        text = f"{command} takes no {error.token.value}: what it stands for is written without a flag, in its place."
    return f"{text} See `{command} --help`."


def _fail(sentence: str, code: int) -> int:
    print(f"striate: {without_controls(sentence)}", file=sys.stderr)
    return code
