"""Trains the reader of qa/reader.py: python -m evaluation.train_reader --piaf F --xquad F… --nomiracl DIR --out F

What is learned: low-rank adapters (Hu et al. 2021) of the layers that read question and passage
together, and two heads upon them: one says of each sentence how likely it answers, against a zero
that stands for "nothing here does"; the other where the few words of the answer begin and end. The
lower layers are frozen and read question and passage apart, so that their output is computed once.

What it is trained on is decided in evaluation/reader_groups.py; `--list FILE` writes the ids that
were kept aside.
"""

from __future__ import annotations

import copy
import math
import random
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from evaluation.datasets import DataSet, read, with_questions
from evaluation.reader_groups import (
    NOMIRACL_SHARES,
    PARTS,
    PIAF_SHARES,
    XQUAD_SHARES,
    Group,
    Passage,
    Squad,
    judged_groups,
    parallel_groups,
    split,
)
from index.articles import Article
from index.embedder import SentenceTransformerEmbedder, configured_embedder
from index.passages import cut
from index.sentences import split as sentences_of
from qa.reader import Network, Text, tokens_in
from settings import load_settings

OWN = Path(__file__).parent / "training"
FIRST_LAYER = 12
RANK = 16
SCALE = 2.0
_RISING = 0.08
_AT_ONCE = 100  # passages read apart


def _adapted(layers: Any) -> tuple[Any, list[Any]]:
    """Return copies of layers with an adapter on each linear map, and what of them is trained."""
    import torch

    class Adapted(torch.nn.Module):
        def __init__(self, base: torch.nn.Linear) -> None:
            super().__init__()
            self.base = base
            self.a = torch.nn.Parameter(torch.randn(base.in_features, RANK) / math.sqrt(base.in_features))
            self.b = torch.nn.Parameter(torch.zeros(RANK, base.out_features))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = self.base(x) + x @ self.a.to(x.dtype) @ (self.b * SCALE).to(x.dtype)
            return made

    layers = copy.deepcopy(layers)
    for layer in layers:
        layer.requires_grad_(False)
        for part in (layer.self_attn, layer.mlp):
            for name, module in list(part.named_children()):
                if isinstance(module, torch.nn.Linear):
                    setattr(part, name, Adapted(module))
        layer.forward = torch.compile(layer.forward, dynamic=True)  # half the time
    return layers, [parameter for parameter in layers.parameters() if parameter.requires_grad]


def _heads(width: int) -> dict[str, Any]:
    import torch

    shapes = {"sent.0": (256, width), "sent.2": (1, 256), "span": (2, width)}
    made = {"seg": torch.zeros(2, width)}
    for name, shape in shapes.items():
        made[f"{name}.weight"] = torch.randn(shape) / math.sqrt(shape[1])
        made[f"{name}.bias"] = torch.zeros(shape[0])
    return {name: torch.nn.Parameter(tensor) for name, tensor in made.items()}


