"""The demo's pupils really speak."""

from __future__ import annotations

import numpy as np
import pytest

from demo.speech import Samples, Speaker, Voice

ENGLISH = Voice("en", "f2", pitch=70, pitch_range=60, words_per_minute=130)
HINDI = Voice("hi", "f2", pitch=70, pitch_range=60, words_per_minute=130)
TEXT = "The farmer works in his field."


@pytest.fixture(scope="module")
def speaker() -> Speaker:
    return Speaker()


def seconds(y: Samples, speaker: Speaker) -> float:
    return y.size / speaker.sample_rate


def test_a_sentence_takes_about_as_long_as_a_person_takes(speaker: Speaker) -> None:
    y = speaker.speak(TEXT, ENGLISH)
    assert 1.5 < seconds(y, speaker) < 5
    assert 0.1 < np.abs(y).max() <= 1


def test_hindi_is_spoken_from_its_own_script(speaker: Speaker) -> None:
    y = speaker.speak("किसान खेत में काम करता है।", HINDI)
    assert 1.5 < seconds(y, speaker) < 5


def test_a_longer_text_takes_longer(speaker: Speaker) -> None:
    once, twice = speaker.speak(TEXT, ENGLISH), speaker.speak(TEXT * 2, ENGLISH)
    assert twice.size > 1.6 * once.size


def test_an_unknown_language_is_refused(speaker: Speaker) -> None:
    with pytest.raises(ValueError, match=r"no voice xx\+f2"):
        speaker.speak(TEXT, Voice("xx", "f2", 70, 60, 130))
