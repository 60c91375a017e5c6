"""Say in words what is wrong with a flagged recording.

Plain facts come first: no sound at all, a second of sound, a pure tone, no voice.
Where none holds, the recording is named after the kind of spoiling that it is most
like, with the measurement that a listener can check.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

Features = Mapping[str, float]

#: dBFS; quieter than this a recorder was off or covered, whatever the room.
_SILENT_DB = -70.0
#: Mean over rms: from here on nothing moves.
_CONSTANT_SHARE = 0.95
#: log10 of a second: nobody reads a passage in less.
_SHORT_LOG_SECONDS = 0.0
#: A sine has a crest of 3 dB, two together 6 dB; read speech 11 dB and more.
_TONE_CREST_DB = 11.5
#: Bits; the long-term spectrum of tones is a few lines.
_TONE_ENTROPY_BITS = 4.2
#: log10 of a line over its surroundings; red noise is smooth and has no lines.
_TONE_PEAKINESS = 0.9
#: Highest tenth of the voicing: in speech at least a tenth of the frames is periodic.
_VOICED = 0.9
#: dB between loud and quiet frames below which nothing stands out of the noise.
_FLAT_RANGE_DB = 11.0
#: Words of a second reason are given when it is nearly as like as the first.
_SECOND_SHARE = 1.25

#: Minus the squared distance beyond which a recording is not like spoiled speech.
_FAR = -100.0

#: dB below the loudest: a recording that has faded so far is not still sounding.
_FADED_DB = -35.0
#: dB of speech above the background that nobody calls noisy.
_CLEAN_DB = 25.0
#: log10 of the share of samples near the peak: one in 1600 is no clipping.
_UNCLIPPED_LOG_SHARE = -3.2
#: log10 of those near the peak over all in the upper third: clipped samples pile up.
_UNPILED_LOG_RATIO = -1.0
#: dB; speech itself falls as fast from one slice to the next.
_GENTLE_DB = 15.0
#: dBFS; normal recordings are as quiet.
_AUDIBLE_DB = -35.0
#: Hertz; sound up to here carries all consonants but the sharpest.
_BRIGHT_HZ = 4500.0
#: Share of active frames from which on there is speech to be heard.
_SPOKEN_SHARE = 0.35

#: Kinds of spoiling that facts tell better.
_FACTS = frozenset(("too_short", "silent"))
#: Kinds of spoiling that leave a voice to be heard above all else.
_VOICED_KINDS = frozenset(
    ("slow", "fast", "two_talkers", "reversed", "cut_end", "cut_start")
)
#: Kinds of spoiling that dull a voice and leave it periodic.
_HEARD_THROUGH = frozenset(("muffled", "echoing", "gaps"))

_WORDS: dict[str, Callable[[Features], str]] = {
    "slow": lambda f: f"wrong speed: sounds slowed down{_pitch(f)}",
    "fast": lambda f: f"wrong speed: sounds speeded up{_pitch(f)}",
    "two_talkers": lambda f: "several voices at once",
    "babble": lambda f: "no single voice: many voices or noise at once",
    "reversed": lambda f: "unlike speech: sounds swell and stop, as played backwards",
    "cut_end": lambda f: f"cut off: still sounding at the end{_below(f, 'last_db')}",
    "cut_start": lambda f: (
        f"cut off: already sounding at the start{_below(f, 'first_db')}"
    ),
    "too_short": lambda f: f"cut off: only {_seconds(f):.1f} s long",
    "noisy": lambda f: f"noisy: speech only {f['snr_db']:z.0f} dB above the background",
    "humming": lambda f: "noisy: a steady hum",
    "with_music": lambda f: "music or other sounds, alone or with a voice",
    "clipped": lambda f: (
        f"clipped: {_percent(f['near_peak_share'])} of the samples "
        f"at {f['peak_db']:z.0f} dBFS"
    ),
    "gaps": lambda f: (
        f"gaps: the sound breaks off by {f['steepest_fall_db']:z.0f} dB "
        "from one moment to the next"
    ),
    "quiet": lambda f: f"too quiet: {f['rms_db']:z.0f} dBFS",
    "muffled": lambda f: (
        f"muffled: 99 % of the sound lies below {f['rolloff_99']:.0f} Hz"
    ),
    "echoing": lambda f: "echoing: sounds do not end before the next begin",
    "mostly_silent": lambda f: (
        f"almost no speech: {100 * f['active_share']:.0f} % of the recording"
    ),
    "silent": lambda f: f"silent: nothing above {f['level_p95_db']:z.0f} dBFS",
    "noise_only": lambda f: f"no speech: noise only, {f['rms_db']:z.0f} dBFS",
    "tones_only": lambda f: "no speech: tones",
    "music_only": lambda f: "no speech: music or tones",
    "bursts_only": lambda f: "no speech: coughs, knocks or other short sounds",
}

#: What a listener or a meter would contradict: these words are not said then, however
#: alike the recording is. Normal recordings lie mostly on this side.
_CONTRADICTED: dict[str, Callable[[Features], bool]] = {
    "cut_end": lambda f: f["last_db"] < _FADED_DB,
    "cut_start": lambda f: f["first_db"] < _FADED_DB,
    "noisy": lambda f: f["snr_db"] > _CLEAN_DB,
    "clipped": lambda f: (
        f["near_peak_share"] < _UNCLIPPED_LOG_SHARE
        or f["near_peak_share"] - f["upper_share"] < _UNPILED_LOG_RATIO
    ),
    "gaps": lambda f: f["steepest_fall_db"] < _GENTLE_DB,
    "quiet": lambda f: f["rms_db"] > _AUDIBLE_DB,
    "muffled": lambda f: f["rolloff_99"] > _BRIGHT_HZ,
    "mostly_silent": lambda f: f["active_share"] > _SPOKEN_SHARE,
}


def explain(features: Features, likeness: Mapping[str, float]) -> tuple[str, ...]:
    """Name what is wrong, the main reason first.

    Parameters
    ----------
    features
        The features by name.
    likeness
        For each kind of spoiling, minus the squared distance to it.

    Returns
    -------
    tuple of str
        At least one.
    """
    reasons = list(_facts(features, likeness))
    if not reasons:
        reasons = [_WORDS[kind](features) for kind in _alike(features, likeness)]
    return tuple(dict.fromkeys(reasons)) or ("unlike the recordings it was trained on",)


def _facts(features: Features, likeness: Mapping[str, float]) -> Iterator[str]:
    if features["offset_share"] > _CONSTANT_SHARE:
        yield "silent: nothing but a constant value"
    elif features["level_p95_db"] < _SILENT_DB:
        yield _WORDS["silent"](features)
    elif features["log_duration"] < _SHORT_LOG_SECONDS:
        yield _WORDS["too_short"](features)
    elif _is_tone(features) and _nearest(likeness) != "clipped":
        yield _WORDS["tones_only"](features)


def _is_tone(features: Features) -> bool:
    few_lines = features["average_entropy"] < _TONE_ENTROPY_BITS
    sharp = features["average_peakiness"] > _TONE_PEAKINESS
    return few_lines and sharp and features["crest_db"] < _TONE_CREST_DB


def _nearest(likeness: Mapping[str, float]) -> str | None:
    return max(likeness, key=lambda kind: likeness[kind], default=None)


def _alike(features: Features, likeness: Mapping[str, float]) -> Sequence[str]:
    """Kinds that the recording is most like, leaving out what its facts exclude."""
    excluded = _excluded(features)
    ranked = sorted(set(likeness) - excluded, key=lambda kind: -likeness[kind])
    near = [k for k in ranked if k not in _VOICED_KINDS or likeness[k] > _FAR]
    return [k for k in near if likeness[k] > _SECOND_SHARE * likeness[near[0]]][:2]


def _excluded(features: Features) -> frozenset[str]:
    contradicted = {kind for kind, says in _CONTRADICTED.items() if says(features)}
    excluded = _FACTS | contradicted
    if features["voicing_p90"] < _VOICED:
        excluded |= _VOICED_KINDS | _HEARD_THROUGH
    elif features["level_middle_range_db"] < _FLAT_RANGE_DB:
        excluded |= _VOICED_KINDS
    return excluded


def _pitch(features: Features) -> str:
    return f", pitch {100 * 2 ** (features['pitch_semitones'] / 12):.0f} Hz"


def _below(features: Features, name: str) -> str:
    return f", {max(0.0, -features[name]):.0f} dB below the loudest"


def _seconds(features: Features) -> float:
    return float(10 ** features["log_duration"])


def _percent(log_share: float) -> str:
    return f"{100 * 10**log_share:.1f} %"
