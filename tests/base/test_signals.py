import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from striate.base.errors import Interrupted
from striate.base.signals import Stop, catch_signals

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_turns_the_answer_to_yes(number: signal.Signals):
    with catch_signals() as stop:
        assert not stop
        stop.check("training")  # goes on: nobody asked
        signal.raise_signal(number)
        assert stop
        assert stop.signal == number.name


def test_who_checks_leaves_with_the_signal_and_what_was_being_done():
    with catch_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted) as left:
            stop.check("decoding images")
    assert str(left.value) == "SIGTERM while decoding images; nothing is lost: run the same command again."
    assert left.value.exit_code == 75


@pytest.fixture
def mine() -> Iterator[Callable[..., None]]:
    """A handler of one's own for every signal."""

    def handle(*_: object) -> None:
        pass

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    yield handle
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_are_put_back_when_the_block_ends(mine: Callable[..., None]):
    with catch_signals() as stop:
        assert mine not in [signal.getsignal(number) for number in SIGNALS]
        signal.raise_signal(signal.SIGTERM)
        assert stop
    assert [signal.getsignal(number) for number in SIGNALS] == [mine] * len(SIGNALS)


def test_handlers_are_put_back_when_the_block_fails(mine: Callable[..., None]):
    with pytest.raises(ZeroDivisionError), catch_signals():
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == [mine] * len(SIGNALS)


@pytest.mark.parametrize("first", SIGNALS, ids=lambda number: number.name)
def test_a_second_interrupt_ends_the_block_at_once(first: signal.Signals):
    def impatient(stop: Stop) -> None:
        signal.raise_signal(first)
        assert stop
        signal.raise_signal(signal.SIGINT)

    with catch_signals() as stop, pytest.raises(KeyboardInterrupt):
        impatient(stop)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_sigterm_is_as_patient_as_the_first():
    with catch_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == "SIGTERM"


def test_outside_of_the_main_thread_the_answer_stays_no():
    handlers = [signal.getsignal(number) for number in SIGNALS]
    answers = []

    def work() -> None:
        with catch_signals() as stop:
            answers.append((bool(stop), [signal.getsignal(number) for number in SIGNALS] == handlers))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert answers == [(False, True)]