class _Trainer:
    def __init__(self, embedder: SentenceTransformerEmbedder, longest: int) -> None:
        self.embedder = embedder
        self.longest = longest
        transformer, tokenizer, prompts = embedder.network()
        transformer.requires_grad_(False)
        layers, self.adapters = _adapted(transformer.layers[FIRST_LAYER:])
        self.heads = _heads(transformer.config.hidden_size)
        self.network = Network(transformer, tokenizer, prompts.get("query", ""), layers, FIRST_LAYER, self.heads)
        self.questions: dict[str, Any] = {}
        self.chance = random.Random(0)

    def go_on_from(self, path: Path) -> None:
        """Take the adapters and heads of a file that `save` wrote."""
        import torch
        from safetensors.torch import load_file

        stored = load_file(path)
        trained = self.heads | {f"layers.{name}": p for name, p in self.network.layers.named_parameters()}
        with torch.no_grad():
            for name, tensor in stored.items():
                trained[name].copy_(tensor)

    def save(self, path: Path, mean_with: Path | None = None) -> None:
        """Write adapters and heads; or the mean of them and of another file's.

        The mean of weights before and after more training keeps more of what was there before
        (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
        """
        import torch
        from safetensors.torch import load_file, save_file

        tensors = {name: head.detach().contiguous() for name, head in self.heads.items()}
        for name, parameter in self.network.layers.named_parameters():
            if parameter.requires_grad:
                tensors[f"layers.{name}"] = parameter.detach().to(torch.bfloat16).contiguous()
        if mean_with:
            before = load_file(mean_with)
            for name, tensor in tensors.items():
                mean = (tensor.float() + before[name].float()) / 2
                tensors[name] = mean.to(tensor.dtype).contiguous()
        about = {"base": self.embedder.fingerprint, "first_layer": str(FIRST_LAYER), "scale": str(SCALE)}
        save_file(tensors, path, metadata=about)

    def passages(self, articles: Sequence[Article]) -> dict[str, list[Passage]]:
        """Cut articles as the index does, and read them through the lower layers."""
        made: dict[str, list[Passage]] = defaultdict(list)
        for article in articles:
            spans = sentences_of(article.text, article.language)
            for part in cut(article, self.longest, self.embedder.count_tokens):
                inside = tuple(
                    (span.start - part.start, span.end - part.start)
                    for span in spans
                    if part.start <= span.start and span.end <= part.end
                )
                text = Text(article.title, article.text[part.start : part.end], inside)
                made[article.id].append(Passage(article, text))
        self.read_apart([passage for some in made.values() for passage in some])
        return made

    def read_apart(self, passages: Sequence[Passage]) -> None:
        """Read passages through the lower layers."""
        import torch
        from tqdm import tqdm

        for first in tqdm(range(0, len(passages), _AT_ONCE), unit_scale=_AT_ONCE, unit=" passage"):
            some = passages[first : first + _AT_ONCE]
            with torch.no_grad():
                states, offsets = self.network.lower_passages([passage.text for passage in some])
            for passage, state, where in zip(some, states, offsets, strict=True):
                passage.states, passage.offsets = state.clone(), where
                passage.ranges = [tokens_in(where, *sentence) or (0, 1) for sentence in passage.text.sentences]

    def put(self, questions: Sequence[str]) -> None:
        """Read questions through the lower layers."""
        import torch

        new = [text for text in dict.fromkeys(questions) if text not in self.questions]
        with torch.no_grad():
            states = self.network.lower_questions(new)
        self.questions |= {text: state.clone() for text, state in zip(new, states, strict=True)}

    def loss(self, groups: Sequence[Group]) -> Any:
        """Return the mean loss: which sentence or none, and half of where the words begin and end."""
        import torch
        import torch.nn.functional as F

        pairs = [(self.questions[group.question], passage.states) for group in groups for passage in group.passages]
        read_together = iter(self.network.upper(pairs))
        choosing, pointing = [], []
        for group in groups:
            states = [next(read_together) for _ in group.passages]
            logits = [
                self.network.sentence_logits(state, passage.ranges)
                for state, passage in zip(states, group.passages, strict=True)
            ]
            every = torch.cat([*logits, torch.zeros(1)])
            total = torch.logsumexp(every, 0)
            if group.right is None:
                choosing.append(total)
                continue
            right = logits[0][list(group.right)] if group.right else every[:-1]
            choosing.append(total - torch.logsumexp(right, 0))
            if group.words:
                text = torch.tensor([right > 0 for _, right in group.passages[0].offsets])
                ends = self.network.word_logits(states[0]).masked_fill(~text[None], -1e4)
                pointing.append(F.cross_entropy(ends, torch.tensor(group.words)))
        loss = torch.stack(choosing).mean()
        return loss + 0.5 * torch.stack(pointing).mean() if pointing else loss


