"""What `sourcier bench` measured: summary, targets, tables and pictures. python -m evaluation.speed_report JSON

A summary takes medians and 95th percentiles (linear between the two nearest); ratios are of medians, over
the questions that both answered in this run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from errors import DataError, SettingsError

_SCENARIOS = ("new", "seen", "follow-up", "again")
_WHO = ("Sourcier", "naive", "LangChain")
_STAGES = ("evidence", "evidence_whole", "first_word", "total")
_TOKENS = ("read", "reused", "written")
_GIGABYTE = 1e9

Result = dict[str, Any]


class _Target(NamedTuple):
    """`value` is None where it was not measured; it is met at `limit` or below, or above where `at_least`."""

    name: str
    unit: str
    limit: float
    at_least: bool
    value: Callable[[Result], float | None]


def summary(result: Result) -> Result:
    """Return what the rows come to: for each scenario and who was asked, rates, levels, starts, memory, targets."""
    asked = {}
    for scenario in _SCENARIOS:
        for who in _WHO:
            if rows := _rows(result, scenario, who):
                asked[f"{scenario}, {who}"] = _of_rows(rows)
    rates = {kind: _spread(one["tokens_per_second"] for one in result["rates"] if one["kind"] == kind)
             for kind in dict.fromkeys(one["kind"] for one in result["rates"])}  # fmt: skip
    for kind, behind in (("Sourcier, writing", False), ("Sourcier, writing and reading the others", True)):
        if ours := _writing(result, behind=behind):
            rates[kind] = _spread(ours)
    starts = {name: _spread(one[name] for one in result["starts"]) for name in ("page", "models")}
    return {
        "asked": asked,
        "rates": {kind: spread for kind, spread in rates.items() if spread},
        "at once": _at_once(result),
        "starts": {name: spread for name, spread in starts.items() if spread},
        "targets": [
            {"name": target.name, "unit": target.unit, "limit": target.limit, "at_least": target.at_least}
            | _judged(target, target.value(result))
            for target in _TARGETS
        ],
    }


def _judged(target: _Target, value: float | None) -> Result:
    if value is None:
        return {"value": None, "met": None}
    return {"value": round(value, 3), "met": value >= target.limit if target.at_least else value <= target.limit}


def _rows(result: Result, scenario: str, who: str = "Sourcier") -> list[Result]:
    return [row for row in result["rows"] if (row["scenario"], row["who"]) == (scenario, who)]


def _of_rows(rows: Sequence[Result]) -> Result:
    of: Result = {"n": len(rows), "refused": sum(row["refused"] for row in rows)}
    answered = [row for row in rows if not row["refused"]]
    for stage in ("search", *_STAGES):
        of[stage] = _spread(row.get(stage) for row in (answered if stage in ("first_word", "total") else rows))
    for name in (*_TOKENS, "joules"):
        of[name] = _spread(row[name] for row in answered)
    return of


def _spread(values: Iterable[float | None]) -> dict[str, float] | None:
    """Return n, median and 95th percentile of what is not None; None of nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    median, p95 = np.percentile(known, (50, 95))
    return {"n": len(known), "median": round(float(median), 3), "p95": round(float(p95), 3)}


def _at_once(result: Result) -> Result:
    told = {}
    for together in sorted({level["together"] for level in result["levels"]}):
        levels = [level for level in result["levels"] if level["together"] == together]
        rows = [row for row in _rows(result, "at once") if row["together"] == together and not row["refused"]]
        told[str(together)] = {
            "answers": sum(level["answers"] for level in levels),
            "answers a minute": round(60 * _throughput(levels), 2),
            "first_word": _spread(row["first_word"] for row in rows),
            "total": _spread(row["total"] for row in rows),
        }
    return told


def _throughput(levels: Sequence[Result]) -> float:
    return float(sum(level["answers"] for level in levels) / sum(level["seconds"] for level in levels))


def _writing(result: Result, *, behind: bool = False) -> list[float]:
    """Return tokens a second of each answer, from its first word to its end, checks and all.

    Of those where all passages were read before the first word, or where the others were read `behind` it. The
    first token is there when the seconds begin, and is not counted.
    """
    return [
        (row["written"] - 1) / (row["total"] - row["first_word"])
        for scenario in ("new", "follow-up")
        for row in _rows(result, scenario)
        if row["first_word"] is not None
        and not row["refused"]
        and (row["written"] or 0) > 1
        and row["total"] > row["first_word"]
        and ((row.get("evidence_whole") or 0.0) > row["first_word"]) == behind
    ]


def _median(values: Iterable[float | None]) -> float | None:
    spread = _spread(values)
    return spread["median"] if spread else None


def _median_of(scenario: str, stage: str) -> Callable[[Result], float | None]:
    return lambda result: _median(
        row[stage] for row in _rows(result, scenario) if stage == "evidence" or not row["refused"]
    )


