"""How fast vectors are computed, and what narrower ones cost: python -m evaluation.embedding_speed DATA

What is embedded are the passages the index would hold. Each way cuts the same sample into batches of
its own, and the batches of all ways take turns, so that whatever else the machine does hits all alike.
Wall time is what a user waits for; processor time, of all threads, is what is left of it on a machine
that is shared. Tokenizing is timed, loading and the first batch are not.

A way needs packages that Sourcier does not (openvino, nncf, torchao, onnxruntime): where one is missing
or does not work, the table says with which error. Only for EmbeddingGemma.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from evaluation.answers import chosen
from evaluation.datasets import DataSet, Question, read
from evaluation.metrics import Estimate, estimate, ranking, share
from evaluation.retrieval import DEEPEST, askable, right_articles
from index.embedder import SentenceTransformerEmbedder, configured_embedder
from index.language import detect
from index.lexical import LexicalIndex, question_tokens, scores, tokens
from index.passages import cut
from index.search import fuse
from index.vectors import Vectors
from models import locate
from settings import Settings, flags_of, load_settings

REFERENCE = "SentenceTransformer.encode, float32, default arguments"
DIMENSIONS = (768, 512, 256, 128)
# faiss.ScalarQuantizer's name of each, and the bits of a number
PRECISIONS = {
    "float32": ("", 32),
    "float16": ("QT_fp16", 16),
    "int8, a range per dimension": ("QT_8bit", 8),
    "int8, one range": ("QT_8bit_uniform", 8),
}
_PACKAGES = (
    "torch",
    "sentence-transformers",
    "transformers",
    "faiss-cpu",
    "openvino",
    "nncf",
    "torchao",
    "onnxruntime",
    "optimum-onnx",
    "optimum-intel",
)
_MEASURES = ("R@10", "MRR@10")
_AS_INDEXED = 32  # passages given to the embedder at once while indexing


@dataclass(frozen=True, slots=True)
class Text:
    """A passage as it is embedded; `tokens` counts those of the whole prompt."""

    article_id: str
    title: str
    text: str
    language: str | None
    tokens: int = 0

    @property
    def prompt(self) -> str:
        return f"title: {self.title or 'none'} | text: {self.text}"


Embed = Callable[[Sequence[Text]], Vectors]
Plan = Callable[[Sequence[Text]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class Way:
    """`make` loads what embeds a batch; `plan` says which rows of a window of texts are a batch."""

    make: Callable[[Backends], Embed]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Speed:
    """Of `passages`: seconds of wall time and of processor time, and the cosine to the reference's vectors."""

    passages: int
    wall: float
    processor: float
    cosine_mean: float
    cosine_min: float


def by_count(size: int) -> Plan:
    """Longest first, `size` at once: what SentenceTransformer.encode does with all it is given."""

    def plan(texts: Sequence[Text]) -> list[list[int]]:
        order = sorted(range(len(texts)), key=lambda row: -len(texts[row].prompt))
        return [order[start : start + size] for start in range(0, len(order), size)]

    return plan


def by_tokens(most: int) -> Plan:
    """Shortest first, as many at once as fill `most` tokens, padding included; a longer text is alone."""

    def plan(texts: Sequence[Text]) -> list[list[int]]:
        batches: list[list[int]] = []
        for row in sorted(range(len(texts)), key=lambda row: texts[row].tokens):
            if batches and texts[row].tokens * (len(batches[-1]) + 1) <= most:
                batches[-1].append(row)
            else:
                batches.append([row])
        return batches

    return plan


def take_turns(parts: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, int]]:
    """Yield (name, number of its part), so that at each moment all are about as far; `parts` are sizes."""
    done = dict.fromkeys(parts, 0)
    while left := [name for name in parts if done[name] < len(parts[name])]:
        name = min(left, key=lambda name: sum(parts[name][: done[name]]) / sum(parts[name]))
        yield name, done[name]
        done[name] += 1


