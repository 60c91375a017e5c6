"""Write a model and its card; read it back only if nothing was changed."""

import hashlib
import json
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib

from model.errors import ModelError
from model.features import FEATURE_NAMES
from model.verdict import Model

SHIPPED = Path(__file__).parent / "artifacts" / "earshot.joblib"


def card_path(path: Path) -> Path:
    """Where the card of the artifact at `path` lies: beside it, as ``.json``."""
    return path.with_suffix(".json")


def save_model(model: Model, path: Path) -> None:
    """Write the artifact to `path` and its card beside it."""
    buffer = BytesIO()
    joblib.dump({**vars(model), "card": {}}, buffer, compress=3)
    card = {**model.card, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    text = json.dumps(card, indent=2, ensure_ascii=False)
    card_path(path).write_text(text + "\n", encoding="utf-8")


def load_model(path: Path | None = None) -> Model:
    """Read a model after checking it against its card.

    The bytes whose SHA-256 is compared are the bytes that are unpickled.

    Parameters
    ----------
    path : Path, optional
        The artifact; by default the one that is shipped.

    Raises
    ------
    ModelError
        A file is missing or unreadable, or the SHA-256, the scikit-learn version
        or the feature names do not match.
    """
    path = path or SHIPPED
    data, card = _read(path), _read_card(card_path(path))
    if hashlib.sha256(data).hexdigest() != card.get("sha256"):
        raise ModelError(f"{path}: its SHA-256 is not the one in its card")
    trained_with, here = _trained_with(card), version("scikit-learn")
    if trained_with != here:
        raise ModelError(
            f"{path}: trained with scikit-learn {trained_with}, this is {here}: retrain"
        )
    if tuple(card.get("feature_names", ())) != FEATURE_NAMES:
        raise ModelError(f"{path}: made for other features than these: retrain")
    return Model(**{**joblib.load(BytesIO(data)), "card": card})


def _trained_with(card: dict[str, Any]) -> str:
    versions = card.get("versions")
    known = versions.get("scikit-learn") if isinstance(versions, dict) else None
    return str(known or "of an unknown version")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from None


def _read_card(path: Path) -> dict[str, Any]:
    try:
        card = json.loads(_read(path))
    except ValueError:
        raise ModelError(f"{path}: the model card is not JSON") from None
    if not isinstance(card, dict):
        raise ModelError(f"{path}: the model card is not a JSON object")
    return card