def _times_naive(scenario: str) -> Callable[[Result], float | None]:
    def ratio(result: Result) -> float | None:
        ours, naive = (
            {
                row["question"]: row["first_word"]
                for row in _rows(result, scenario, who)
                if row["first_word"] and not row["refused"]
            }
            for who in ("Sourcier", "naive")
        )
        both = ours.keys() & naive.keys()
        mine, theirs = (_median(first[question] for question in both) for first in (ours, naive))
        return theirs / mine if mine and theirs else None

    return ratio


def _writing_to(kind: str) -> Callable[[Result], float | None]:
    def ratio(result: Result) -> float | None:
        ours = _median(_writing(result))
        raw = _median(one["tokens_per_second"] for one in result["rates"] if one["kind"] == kind)
        return ours / raw if ours and raw else None

    return ratio


def _eight_to_one(result: Result) -> float | None:
    eight, one = ([level for level in result["levels"] if level["together"] == count] for count in (8, 1))
    return _throughput(eight) / _throughput(one) if eight and one else None


def _started(name: str) -> Callable[[Result], float | None]:
    return lambda result: _median(one[name] for one in result["starts"])


def _peak(result: Result) -> float | None:
    return max((one["peak"] / _GIGABYTE for one in result["memory"]), default=None)


_TARGETS = (
    _Target("first evidence, new question", "s", 0.5, False, _median_of("new", "evidence")),
    _Target("first word, new articles", "s", 3, False, _median_of("new", "first_word")),
    _Target("… times faster than naive", "", 4, True, _times_naive("new")),
    _Target("first word, articles seen before", "s", 1.5, False, _median_of("seen", "first_word")),
    _Target("… times faster than naive", "", 8, True, _times_naive("seen")),
    _Target("first word, follow-up", "s", 1.5, False, _median_of("follow-up", "first_word")),
    _Target("… times faster than naive", "", 8, True, _times_naive("follow-up")),
    _Target("writing with grammar and checks, of llama.cpp's raw rate", "", 0.9, True, _writing_to("decode")),
    _Target("… of its rate behind a prompt of 512 tokens", "", 0.9, True, _writing_to("decode behind 512")),
    _Target("throughput, eight at once to one after the other", "", 1.5, True, _eight_to_one),
    _Target("start to a usable page", "s", 3, False, _started("page")),
    _Target("start to loaded models", "s", 8, False, _started("models")),
    _Target("peak memory, 10,000 passages", "GB", 3, False, _peak),
)


def as_markdown(result: Result) -> str:
    """Return the tables, for docs/benchmarks.md."""
    about, told = result["about"], summary(result)
    machine = about["machine"]
    parts = [
        f"{about['data']}: {about['articles']} articles, {about['passages']} passages; sample of {about['sample']},"
        f" seed {about['seed']}. {machine['processor']}, {machine['cores']} cores, {machine['memory, GB']} GB;"
        f" {about['begun'][:10]}, commit {about['commit']}, load before {about['load average before'][0]}"
        + ("." if about["complete"] else "; **interrupted**.")
    ]
    if told["asked"]:
        rows = [
            [name, _count(of), *(_pair(of[stage]) for stage in _STAGES), _tokens(of), _one(of["joules"])]
            for name, of in told["asked"].items()
        ]
        head = ["seconds, median / p95", "n (refused)", "first evidence", "all of it", "first word", "end",
                "tokens read / reused / written", "J"]  # fmt: skip
        parts.append(_table(head, rows))
    if told["at once"]:
        rows = [
            [together, str(of["answers"]), str(of["answers a minute"]), _pair(of["first_word"]), _pair(of["total"])]
            for together, of in told["at once"].items()
        ]
        parts.append(_table(["ask at once", "answers", "answers a minute", "first word, s", "end, s"], rows))
    if told["rates"]:
        rows = [[kind, str(spread["n"]), _one(spread)] for kind, spread in told["rates"].items()]
        parts.append(_table(["tokens a second", "n", "median"], rows))
    if told["starts"]:
        rows = [[name, str(spread["n"]), _pair(spread)] for name, spread in told["starts"].items()]
        parts.append(_table(["`sourcier serve`, seconds until it can be used", "n", "median / p95"], rows))
    for one in result["memory"]:
        own = ", ".join(f"{name} {one[name] / _GIGABYTE:.2f}" for name in ("uss", "pss") if one[name])
        parts.append(
            f"Memory of a process that asked {one['questions']} questions over {one['passages']:,} passages, GB:"
            f" {one['peak'] / _GIGABYTE:.2f} at its peak; at the end {own}. Its first question took"
            f" {one['first']:.1f} s, the models not loaded yet."
        )
    rows = [
        [one["name"], f"{'≥' if one['at_least'] else '≤'} {one['limit']:g} {one['unit']}".strip(), _value(one)]
        for one in told["targets"]
    ]
    parts.append(_table(["", "target", "measured"], rows))
    parts += [f"- {note}" for note in result["notes"]]
    return "\n\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def _count(of: Result) -> str:
    return f"{of['n']} ({of['refused']})"


def _pair(spread: dict[str, float] | None) -> str:
    return f"{spread['median']:.2f} / {spread['p95']:.2f}" if spread else "–"


