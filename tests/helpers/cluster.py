"""A SLURM of one node, without systemd: for root, where SLURM is installed.

Everything lies in one folder: configuration, sockets, spools, logs.  Nothing of a cluster that
the machine belongs to is touched; commands find this one by ``SLURM_CONF``.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "squeue")
_CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CredType=cred/munge
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=5,batch_sched_delay=0
ReturnToService=2
KillWait=8
MinJobAge=3600
JobRequeue=1
MaxArraySize=1001
MaxJobCount=2000
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=500
"""


def missing() -> str:
    """Return why no cluster can be started here; empty if one can."""
    lacking = [name for name in NEEDED if shutil.which(name, path=_path()) is None]
    if os.geteuid() != 0:
        return "a cluster is started by root only"
    if lacking:
        return f"{', '.join(lacking)} not installed: apt-get install slurm-wlm munge"
    with tempfile.TemporaryDirectory() as folder:
        try:
            _device(Path(folder) / "gpu")
        except PermissionError:
            return "this container lets nobody make devices, which stand for GPUs"
    return ""


class Cluster:
    """A running cluster; :meth:`stop` ends it."""

    def __init__(self, home: Path, cpus: int = 16) -> None:
        self.home, self._pids = home, ("slurmd.pid", "slurmctld.pid", "munged.pid")
        home.chmod(0o755)  # munge refuses a socket that not everybody can reach
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            (home / name).mkdir()
        ports = {"controller": _free_port(), "node": _free_port()}
        (home / "slurm.conf").write_text(_CONFIG.format(home=home, host=host, cpus=cpus, **ports))
        devices = [home / f"gpu{k}" for k in range(2)]
        for device in devices:
            _device(device)
        (home / "gres.conf").write_text(f"NodeName={host} Name=gpu File={home}/gpu[0-1]\n")
        key = home / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        path = f"{_srun(home)}:{_path()}"
        self.environment = os.environ | {"SLURM_CONF": str(home / "slurm.conf"), "PATH": path}
        try:
            self._start(
                "munged", "--force", f"--key-file={key}", f"--socket={home}/munge.socket",
                f"--pid-file={home}/munged.pid", f"--log-file={home}/munged.log",
                f"--seed-file={home}/munged.seed",
            )  # fmt: skip
            self._start("slurmctld")
            self._start("slurmd")
            self.wait(lambda: self.says("sinfo", "-h", "-o", "%t") == "idle", 60, "the node")
        except BaseException:  # those that came up do not stay
            self.stop()
            raise

    def _start(self, *command: str) -> None:
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def says(self, *command: str) -> str:
        """Return the output of a command of SLURM."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout.strip()

    def submit(self, *arguments: str, folder: Path, **variables: str) -> str:
        """Submit a job with more environment; return its number."""
        done = subprocess.run(
            ["sbatch", "--parsable", *arguments], cwd=folder, capture_output=True, text=True,
            env=self.environment | variables,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().split(";")[0]

    def state(self, job: str) -> str:
        """Return the state of a job, or of each job of an array."""
        return " ".join(
            self.says("squeue", "-h", "-t", "all", "-r", "-j", job, "-o", "%T").split()
        )

    def field(self, job: str, name: str) -> str:
        """Return one field of what scontrol shows of a job."""
        words = self.says("scontrol", "show", "job", job).split()
        return next(w.partition("=")[2] for w in words if w.startswith(f"{name}="))

    def ended(self, job: str, seconds: float = 120) -> str:
        """Wait until a job has ended (a requeued one is started at once); return its states."""

        def done() -> bool:
            states = self.state(job).split()
            if "PENDING" in states and self.field(job, "Reason") == "BeginTime":
                self.says("scontrol", "update", f"jobid={job}", "starttime=now")
            return bool(states) and not {*states} & _GOING

        self.wait(done, seconds, f"job {job}")
        return self.state(job)

    def wait(self, done: object, seconds: float, what: str) -> None:
        """Look until `done()` is true."""
        end = time.monotonic() + seconds
        while not done():  # type: ignore[operator]
            if time.monotonic() > end:
                logs = "\n".join(p.read_text()[-2000:] for p in self.home.glob("slurm*.log"))
                raise TimeoutError(f"{what} was not there after {seconds} s\n{logs}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End all jobs, then the daemons, by their own numbers."""
        if (self.home / "slurmctld.pid").exists():  # else scancel waits for it
            self.says("scancel", "--full", "--signal=KILL", "--user=root")
        for name in self._pids:
            if (path := self.home / name).exists():
                number = int(path.read_text())
                os.kill(number, signal.SIGTERM)
                end = time.monotonic() + 10
                while Path(f"/proc/{number}").exists() and time.monotonic() < end:
                    time.sleep(0.05)


_GOING = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "SUSPENDED", "STOPPED"}


def _srun(home: Path) -> Path:
    """Write a srun that finds this cluster by itself, and return its folder.

    Snakemake clears every variable SLURM_* within a job.
    """
    script = home / "bin" / "srun"
    script.parent.mkdir()
    real = shutil.which("srun", path=_path())
    script.write_text(f'#!/bin/sh\nSLURM_CONF={home}/slurm.conf exec {real} "$@"\n')
    script.chmod(0o755)
    return script.parent


def _device(path: Path) -> None:
    """Make a device that is as /dev/null: SLURM hands out names of devices."""
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def _path() -> str:
    """Return where programs are: daemons lie in sbin, physgen beside this Python."""
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin"


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
