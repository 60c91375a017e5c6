"""``run_flow.py score``, ``train`` and ``evaluate``: the model without any service."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from commands.app import CommandFailed, Debug, app

_ModelFile = Annotated[
    Path | None,
    typer.Option("--model", help="The model; MODEL_PATH, or the shipped one, else."),
]


@app.command(epilog="Example: python run_flow.py score recordings/ one.mp3")
def score(
    paths: Annotated[list[Path], typer.Argument(help="Audio files or folders.")],
    model: _ModelFile = None,
    debug: Debug = False,
) -> None:
    """Score audio files: one JSON line a file."""
    from threadpoolctl import threadpool_limits

    from flows.start import load_local_settings
    from model.detector import load_model
    from model.recordings import AUDIO_SUFFIXES
    from model.training import score_files

    settings = load_local_settings(model_path=model)
    loaded = load_model(settings.model_path)
    faults: list[bool] = []
    with threadpool_limits(1):  # on a busy machine more wait for each other
        for line in score_files(paths, loaded, settings.audio_limits()):
            faults.append(line["error"] is not None)
            _print(line)
    if not faults:
        folders = ", ".join(map(str, paths))
        suffixes = " ".join(sorted(AUDIO_SUFFIXES))
        raise CommandFailed(f"{folders}: no audio files, expected {suffixes}")
    if any(faults):
        raise typer.Exit(1)


@app.command(
    epilog="Example: python run_flow.py train --audio recordings/ "
    "--output model.joblib --flag-rate 0.03"
)
def train(
    output: Annotated[Path, typer.Option(help="Where the model goes.")],
    audio: Annotated[
        Path | None, typer.Option(help="A folder of mostly normal recordings.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="A CSV file with a column `path`.")
    ] = None,
    results: Annotated[
        int | None,
        typer.Option(min=20, help="The last so many recordings in the results."),
    ] = None,
    name: Annotated[str, typer.Option(help="The model's name in results.")] = "earshot",
    flag_rate: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=0.5,
            help="Share of the training recordings allowed above the threshold.",
        ),
    ] = 0.05,
    debug: Debug = False,
) -> None:
    """Fit a model on recordings that nobody labelled."""
    from flows.start import load_local_settings
    from model.detector import save_model
    from model.recordings import ManifestError
    from model.training import TrainingError, audio_files, read_manifest
    from model.training import train as fit

    if sum(given is not None for given in (audio, manifest, results)) != 1:
        raise typer.BadParameter("expected one of --audio, --manifest and --results")
    settings = load_local_settings()
    try:
        with tempfile.TemporaryDirectory() as folder:
            if results:
                paths = _recent(results, Path(folder))
            else:
                paths = (
                    audio_files(audio) if audio else read_manifest(manifest or Path())
                )
            trained = fit(
                paths,
                name=name,
                flag_rate=flag_rate,
                limits=settings.audio_limits(),
                progress=_progress,
            )
    except (TrainingError, ManifestError, OSError) as error:
        raise CommandFailed(str(error)) from error
    save_model(trained.model, output)
    _print(
        {
            "model": str(output),
            "name": trained.model.name,
            "version": trained.model.version,
            "recordings": trained.used,
            "flagged": trained.flagged,
            "skipped": {str(path): why for path, why in trained.skipped.items()},
        }
    )


@app.command(
    epilog="Example: python run_flow.py evaluate --labels labels.csv --output report/"
)
def evaluate(
    labels: Annotated[Path, typer.Option(help="CSV with path, kind and is_anomaly.")],
    output: Annotated[Path, typer.Option(help="Folder for the plots and the page.")],
    model: _ModelFile = None,
    debug: Debug = False,
) -> None:
    """Measure a model on labelled recordings: JSON on stdout, plots and a page."""
    from threadpoolctl import threadpool_limits

    from flows.start import load_local_settings
    from model.detector import load_model
    from model.evaluation import EvaluationError
    from model.evaluation import evaluate as measure
    from model.recordings import ManifestError

    settings = load_local_settings(model_path=model)
    loaded = load_model(settings.model_path)
    try:
        with threadpool_limits(1):  # on a busy machine more wait for each other
            _print(measure(labels, loaded, output, settings.audio_limits()))
    except (EvaluationError, ManifestError, OSError) as error:
        raise CommandFailed(str(error)) from error


def _print(value: dict[str, Any]) -> None:
    print(orjson.dumps(value, default=str).decode(), flush=True)


def _recent(count: int, folder: Path) -> list[Path]:
    from flows.archive import fetch_recent
    from flows.start import load_settings

    return fetch_recent(load_settings(), count, folder)


def _progress(paths: Iterable[Path]) -> Iterable[Path]:
    from rich.console import Console
    from rich.progress import track

    return track(list(paths), "Listening", console=Console(stderr=True))