@click.command()
@click.option("--piaf", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--xquad", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--nomiracl", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the weights go.")
@click.option(
    "--start",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Go on from these weights; from none by default.",
)
@click.option("--mean", is_flag=True, help="Write the mean of the weights it started from and of those it ends with.")
@click.option("--epochs", default=1.5, show_default=True)
@click.option("--minutes", type=float, help="End after so long if that is sooner; the rate falls with time.")
@click.option("--share", default=1.0, show_default=True, help="Share of PIAF's and XQuAD's own questions in an epoch.")
@click.option(
    "--rate", default=2.5e-4, show_default=True, help="Learning rate of the adapters; the heads' is thrice that."
)
@click.option(
    "--list",
    "listed",
    type=click.Path(file_okay=False, path_type=Path),
    help="Only write the ids of each part into this folder.",
)
def main(
    piaf: Path,
    xquad: tuple[Path, ...],
    nomiracl: Path | None,
    out: Path | None,
    start: Path | None,
    mean: bool,
    epochs: float,
    minutes: float | None,
    share: float,
    rate: float,
    listed: Path | None,
) -> None:
    """Train the reader, or list which questions it is trained on."""
    french = read(piaf, language="fr")
    judged = read(nomiracl, language="fr") if nomiracl else None
    parts = {"piaf": split(french, PIAF_SHARES)} | ({"nomiracl": split(judged, NOMIRACL_SHARES)} if judged else {})
    if listed:
        listed.mkdir(parents=True, exist_ok=True)
        for name, part in parts.items():
            for wanted in PARTS:
                ids = [identity for identity, is_in in part.items() if is_in == wanted]
                (listed / f"{name}-{wanted}.txt").write_text("".join(f"{identity}\n" for identity in ids))
        return
    if out is None:
        raise click.UsageError("name the file of the weights with --out")
    _train(french, parts, xquad, judged, out, start, mean, epochs, minutes, share, rate)


def one_cycle(done: float) -> float:
    """Return the share of the highest learning rate: rising over the first 8 %, then down a cosine to 0."""
    return done / _RISING if done < _RISING else 0.5 + 0.5 * math.cos(math.pi * (done - _RISING) / (1 - _RISING))


def _train(
    french: DataSet, parts: dict[str, dict[str, str]], xquad: Sequence[Path], judged: DataSet | None,
    out: Path, start: Path | None, mean: bool, epochs: float, minutes: float | None, share: float, rate: float,
) -> None:  # fmt: skip
    import torch
    from tqdm import tqdm

    settings = load_settings(out.parent)
    torch.manual_seed(0)
    trainer = _Trainer(configured_embedder(settings), settings.passage_tokens)
    if start:
        trainer.go_on_from(start)
    own = with_questions(french, OWN / "piaf.jsonl").questions
    main_set = Squad(trainer, french, parts["piaf"], near=True, own=own)
    places = read(OWN / "places")
    all_of_them = dict.fromkeys((question.id for question in places.questions), "train")
    of_places = Squad(trainer, places, all_of_them, near=True)
    others: list[Squad] = []
    for path in xquad:
        data = read(path)
        others.append(Squad(trainer, data, split(data, XQUAD_SHARES), near=False))
    fixed: list[Group] = []
    if judged:
        fixed = judged_groups(
            trainer, judged, parts["nomiracl"], with_questions(judged, OWN / "nomiracl.jsonl").questions
        )

    def epoch() -> list[Group]:
        groups = [*main_set.groups(share), *of_places.groups(), *parallel_groups(others, trainer.chance, share), *fixed]
        trainer.chance.shuffle(groups)
        return groups

    adapters, heads = trainer.adapters, list(trainer.heads.values())
    optimizer = torch.optim.AdamW(
        [{"params": adapters, "lr": rate}, {"params": heads, "lr": 3 * rate}], weight_decay=0.01, betas=(0.9, 0.98)
    )
    groups = epoch()
    size = 5
    steps = max(math.ceil(epochs * len(groups) / size), 2)
    begun = time.monotonic()

    def done(step: int) -> float:
        taken = (time.monotonic() - begun) / (60 * minutes) if minutes else 0.0
        return max(step / steps, taken)

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: one_cycle(done(step)))
    shown = tqdm(range(steps), unit=" step")
    recent = 0.0
    try:
        for step in shown:
            if done(step) >= 1:
                break
            if len(groups) < size:
                groups += epoch()
            batch, groups = groups[:size], groups[size:]
            loss = trainer.loss(batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([*adapters, *heads], 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.step()
            recent += (float(loss.detach()) - recent) / min(step + 1, 50)
            shown.set_postfix(loss=f"{recent:.3f}")
    finally:  # an interrupted run leaves what it has learned
        trainer.save(out, start if mean else None)
    click.echo(f"{out}: {step + 1} of {steps} steps")


if __name__ == "__main__":
    main()
