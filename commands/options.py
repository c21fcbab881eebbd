"""Options that several commands have."""

from dataclasses import dataclass, fields
from pathlib import Path

from hmjax import InvalidInput
from hmjax.errors import require
from hmjax.runtime import hosts
from hmjax.tasks import Images
from hmjax.tasks.reading import images_of
from hmjax.tasks.table import Binarise


@dataclass(frozen=True)
class Movie:
    """How dream.gif is drawn."""

    fps: float = 5.0
    """Frames a second of dream.gif, above 0 and at most 50."""

    def __post_init__(self) -> None:
        require(0 < self.fps <= 50, "fps", self.fps, "must be above 0 and at most 50")


@dataclass(frozen=True)
class OwnImages:
    """Images of your own to learn: docs/your_own_images.md."""

    images: Path | None = None
    """File of images: .npy, .npz with images and perhaps labels, or .csv."""
    test: Path | None = None
    """File of images to be held out, in place of a share of them."""
    held_out: float = 0.0
    """Share of the images to be held out, 0 or more, below 1."""
    validation: float = 0.0
    """Share of what is left that decides when training stops, by --evaluation.patience."""
    split_seed: int = 0
    """Seed of what is held out."""
    threshold: float | None = None
    """Grey level from which on a pixel is on."""
    binarise: Binarise = "threshold"
    """How grey levels become zeros and ones; sample draws them anew whenever they are seen."""

    def task(self) -> Images | None:
        """The images as a task; none if no file is given.

        Raises:
          InvalidInput: if a file cannot be read, or something in it does not fit.
        """
        options = {each.name: getattr(self, each.name) for each in fields(self)}
        path = options.pop("images")
        if path is not None:
            return images_of(path, **options)
        for name, value in options.items():
            plain = value == getattr(OwnImages(), name)
            require(plain, name.replace("_", "-"), str(value), "needs --images FILE")
        return None


@dataclass(frozen=True)
class Hosts:
    """Other hosts that run the same command; host 0 writes the folder."""

    coordinator: str | None = None
    """HOST:PORT of host 0; this host alone if not given."""
    count: int | None = None
    """How many hosts, with coordinator."""
    index: int | None = None
    """Which of them this is, 0 to count - 1, with coordinator."""
    detect: bool = False
    """Have JAX ask the cluster (SLURM, Open MPI, Kubernetes, TPU) for all three."""
    timeout: int = 60
    """Seconds to wait for the others, and after which a silent host is lost; at least 1."""

    def __post_init__(self) -> None:
        given = self.count is not None and self.index is not None
        where = "any:1" if self.coordinator is None else self.coordinator
        host, _, port = where.rpartition(":")
        require(
            host != "" and port.isdecimal() and 1 <= int(port) <= 65535,
            "hosts.coordinator",
            self.coordinator,
            "must be HOST:PORT, with a port of 1 to 65535",
        )
        if self.coordinator is not None and not given:
            raise InvalidInput("hosts.coordinator needs hosts.count and hosts.index")
        count, index = self.count or 0, self.index or 0
        if self.coordinator is None and (self.count is not None or self.index is not None):
            raise InvalidInput("hosts.count and hosts.index need hosts.coordinator")
        if given:
            require(count >= 1, "hosts.count", count, "must be at least 1")
            require(0 <= index < count, "hosts.index", index, f"must be 0 to {count - 1}")
        require(self.timeout >= 1, "hosts.timeout", self.timeout, "must be at least 1 second")

    def connect(self) -> None:
        """Joins the other hosts, if there are any."""
        if self.coordinator is not None or self.detect:
            hosts.connect(self.coordinator, self.count, self.index, timeout=self.timeout)
