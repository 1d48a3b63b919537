"""Fetches open data from a pinned address, proves that they are the expected bytes, and makes the trial tidy."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from alliance_analysis.errors import DataError
from alliance_analysis.study.problems import count, nearest
from alliance_analysis.study.readers import Table
from alliance_analysis.study.vocabulary import CLIENT, SESSION, THERAPIST

FOLDER_VARIABLE = "ALLIANCE_DATA"
_TIMEOUT_S = 30
_RAW = "https://raw.githubusercontent.com"
_TRIAL = f"{_RAW}/PsychometricsMZ/dsem_tutorial/a3743f3536055c8f8c2a0d327b31370c7f7b50c4/data"
_EFFECT_SIZES = f"{_RAW}/emaassen/paper-effectsizes/cd6b640006c9aeee898a984e427e024187beb3d6/data-per-ma"


@dataclass(frozen=True)
class Dataset:
    """One open file and where it comes from.

    Attributes
    ----------
    name, title : str
        Registered name, and what it is.
    file : str
        File name in the cache folder and in the folder named by ``ALLIANCE_DATA``.
    url : str
        Address of one commit, so that the bytes cannot change.
    sha256 : str
        Fingerprint of the bytes.
    licence, citation : str
        As seen in the repository; what to cite.
    """

    name: str
    title: str
    file: str
    url: str
    sha256: str
    licence: str
    citation: str


DATASETS: MappingProxyType[str, Dataset] = MappingProxyType(
    {
        dataset.name: dataset
        for dataset in (
            Dataset(
                "implement",
                "Trial of cognitive behavioural therapy for generalised anxiety, alliance and anxiety by session",
                "completedata.RDS",
                f"{_TRIAL}/completedata.RDS",
                "93e662a66988f49e56e830e3af85dd7ddc467dc4ec223a65c1ce066666f34444",
                "MIT",
                "Flückiger et al. 2016, EBioMedicine 3, 163–171, 10.1016/j.ebiom.2015.11.049",
            ),
            Dataset(
                "farber2011",
                "Positive regard (not alliance) and outcome: r and n of 18 studies",
                "meta_farber2011_r_n.csv",
                f"{_EFFECT_SIZES}/farber_complete.csv",
                "bc2a2e70a178a590c746efcd156bd4188abe01c496ac96a480f50d445cf72107",
                "CC0",
                "Farber & Doolin 2011, Psychotherapy, 10.1037/a0022141",
            ),
            Dataset(
                "kolden2011",
                "Congruence (not alliance) and outcome: r and n of 16 studies",
                "meta_kolden2011_r_n.csv",
                f"{_EFFECT_SIZES}/kolden_complete.csv",
                "0de547423a0320bce5b73370654553a90c8473ddd4ce3d3fc14fbd6070a0c79d",
                "CC0",
                "Kolden et al. 2011, Psychotherapy, 10.1037/a0022064",
            ),
        )
    }
)


def find_dataset(name: str) -> Dataset:
    """Return a registered dataset.

    Raises
    ------
    DataError
        When the name is not registered; the message has the nearest names.

    Examples
    --------
    >>> find_dataset("implement").licence
    'MIT'
    """
    if name not in DATASETS:
        hint = nearest(name, DATASETS) or f"; allowed are {', '.join(DATASETS)}"
        raise DataError(f"dataset {name!r} is not known{hint}.")
    return DATASETS[name]


def data_cache() -> Path:
    """Return the folder for fetched data: the one named by ``ALLIANCE_DATA``, else the user's cache.

    Raises
    ------
    DataError
        When ``ALLIANCE_DATA`` names a folder that does not exist.
    """
    if named := os.environ.get(FOLDER_VARIABLE):
        if not Path(named).is_dir():  # a slip of the pen must not make folders
            looked_in = Path(named).absolute()
            raise DataError(f"{FOLDER_VARIABLE}: there is no folder {looked_in}. Make it, or name another one.")
        return Path(named)
    import pooch

    return Path(pooch.os_cache("alliance_analysis"))


def fetch(name: str, folder: Path | str | None = None) -> Path:
    """Return the path of an open dataset, downloading it when it is not there yet.

    Parameters
    ----------
    name : str
        "implement", "farber2011" or "kolden2011".
    folder : path, optional
        Where to keep it; default: the folder named by ``ALLIANCE_DATA``, else the user's cache. A file that is there
        already is used when its bytes are the expected ones, and never replaced when they are not.

    Raises
    ------
    DataError
        When the name is unknown, there is no connection, the address is gone, or the bytes are not the expected ones.
    """
    dataset = find_dataset(name)
    target = (Path(folder) if folder is not None else data_cache()) / dataset.file
    if target.exists():
        if _sha256(target) != dataset.sha256:
            raise DataError(
                f"{dataset.file}: the file is not the published one (SHA-256 differs). "
                f"Delete it and run `alliance fetch {name}`."
            )
        return target
    _download(dataset, target)
    return target


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(
            f"{path.name}: cannot be read ({error.strerror}). Check the folder {FOLDER_VARIABLE} names."
        ) from error


def _download(dataset: Dataset, target: Path) -> None:
    """Download to a temporary name beside the target; pooch renames it only when the bytes are the expected ones."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")  # its progress lines belong to no report
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(dataset.url, f"sha256:{dataset.sha256}", target.name, target.parent, downloader=_stream)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else "an error"
        raise DataError(f"dataset {dataset.name!r}: {dataset.url} answers {status}. {_by_hand(dataset)}") from error
    except requests.RequestException as error:
        raise DataError(f"dataset {dataset.name!r}: no connection to {dataset.url}. {_by_hand(dataset)}") from error
    except ValueError as error:
        raise DataError(
            f"dataset {dataset.name!r}: the bytes from {dataset.url} are not the published ones (SHA-256 differs); "
            "nothing was kept. Try again; if it stays so, tell the maintainers."
        ) from error
    except OSError as error:
        raise DataError(
            f"dataset {dataset.name!r}: cannot be written ({error.strerror}). "
            f"Set {FOLDER_VARIABLE} to a folder you may write to."
        ) from error


