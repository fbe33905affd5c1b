import pytest

from striate.base import launcher
from striate.base.errors import SettingError

SLURM = {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_TASKS": "8", "SLURM_JOB_ID": "123456"}


def test_alone_there_is_one_process_also_in_a_batch_script():
    assert launcher.place({}) == (0, 0, 1)
    assert launcher.place({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "1"}) == (0, 0, 1)
    assert launcher.place({"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}) == (0, 0, 1)


def test_a_step_of_slurm_has_as_many_as_its_tasks():
    assert launcher.place(SLURM) == (5, 1, 8)


def test_what_torchrun_says_counts_before_slurm():
    assert launcher.place({**SLURM, "RANK": "1", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}) == (1, 0, 2)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [({"WORLD_SIZE": "2"}, "RANK"), ({"SLURM_STEP_NUM_TASKS": "4"}, "SLURM_PROCID")],
)
def test_a_launcher_that_does_not_say_which_is_refused(environment: dict[str, str], missing: str):
    with pytest.raises(SettingError, match=rf"in the environment of each process; {missing} is not there\."):
        launcher.place(environment)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("n1", "n1"), ("n[1-3]", "n1"), ("n[08,10]", "n08"), ("a1,b2", "a1"), ("rack1-n[003-017].site,x", "rack1-n003.site"),
    ],
)  # fmt: skip
def test_the_first_machine_of_slurm_s_list(nodes: str, first: str):
    assert launcher.first_host(nodes) == first


def test_the_meeting_point_is_the_launcher_s_or_slurm_s():
    assert launcher.meeting_point({"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", **SLURM}) == ("10.0.0.1", 29500)
    assert launcher.meeting_point({**SLURM, "SLURM_STEP_NODELIST": "n[4-5]"}) == ("n4", 23456)
    with pytest.raises(SettingError, match="expected MASTER_ADDR, the machine of the first process"):
        launcher.meeting_point({})