class Backends:
    """What the ways share, each loaded when first used; `keep` is where converted weights are put."""

    def __init__(self, settings: Settings, threads: int, keep: Path) -> None:
        import torch

        self.embedder: SentenceTransformerEmbedder = configured_embedder(settings)
        self.threads = threads
        self.keep = keep / self.embedder.fingerprint[:8]
        self.keep.mkdir(parents=True, exist_ok=True)
        self._folder = locate(settings.embedding_model, settings.models_folder)
        self.embedder.count_tokens([""])  # it sets the number of threads when it is loaded
        torch.set_num_threads(threads)

    def sentence_transformer(self, dtype: str, **more: Any) -> Any:
        import torch
        from sentence_transformers import SentenceTransformer

        arguments: dict[str, Any] = {"device": "cpu", "local_files_only": True, **more}
        return SentenceTransformer(str(self._folder), model_kwargs={"dtype": getattr(torch, dtype)}, **arguments)

    @cached_property
    def float32(self) -> Any:
        return self.sentence_transformer("float32")

    @cached_property
    def bfloat16(self) -> Any:
        return self.sentence_transformer("bfloat16")

    def padded(self, batch: Sequence[Text]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the token ids (n, longest) and 1 where one is, 0 where padding is."""
        found = self.float32.tokenizer([text.prompt for text in batch], padding=True, return_tensors="np")
        return found["input_ids"].astype(np.int64), found["attention_mask"].astype(np.int64)

    def openvino_file(self, weights: str) -> Path:
        """Convert the network for OpenVINO with float32 or int8 weights; a minute, and 1.2 GB or 0.3 GB."""
        folder, unfinished = self.keep / f"openvino-{weights}", self.keep / f"openvino-{weights}.part"
        if folder.is_dir():
            return folder / "network.xml"
        openvino = importlib.import_module("openvino")
        if weights == "int8":
            nncf = importlib.import_module("nncf")
            model = openvino.Core().read_model(self.openvino_file("float32"))
            model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
        else:
            import torch

            example = torch.ones(2, 8, dtype=torch.int64)
            shape = ([-1, -1], openvino.Type.i64)
            with torch.no_grad():
                model = openvino.convert_model(
                    _network(self.float32), example_input=(example, example), input=[shape] * 2
                )
        unfinished.mkdir(exist_ok=True)
        openvino.save_model(model, unfinished / "network.xml", compress_to_fp16=False)
        unfinished.rename(folder)
        return folder / "network.xml"


def _network(model: Any) -> Any:
    """Return all modules of a SentenceTransformer in one: (ids, mask) → unit vectors, float32.

    The masks are made here, since how transformers makes them is not traced.
    """
    import torch

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.transformer, self.dense = model[0].auto_model, torch.nn.Sequential(model[2].linear, model[3].linear)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            place = torch.arange(ids.shape[1])
            near = (place[:, None] - place[None, :]).abs() < self.transformer.config.sliding_window
            full = mask.bool()[:, None, None, :].expand(-1, -1, ids.shape[1], -1)
            masks = {"full_attention": full, "sliding_attention": full & near}
            states = self.transformer(input_ids=ids, attention_mask=masks, use_cache=False).last_hidden_state
            counted = mask[..., None].to(states.dtype)
            pooled = (states * counted).sum(1) / counted.sum(1)
            return torch.nn.functional.normalize(self.dense(pooled).float(), dim=-1)

    return Network().eval()


def _encode(model: Any) -> Embed:
    def embed(batch: Sequence[Text]) -> Vectors:
        prompts = [text.prompt for text in batch]
        found = model.encode(prompts, batch_size=len(prompts), show_progress_bar=False, convert_to_tensor=True)
        vectors: Vectors = found.float().numpy()
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    return embed


def _as_configured(backends: Backends) -> Embed:
    embed = backends.embedder.embed_passages
    return lambda batch: embed([text.text for text in batch], [text.title for text in batch])


def _in_torch(change: Callable[[Any], None]) -> Callable[[Backends], Embed]:
    def make(backends: Backends) -> Embed:
        import torch

        network = _network(backends.sentence_transformer("bfloat16"))
        change(network)

        def embed(batch: Sequence[Text]) -> Vectors:
            ids, mask = backends.padded(batch)
            with torch.no_grad():  # inference mode stops compiled code
                vectors: Vectors = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
            return vectors

        return embed

    return make


def _compile(network: Any) -> None:
    import torch

    for layer in network.transformer.layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)


def _int8(network: Any) -> None:
    """Put int8 products in the place of the layers' linear maps: a scale per token, one per output channel."""
    import torch

    class Int8(torch.nn.Module):
        def __init__(self, linear: torch.nn.Linear) -> None:
            super().__init__()
            weight = linear.weight.data.float()
            self.scale = weight.abs().amax(1) / 127
            self.weight = (weight / self.scale[:, None]).round().to(torch.int8).t().contiguous()

        def forward(self, states: torch.Tensor) -> torch.Tensor:
            flat = states.reshape(-1, states.shape[-1]).float()
            scale = flat.abs().amax(1, keepdim=True).clamp_min(1e-9) / 127
            product = torch._int_mm((flat / scale).round().to(torch.int8), self.weight)
            return (product * scale * self.scale).to(states.dtype).view(*states.shape[:-1], -1)

    for layer in network.transformer.layers:
        for part in (layer.self_attn, layer.mlp):
            for name, module in list(part.named_children()):
                if isinstance(module, torch.nn.Linear):
                    setattr(part, name, Int8(module))


def _int8_compiled(network: Any) -> None:
    _int8(network)
    _compile(network)


def _torchao(network: Any) -> None:
    quantization = importlib.import_module("torchao.quantization")
    quantization.quantize_(network.transformer, quantization.Int8DynamicActivationInt8WeightConfig())


def _in_openvino(weights: str, precision: str, group: int = 0) -> Callable[[Backends], Embed]:
    """`group` numbers of an activation share a scale where they are quantized; 0: they are not."""

    def make(backends: Backends) -> Embed:
        openvino = importlib.import_module("openvino")
        options = {
            "INFERENCE_NUM_THREADS": backends.threads,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(group),
        }
        compiled = openvino.Core().compile_model(backends.openvino_file(weights), "CPU", options)
        request = compiled.create_infer_request()

        def embed(batch: Sequence[Text]) -> Vectors:
            return np.array(next(iter(request.infer(list(backends.padded(batch))).values())))

        return embed

    return make


WAYS: dict[str, Way] = {
    REFERENCE: Way(lambda backends: _encode(backends.float32), by_count(32)),
    "encode, float32, batches of 8": Way(lambda backends: _encode(backends.float32), by_count(8)),
    "encode, bfloat16, batches of 32": Way(lambda backends: _encode(backends.bfloat16), by_count(32)),
    "encode, bfloat16, batches of 16": Way(lambda backends: _encode(backends.bfloat16), by_count(16)),
    "encode, bfloat16, batches of 8": Way(lambda backends: _encode(backends.bfloat16), by_count(8)),
    "encode, bfloat16, 1,024 tokens": Way(lambda backends: _encode(backends.bfloat16), by_tokens(1024)),
    "encode, bfloat16, 2,048 tokens": Way(lambda backends: _encode(backends.bfloat16), by_tokens(2048)),
    "encode, bfloat16, 4,096 tokens": Way(lambda backends: _encode(backends.bfloat16), by_tokens(4096)),
    "the embedder as configured": Way(_as_configured, by_count(_AS_INDEXED)),
    "torch, compiled bfloat16": Way(_in_torch(_compile), by_tokens(2048)),
    "torch, int8 per token": Way(_in_torch(_int8), by_tokens(2048)),
    "torch, compiled int8 per token": Way(_in_torch(_int8_compiled), by_tokens(2048)),
    "torchao, int8 dynamic": Way(_in_torch(_torchao), by_tokens(2048)),
    "encode, backend=onnx": Way(
        lambda backends: _encode(backends.sentence_transformer("float32", backend="onnx")), by_tokens(2048)
    ),
    "encode, backend=openvino": Way(
        lambda backends: _encode(backends.sentence_transformer("float32", backend="openvino")), by_tokens(2048)
    ),
    "OpenVINO, float32": Way(_in_openvino("float32", "f32"), by_tokens(2048)),
    "OpenVINO, bfloat16": Way(_in_openvino("float32", "bf16"), by_tokens(2048)),
    "OpenVINO, int8 weights": Way(_in_openvino("int8", "bf16"), by_tokens(2048)),
    "OpenVINO, int8, activations too": Way(_in_openvino("int8", "bf16", group=128), by_tokens(2048)),
}


@contextmanager
def _clock() -> Iterator[list[float]]:
    """Give a list that holds, at the end, the seconds of wall time and of processor time."""
    spent: list[float] = []
    wall, processor = time.perf_counter(), time.process_time()
    yield spent
    spent += [time.perf_counter() - wall, time.process_time() - processor]


def passages_of(data: DataSet, embedder: SentenceTransformerEmbedder, longest: int) -> list[Text]:
    """Cut the articles as the index does."""
    texts = [
        (article, article.text[passage.start : passage.end])
        for article in data.articles
        for passage in cut(article, longest, embedder.count_tokens)
    ]
    cut_texts = [Text(article.id, article.title, text, article.language) for article, text in texts]
    counts = embedder.count_tokens([text.prompt for text in cut_texts])
    return [
        Text(text.article_id, text.title, text.text, text.language, count + 2)  # the two that mark its ends
        for text, count in zip(cut_texts, counts, strict=True)
    ]


def load(ways: Mapping[str, Way], backends: Backends, texts: Sequence[Text]) -> tuple[dict[str, Embed], dict[str, str]]:
    """Load the ways and embed the shortest and the longest text with each; also return the errors, by name."""
    loaded: dict[str, Embed] = {}
    errors: dict[str, str] = {}
    by_length = sorted(texts, key=lambda text: text.tokens)
    for name, way in ways.items():
        try:
            embed = way.make(backends)
            for warm_up in (by_length[:2], by_length[-1:]):
                embed(warm_up)
            loaded[name] = embed
        except Exception as error:  # of any package, each with its own; the table says which
            errors[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"
            click.echo(f"{name}: {errors[name]}", err=True)
    return loaded, errors


def measure(ways: Mapping[str, Way], loaded: Mapping[str, Embed], texts: Sequence[Text]) -> dict[str, Speed]:
    """Embed `texts` in every way, the batches in turns. The first way is the one that the cosines are to."""
    plans = {name: ways[name].plan(texts) for name in loaded}
    vectors: dict[str, Vectors] = {}
    spent = {name: np.zeros(2) for name in loaded}
    for name, number in take_turns({name: [len(batch) for batch in plan] for name, plan in plans.items()}):
        rows = plans[name][number]
        with _clock() as seconds:
            found = loaded[name]([texts[row] for row in rows])
        spent[name] += seconds
        vectors.setdefault(name, np.zeros((len(texts), found.shape[1]), dtype=np.float32))[rows] = found
    reference = vectors[next(iter(loaded))]
    speeds = {}
    for name, (wall, processor) in spent.items():
        cosines = np.sum(vectors[name] * reference, axis=1)
        speeds[name] = Speed(len(texts), float(wall), float(processor), float(cosines.mean()), float(cosines.min()))
    return speeds


def embedded(name: str, way: Way, embed: Embed, texts: Sequence[Text], keep: Path) -> Vectors:
    """Return the vectors (n, d) of all texts, from the folder where they were computed before."""
    digest = hashlib.sha256("\0".join(text.prompt for text in texts).encode()).hexdigest()[:8]
    path = keep / f"{''.join(letter if letter.isalnum() else '-' for letter in name)}-{digest}.npy"
    if not path.is_file():
        batches = [(rows, embed([texts[row] for row in rows])) for rows in way.plan(texts)]
        vectors = np.zeros((len(texts), batches[0][1].shape[1]), dtype=np.float32)
        for rows, found in batches:
            vectors[rows] = found
        np.save(path, vectors)
    found_before: Vectors = np.load(path)
    return found_before


def stored(vectors: Vectors, dimensions: int, precision: str) -> Vectors:
    """Return unit vectors (n, d) cut to `dimensions`, of unit length again, as FAISS gives them back."""
    narrow = vectors[:, :dimensions] / np.linalg.norm(vectors[:, :dimensions], axis=1, keepdims=True)
    quantizer = PRECISIONS[precision][0]
    if not quantizer:
        return np.ascontiguousarray(narrow)
    import faiss

    index = faiss.IndexScalarQuantizer(
        dimensions, getattr(faiss.ScalarQuantizer, quantizer), faiss.METRIC_INNER_PRODUCT
    )
    index.train(np.ascontiguousarray(narrow))
    index.add(np.ascontiguousarray(narrow))
    return np.asarray(index.reconstruct_n(0, len(narrow)))


class Searched:
    """Questions and passages, for one set of passage vectors after the other; the words' scores are kept."""

    def __init__(self, questions: Sequence[Question], vectors: Vectors, texts: Sequence[Text], weight: float) -> None:
        self._gold = {question.id: right_articles(question) for question in questions}
        self._vectors = vectors
        self._owners = np.array([text.article_id for text in texts])
        self._weight = weight
        languages = tuple(sorted({text.language for text in texts if text.language}))
        index = LexicalIndex.build(
            [tokens(text.title, text.language) + tokens(text.text, text.language) for text in texts]
        )
        self._lexical = [
            scores([index], question_tokens(question.text, dict.fromkeys((detect(question.text), *languages))))[0]
            for question in questions
        ]

    def figures(self, passages: Vectors, questions: Vectors | None = None) -> dict[str, Estimate]:
        """Return R@10 and MRR@10 of articles by their best passage, of the vectors alone and as index/search.py fuses.

        `passages` are (n, d); of the questions' vectors (q, D), D ≥ d, the first d numbers are taken.
        """
        narrow = (self._vectors if questions is None else questions)[:, : passages.shape[1]]
        narrow = narrow / np.linalg.norm(narrow, axis=1, keepdims=True)
        found: dict[str, dict[str, list[str]]] = {"alone": {}, "fused": {}}
        for question, vector, lexical in zip(self._gold, narrow, self._lexical, strict=True):
            dense = passages @ vector
            found["alone"][question] = self._articles(dense)
            found["fused"][question] = self._articles(fuse(dense, lexical, self._weight))
        return {
            f"{measure}, {way}": estimate(values)
            for way, orders in found.items()
            for measure, values in ranking(self._gold, orders).items()
            if measure in _MEASURES
        }

    def _articles(self, similarities: NDArray[np.float32]) -> list[str]:
        return list(dict.fromkeys(str(self._owners[row]) for row in np.argsort(-similarities, kind="stable")))[:DEEPEST]


def speed_table(
    speeds: Mapping[str, Speed], errors: Mapping[str, str], ranks: Mapping[str, Mapping[str, Estimate]]
) -> str:
    """Return the first table; `ratio` is that of the figure before it to the first way's."""
    names = ("way", "passages/s", "ratio", "per s of processor", "ratio", "cosine, mean", "least", *_MEASURES)
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    first = next(iter(speeds.values()))
    for name, speed in speeds.items():
        figures = [share(ranks[name][f"{measure}, alone"].value) if name in ranks else "" for measure in _MEASURES]
        lines.append(
            f"| {name} | {speed.passages / speed.wall:.2f} | {first.wall / speed.wall:.2f}"
            f" | {speed.passages / speed.processor:.2f} | {first.processor / speed.processor:.2f}"
            f" | {speed.cosine_mean:.4f} | {speed.cosine_min:.4f} | {' | '.join(figures)} |"
        )
    return "\n".join([*lines, *(f"| {name} | {error[:300]} |" for name, error in errors.items())])


def width_table(widths: Mapping[tuple[int, str], Mapping[str, Estimate]]) -> str:
    """Return the second table, a row for each number of dimensions and precision."""
    names = list(next(iter(widths.values())))
    lines = ["| dimensions | as | bytes | " + " | ".join(names) + " |", "|---" * (len(names) + 3) + "|"]
    for (dimensions, precision), row in widths.items():
        size = dimensions * PRECISIONS[precision][1] // 8
        figures = " | ".join(share(row[name].value) for name in names)
        lines.append(f"| {dimensions} | {precision} | {size:,} | {figures} |")
    return "\n".join(lines)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


@click.command()
@click.argument("path", metavar="DATA", type=click.Path(exists=True, path_type=Path))
@click.option("--passages", type=click.IntRange(min=8), default=96, show_default=True, help="Embedded in every way.")
@click.option(
    "--questions", type=click.IntRange(min=1), default=300, show_default=True, help="Looked for in all passages."
)
@click.option(
    "--only", multiple=True, help="A way whose name holds this; may be given again. The reference is always one."
)
@click.option(
    "--rank", multiple=True, help="A way, by its full name, with which all passages are embedded and searched."
)
@click.option("--width", help="The way whose vectors are cut and quantized; one of those of --rank.")
@click.option("--threads", type=click.IntRange(min=0), default=0, help="0: the processor's cores.")
@click.option("--seed", default=0, show_default=True, help="Which passages and questions are drawn.")
@click.option("--language", help="Language of the articles (fr); detected in each unless given.")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), default=Path(".bench"), show_default=True)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A setting of docs/settings.md.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures to this JSON file.")
def main(
    path: Path, passages: int, questions: int, only: tuple[str, ...], rank: tuple[str, ...], width: str | None,
    threads: int, seed: int, language: str | None, keep: Path, pairs: tuple[str, ...], out: Path | None,
) -> None:  # fmt: skip
    """Time the ways of embedding the passages of DATA, and search with the vectors."""
    if unknown := [name for name in (*rank, *((width,) if width else ())) if name not in WAYS]:
        raise click.UsageError(f"there is no way {unknown[0]!r}; there are: {'; '.join(WAYS)}")
    if width and width not in rank:
        raise click.UsageError(f"name {width!r} with --rank too")
    settings = load_settings(**flags_of(pairs))
    data = read(path, language=language)
    asked = askable(data, chosen(data, sample=questions, seed=seed))
    backends = Backends(settings, threads or os.cpu_count() or 1, keep)
    texts = passages_of(data, backends.embedder, settings.passage_tokens)
    sample = [texts[row] for row in np.random.default_rng(seed).permutation(len(texts))[:passages]]
    ways = {
        name: way
        for name, way in WAYS.items()
        if name == REFERENCE or name in rank or not only or any(part in name for part in only)
    }
    loaded, errors = load(ways, backends, sample)
    speeds = measure(ways, loaded, sample)
    click.echo(
        f"{len(sample)} passages of {np.mean([text.tokens for text in sample]):.0f} tokens, {backends.threads} threads"
    )
    click.echo(speed_table(speeds, errors, {}))

    ranks: dict[str, dict[str, Estimate]] = {}
    widths: dict[tuple[int, str], dict[str, Estimate]] = {}
    if rank:
        vectors = backends.embedder.embed_questions([question.text for question in asked])
        searched = Searched(asked, vectors, texts, settings.lexical_weight)
        for name in (name for name in rank if name in loaded):
            found = embedded(name, ways[name], loaded[name], texts, backends.keep)
            ranks[name] = searched.figures(found)
            if name == width:
                for dimensions in DIMENSIONS:
                    for precision in PRECISIONS:
                        widths[dimensions, precision] = searched.figures(stored(found, dimensions, precision))
        click.echo(f"\n{len(asked)} questions, {len(texts)} passages of {len(data.articles)} articles\n")
        click.echo(speed_table(speeds, errors, ranks))
    if widths:
        click.echo(f"\nof the vectors of: {width}\n\n{width_table(widths)}")
    if out:
        figures = {
            "data": data.name, "data_digest": data.digest, "passages": len(sample), "questions": len(asked),
            "seed": seed, "threads": backends.threads, "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": _versions(), "speeds": {name: asdict(speed) for name, speed in speeds.items()},
            "errors": errors,
            "ranks": {name: {key: asdict(value) for key, value in row.items()} for name, row in ranks.items()},
            "widths": [
                {"dimensions": dimensions, "precision": precision} | {key: asdict(value) for key, value in row.items()}
                for (dimensions, precision), row in widths.items()
            ],
        }  # fmt: skip
        out.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
