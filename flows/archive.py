"""The recordings that were judged last, fetched again to train on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from connectors.download import Downloader
from connectors.download_errors import DownloadError
from connectors.mongo import Database, Results
from flows import wiring
from flows.settings import Settings


def fetch_recent(settings: Settings, count: int, folder: Path) -> list[Path]:
    """Fetch the recordings of the newest results into a folder.

    Parameters
    ----------
    count
        Results to look at, newest first; what cannot be fetched any more is left out.
    folder
        Where the files go, one each.

    Raises
    ------
    Unavailable
        When Mongo cannot be reached.
    """
    database = Database(settings.mongo_uri.get_secret_value(), settings.mongo_db_name)
    try:
        results = Results(database.collection(settings.mongo_result_collection))
        urls = results.recent_audio(count)
    finally:
        database.close()
    downloader = Downloader(wiring.download_limits(settings))
    with ThreadPoolExecutor(settings.download_max_concurrency) as pool:
        paths = [folder / f"{number:06}.audio" for number in range(len(urls))]
        fetched = list(pool.map(partial(_fetch, downloader), urls, paths))
    downloader.close()
    return [path for path, there in zip(paths, fetched, strict=True) if there]


def _fetch(downloader: Downloader, url: str, path: Path) -> bool:
    """Put a recording into a file; tell whether it was to be had."""
    try:
        with path.open("wb") as file:
            downloader.fetch(url, file)
    except DownloadError:
        return False
    return True
