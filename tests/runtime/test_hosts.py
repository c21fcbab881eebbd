import os
import signal
import socket
import subprocess
import time

import pytest
from helpers import slow, start

import run
from hmjax.runtime import hosts

COMMAND = "population debug --seeds 5 --steps 600000 --evaluation.every 10000 --no-figures"


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("localhost", 0))
        return server.getsockname()[1]


def start_two(
    arguments: list[str],
    timeout: int = 60,
    each: tuple[list[str], list[str]] = ([], []),
    devices: tuple[int, int] | None = None,
) -> list[subprocess.Popen]:
    """The same command on two hosts of this machine, and what each is given besides."""
    where = ["--hosts.coordinator", f"localhost:{free_port()}", "--hosts.count", "2"]
    where += ["--hosts.timeout", str(timeout)]
    both = []
    for index in range(2):
        more = {}
        if devices:
            more["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={devices[index]}"
        command = [*arguments, *each[index], *where, "--hosts.index", str(index)]
        both.append(start(*command, start_new_session=True, env=os.environ | more))
    return both


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "population"
    assert run.main([*COMMAND.split(), "--out", str(folder)]) == 0
    return folder


def same(folder, other) -> bool:
    names = ("params.npz", "population.npz", "metrics.npz")
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in names)


@pytest.mark.slow
def test_two_hosts_train_the_machines_that_one_does(alone, tmp_path):
    folder = tmp_path / "two"
    both = start_two([*COMMAND.split(), "--figures", "--out", str(folder)])
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "NLL, exact (bits)" in said[0][0]
    assert "NLL" not in said[1][0]
    assert (folder / "figures" / "gallery.png").exists()
    assert same(folder, alone)


@pytest.mark.parametrize("devices", [slow((1, 3)), slow((2, 1))])
def test_hosts_may_have_different_numbers_of_devices(devices, alone, tmp_path):
    folder = tmp_path / "two"
    both = start_two([*COMMAND.split(), "--out", str(folder)], devices=devices)
    said = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert same(folder, alone)


@pytest.mark.parametrize("victim", [slow(0), 1])
@pytest.mark.slow
def test_a_lost_host_stops_the_other_and_the_run_resumes(victim, alone, tmp_path):
    folder = tmp_path / "two"
    both = start_two([*COMMAND.split(), "--steps", "600000", "--out", str(folder)])
    while not (folder / "part-0.npz").exists():
        assert both[0].poll() is None
        time.sleep(0.02)
    both[victim].send_signal(signal.SIGKILL)
    _, said = both[1 - victim].communicate(timeout=60)
    both[victim].communicate()
    assert both[1 - victim].returncode == 1
    assert "error: another host was lost" in said
    assert "Check failure stack trace" not in said
    resume = ["resume", str(folder), "--no-figures"]
    if victim:
        assert run.main(resume) == 0
    else:
        again = start_two(resume)
        said = [process.communicate(timeout=300) for process in again]
        assert [process.returncode for process in again] == [0, 0], said
    assert same(folder, alone)


@pytest.mark.slow
def test_a_run_of_one_machine_is_not_resumed_by_two_hosts(tmp_path):
    folder = tmp_path / "one"
    assert run.main(["train", "debug", "--no-figures", "--out", str(folder)]) == 0
    both = start_two(["resume", str(folder)])
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert all("one host resumes a run" in each for each in said)


def test_what_host_0_refuses_is_refused_by_all(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "cat.png").write_text("cat")
    both = start_two([*COMMAND.split(), "--out", str(folder)])
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert all("is no run folder" in each for each in said)
    assert "host 0" in said[1]


def test_hosts_of_different_commands_are_refused_before_anything_is_written(tmp_path):
    folder = tmp_path / "two"
    both = start_two([*COMMAND.split(), "--out", str(folder)], each=(["--top", "1"], []))
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert all("all must run the same" in each for each in said)
    assert not folder.exists()


@pytest.mark.slow
def test_ctrl_c_on_one_host_ends_all(tmp_path):
    folder = tmp_path / "two"
    both = start_two([*COMMAND.split(), "--steps", "60000000", "--out", str(folder)])
    while not (folder / "part-0.npz").exists():
        assert both[0].poll() is None
        time.sleep(0.02)
    os.killpg(both[0].pid, signal.SIGINT)  # as a terminal does
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [130, 1]
    assert f"python run.py resume {folder}" in said[0]
    assert "another host was lost" in said[1]


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.create_server(("", 0)) as server:
        where = f"localhost:{server.getsockname()[1]}"
        options = f"--hosts.coordinator {where} --hosts.count 2 --hosts.index 0"
        command = [*COMMAND.split(), "--out", str(tmp_path / "x"), *options.split()]
        process = start(*command)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "hosts.coordinator: port" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("index", [slow(0), slow(1)])
def test_hosts_that_do_not_come_are_one_line_after_the_timeout(index, tmp_path):
    where = f"--hosts.coordinator localhost:{free_port()} --hosts.count 2 --hosts.timeout 2"
    process = start(
        *COMMAND.split(), "--out", str(tmp_path / "x"), *where.split(), "--hosts.index", str(index)
    )
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "error: hosts" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_one_host_takes_its_own_word(tmp_path):
    assert hosts.is_first()
    assert hosts.from_first(lambda: b"word") == b"word"
