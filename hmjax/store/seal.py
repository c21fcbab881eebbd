"""What a folder holds in the end: `results.json` says what config and files belong to it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hmjax.errors import InvalidInput
from hmjax.runtime import hosts
from hmjax.settings import schema_of
from hmjax.store import files
from hmjax.store.environment import fingerprint


def finish(
    folder: Path, config: Mapping[str, Any], trees: Mapping[str, Any], results: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes what was made of a run or study, `results.json` last; on host 0.

    Args:
      folder: its folder.
      config: the content of its `config.json`.
      trees: arrays, by the name of the file they are written to.
      results: JSON values.

    Returns:
      The content of `results.json`: the results, and on host 0 their seal, which says what config
      and files they belong to.
    """
    if not hosts.is_first():
        return dict(results)
    for name, tree in trees.items():
        files.write_arrays(folder / name, tree)
    digests = {name: files.digest(folder / name) for name in trees}
    sealed = {**results, "config": fingerprint(config), "files": digests}
    files.write_json(folder / "results.json", sealed)
    return sealed


def check_seal(
    folder: Path, config: Mapping[str, Any], results: Mapping[str, Any], names: Iterable[str]
) -> None:
    """Refuses a folder whose files do not belong together.

    Folders that were made before results were sealed are taken as they are.

    Args:
      folder: a finished one.
      config: the content of its `config.json`.
      results: that of its `results.json`.
      names: the files that are sealed.

    Raises:
      InvalidInput: naming the file that does not belong.
    """
    if schema_of(config, folder) == 1:
        return
    path = folder / "results.json"
    digests = results.get("files")
    if results.get("config") != fingerprint(config) or not isinstance(digests, dict):
        raise InvalidInput(f"{path} does not belong to the config.json beside it")
    for name in names:
        if files.digest(folder / name) != digests.get(name):
            raise InvalidInput(f"{folder / name} is not the file that {path} was written with")