def _one(spread: dict[str, float] | None) -> str:
    return f"{spread['median']:.1f}" if spread else "–"


def _tokens(of: Result) -> str:
    return " / ".join(f"{of[name]['median']:.0f}" if of[name] else "–" for name in _TOKENS)


def _value(target: Result) -> str:
    if target["met"] is None:
        return "not measured"
    return f"**{target['value']:.2f}**" if target["met"] else f"{target['value']:.2f}, missed"


def pictures(result: Result, folder: Path) -> list[Path]:
    """Draw what was measured as SVG files, the same bytes for the same figures; return those made.

    Raises SettingsError where matplotlib is not installed.
    """
    refuse_without_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    grey = "#808080"  # can be read on white and on black
    style = {
        "svg.hashsalt": "sourcier", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
        "text.color": grey, "axes.labelcolor": grey, "axes.edgecolor": grey, "xtick.color": grey, "ytick.color": grey,
        "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True, "grid.color": grey,
        "grid.alpha": 0.25,
    }  # fmt: skip
    made = []
    told = summary(result)
    with matplotlib.rc_context(style):
        for name, draw in (("first-word", _first_words), ("at-once", _throughputs), ("parts", _parts)):
            figure = Figure(figsize=(6.4, 3.2), layout="constrained")
            if draw(figure.subplots(), told):
                path = folder / f"speed-{result['about']['data']}-{name}.svg"
                figure.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})
                made.append(path)
    return made


def refuse_without_matplotlib() -> None:
    """Raise SettingsError with the remedy where there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise SettingsError("pictures need matplotlib: pip install 'sourcier[bench]'") from None


_COLOURS = {"Sourcier": "#2f81c1", "naive": "#d97b29", "LangChain": "#8a63b8"}


def _first_words(axes: Any, told: Result) -> bool:
    scenarios = [name for name in _SCENARIOS if any(key.startswith(f"{name}, ") for key in told["asked"])]
    everyone = [who for who in _WHO if any(key.endswith(f", {who}") for key in told["asked"])]
    height = 0.8 / max(len(everyone), 1)
    for number, who in enumerate(everyone):
        for place, scenario in enumerate(scenarios):
            spread = told["asked"].get(f"{scenario}, {who}", {}).get("first_word")
            if spread:
                level = place + (number - (len(everyone) - 1) / 2) * height
                axes.barh(level, spread["median"], height * 0.9, color=_COLOURS[who])
                axes.plot([spread["median"], spread["p95"]], [level, level], color=_COLOURS[who], linewidth=1)
                axes.plot(spread["p95"], level, "|", color=_COLOURS[who])
    for who in everyone:
        axes.barh(0, 0, color=_COLOURS[who], label=who)
    axes.set_yticks(range(len(scenarios)), scenarios)
    axes.invert_yaxis()
    axes.set_xlabel("seconds to the first word: median, line to the 95th percentile")
    axes.grid(axis="x")
    if everyone:
        axes.legend(frameon=False)
    return bool(scenarios)


def _throughputs(axes: Any, told: Result) -> bool:
    levels = told["at once"]
    bars = axes.bar(list(levels), [of["answers a minute"] for of in levels.values()], 0.6, color=_COLOURS["Sourcier"])
    axes.bar_label(
        bars,
        [f"first word {of['first_word']['median']:.1f} s" if of["first_word"] else "" for of in levels.values()],
        padding=2,
    )
    axes.set_xlabel("ask at once")
    axes.set_ylabel("answers a minute")
    return bool(levels)


_PARTS = (("search", "searching", "#5aa469"), ("evidence", "reading the passages", "#2f81c1"),
          ("first_word", "until the first word", "#d97b29"), ("total", "writing and checking", "#8a63b8"))  # fmt: skip


def _parts(axes: Any, told: Result) -> bool:
    for place, of in enumerate(told["asked"].values()):
        before = 0.0
        for stage, _, colour in _PARTS:
            until = max(of[stage]["median"], before) if of[stage] else before
            axes.barh(place, until - before, 0.7, before, color=colour)
            before = until
    for _, name, colour in _PARTS:
        axes.barh(0, 0, color=colour, label=name)
    axes.set_yticks(range(len(told["asked"])), list(told["asked"]))
    axes.invert_yaxis()
    axes.set_xlabel("seconds, medians of when each part ends")
    axes.grid(axis="x")
    if told["asked"]:
        axes.legend(frameon=False)
    return bool(told["asked"])


def opened(path: Path) -> Result:
    """Read what a run wrote. Raises DataError for a file that is none."""
    try:
        result: Result = json.loads(path.read_text(encoding="utf-8"))
        result["about"], result["rows"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} was not written by sourcier bench: {error}") from None
    return result


@click.command()
@click.argument("file", metavar="JSON", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Draw pictures into this folder.")
def main(file: Path, plots: Path | None) -> None:
    """Print the tables of a run as Markdown."""
    result = opened(file)
    click.echo(as_markdown(result))
    if plots:
        pictures(result, plots)


if __name__ == "__main__":
    main()