def _stream(url: str, output_file: str, _pooch: object) -> None:
    """Download in a way that closes the connection after a failure too, which pooch's own downloader does not."""
    import requests

    with requests.get(url, stream=True, timeout=_TIMEOUT_S) as response, Path(output_file).open("wb") as file:
        response.raise_for_status()
        for chunk in response.iter_content(65536):
            file.write(chunk)


def _by_hand(dataset: Dataset) -> str:
    return (
        f"Try again with a connection, or download {dataset.url} elsewhere, save it as {dataset.file} in a folder "
        f"and set {FOLDER_VARIABLE} to that folder."
    )


def read_dataset(name: str) -> Table:
    """Return an open dataset as a table that a study file may name as ``dataset:NAME``.

    Raises
    ------
    DataError
        When it is unknown, cannot be fetched, or has no sessions.
    """
    dataset = find_dataset(name)
    if name != "implement":
        raise DataError(f"dataset {name!r} has no sessions: {dataset.title}. A study can name dataset:implement.")
    path = fetch(name)
    frame, dropped = implement_sessions(path)
    partial = int((frame["bai_total"].isna() & frame[list(PARCELS)].notna().any(axis=1)).sum())
    notes = (
        f"dataset:implement: {dropped} empty occasions were dropped; "
        "the array has 15 occasions, its description says 14 sessions.",
        "dataset:implement: bai_total is an inference: the step sizes of the three parcels fit means of 10, 3 and "
        "8 items, so that 10 x parcel 1 + 3 x parcel 2 + 8 x parcel 3 is the total; the source does not say so. "
        f"{count(partial, 'session')} with some parcel missing got no total.",
        "dataset:implement: every variable is centred at its mean on occasion 1 and the raw means are not published: "
        "cut-offs and levels cannot be used.",
        "dataset:implement: the source has no alliance rated by therapists, no dates, demographics or trial arm.",
    )
    return Table("dataset:implement", frame, np.arange(len(frame)) + 2, {dataset.file: dataset.sha256}, notes)


ITEMS = tuple(f"wai_{scale}{number}" for scale in ("task", "goal", "bond") for number in (1, 2, 3))
PARCELS = ("bai_parcel1", "bai_parcel2", "bai_parcel3")
PARCEL_ITEMS = (10, 3, 8)


def implement_sessions(path: Path) -> tuple[pd.DataFrame, int]:
    """Make the trial's array long: one row per client and occasion with any answer.

    Parameters
    ----------
    path : Path
        The RDS file: ``data`` (57 clients x 15 occasions x 12 variables, without names) and ``therapist`` (57).

    Returns
    -------
    frame : DataFrame
        ``client therapist session``, nine WAI items (``wai_task1`` … ``wai_bond3``, in the order task, goal, bond of
        the source's script), three BAI parcels and ``bai_total`` in BAI points; all centred at occasion 1.
    dropped : int
        Number of occasions without any answer.

    Raises
    ------
    DataError
        When the file cannot be read as such an array.
    """
    import rdata

    try:
        content = {str(key): value for key, value in rdata.read_rds(path).items()}
        array, therapist = np.asarray(content["data"], dtype=float), np.asarray(content["therapist"], dtype=int)
        clients, occasions, variables = array.shape
    except (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError, EOFError) as error:
        raise DataError(
            f"{path.name}: cannot be read as the array of the trial. Delete it and run `alliance fetch implement`."
        ) from error
    frame = pd.DataFrame(array.reshape(clients * occasions, variables), columns=[*ITEMS, *PARCELS])
    total = frame[list(PARCELS)].to_numpy() @ np.array(PARCEL_ITEMS, dtype=float)
    frame.insert(0, SESSION, np.tile(np.arange(1, occasions + 1), clients))
    frame.insert(0, THERAPIST, np.repeat([f"t{number:02d}" for number in therapist], occasions))
    frame.insert(0, CLIENT, np.repeat([f"c{number:02d}" for number in range(1, clients + 1)], occasions))
    empty = frame[[*ITEMS, *PARCELS]].isna().all(axis=1)
    return frame.assign(bai_total=total)[~empty].reset_index(drop=True), int(empty.sum())
