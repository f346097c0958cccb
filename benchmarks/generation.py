"""Tokens a second: our transformer beside nanoGPT and `transformers` with the same weights, and models of counts.

    python benchmarks/generation.py --nanogpt PATH [--size char|gpt2] [--text FILE] [--device cpu|cuda] [--json FILE]

The net is GPT-2's architecture, with weights drawn at random in nanoGPT's own model (whose GELU is set to the tanh form
of GPT-2, which the other two have) and put into ours (`transformer(preset=gpt2)`) and into
`transformers.GPT2LMHeadModel`. Before anything is timed, all three have to write the same tokens when each takes the
likeliest. PATH is a checkout of github.com/karpathy/nanoGPT; what is timed of it is `generate` of its model.py, the
whole of its sample.py's loop, one text after the other as there, and as a batch. All draw at temperature 0.8 from the
200 likeliest tokens, as sample.py does.

`within`: as many tokens as fit into the context, where all three predict from the same tokens. `beyond`: twice as many
as the context holds; nanoGPT reads the whole context again for each, ours slides its window by half of it, and
`transformers` does not go there. Models of counts (--text) are fitted on the characters of FILE.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _shared import write_figures
from rich.console import Console
from rich.table import Table

from lmbench import commit, machine
from lmbench.generation.sample import draw_texts
from lmbench.generation.sampler import Sampler
from lmbench.model import models
from lmbench.model._neural import Neural
from lmbench.progress import Silent
from lmbench.runtime import Runtime
from lmbench.tokens import Tokens, Vocabulary

SIZES = {  # (layers, heads, width, context, vocabulary)
    "char": (6, 6, 384, 256, 65),  # config/train_shakespeare_char.py
    "small": (4, 4, 128, 64, 65),  # its README's settings for a computer without a GPU
    "gpt2": (12, 12, 768, 1024, 50_257),
}
DRAWN = Sampler(temperature=0.8, top_k=200)
COUNTS = ("ngram(order=3)", "ngram(order=5)", "suffix(smoothing=pitman_yor)", "pairs")
FIRST = 0  # the id that every text begins with


def nanogpt(path: Path, size: tuple[int, ...]) -> Any:
    """nanoGPT's own model of that size, its weights wide enough that what it writes is no constant."""
    found = importlib.util.spec_from_file_location("nanogpt_model", path / "model.py")
    if found is None or found.loader is None or not (path / "model.py").is_file():
        raise SystemExit(f"{path} has no model.py: pass a checkout of github.com/karpathy/nanoGPT")
    module = importlib.util.module_from_spec(found)
    sys.modules["nanogpt_model"] = module
    found.loader.exec_module(module)
    layers, heads, width, context, vocabulary = size
    torch.manual_seed(0)
    sizes = {"n_layer": layers, "n_head": heads, "n_embd": width, "block_size": context, "vocab_size": vocabulary}
    net = module.GPT(module.GPTConfig(**sizes, dropout=0.0, bias=True))
    for block in net.transformer.h:
        block.mlp.gelu = torch.nn.GELU(approximate="tanh")
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3.0)
    return net.eval()


def ours(theirs: Any, size: tuple[int, ...], device: str) -> Neural:
    """Our transformer with the same weights. No token ends a document, so that all texts are of one length."""
    layers, heads, width, context, vocabulary = size
    options = {"layers": layers, "heads": heads, "width": width, "context": context}
    options |= {"preset": "gpt2", "convolution": 1, "position": "learned", "tied": True}
    model = Neural("transformer", Runtime(device=device), **options)
    net = model.architecture(vocabulary, **options)
    weights = theirs.state_dict()
    state = {
        "embedding.weight": weights["transformer.wte.weight"],
        "positions.weight": weights["transformer.wpe.weight"],
    }
    state |= {f"norm.{part}": weights[f"transformer.ln_f.{part}"] for part in ("weight", "bias")}
    state["head.weight"] = weights["transformer.wte.weight"]
    for layer in range(layers):
        of, to = f"transformer.h.{layer}", f"blocks.{layer}"
        for part in ("weight", "bias"):
            state |= {f"{to}.norm{n}.{part}": weights[f"{of}.ln_{n}.{part}"] for n in (1, 2)}
            thirds = weights[f"{of}.attn.c_attn.{part}"].chunk(3)
            state |= {f"{to}.attention.{name}.{part}": third for name, third in zip("qkv", thirds, strict=True)}
            state[f"{to}.attention.out.{part}"] = weights[f"{of}.attn.c_proj.{part}"]
            state[f"{to}.mlp.up.{part}"] = weights[f"{of}.mlp.c_fc.{part}"]
            state[f"{to}.mlp.out.{part}"] = weights[f"{of}.mlp.c_proj.{part}"]
    net.load_state_dict(state)
    model._net, model.end_of_text = net.to(device).eval(), -1
    return model


def hugging_face(theirs: Any, size: tuple[int, ...]) -> Any:
    """GPT2LMHeadModel with the same weights; its matrices stand the other way round. No token ends a text."""
    from transformers import GPT2Config, GPT2LMHeadModel

    layers, heads, width, context, vocabulary = size
    config = GPT2Config(
        vocab_size=vocabulary, n_positions=context, n_embd=width, n_layer=layers, n_head=heads,
        activation_function="gelu_pytorch_tanh", bos_token_id=FIRST, eos_token_id=None, pad_token_id=FIRST,
    )  # fmt: skip
    net = GPT2LMHeadModel(config)
    weights = theirs.state_dict()
    turned = ("attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")
    names = [name for name in net.state_dict() if name in weights]
    net.load_state_dict({n: weights[n].t() if n.endswith(turned) else weights[n] for n in names}, strict=False)
    return net.eval()


def seconds(device: str, work: Callable[[], Any], times: int) -> float:
    """The median of so many calls, after one that is not counted."""
    taken = []
    for _ in range(times + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken[1:])


def drawn(model: Any, tokens: int, count: int, sampler: Sampler = DRAWN) -> np.ndarray:
    """[count, tokens] ids."""
    none = np.zeros(0, dtype=np.int64)
    return np.stack([each.ids for each in draw_texts(model, none, tokens, FIRST, count=count, sampler=sampler)], axis=1)


def nets(args: argparse.Namespace, device: str) -> list[dict[str, Any]]:
    """Tokens a second of the three programs, one text after the other and together."""
    size = SIZES[args.size]
    context = size[3]
    theirs = nanogpt(args.nanogpt, size)
    mine, other = ours(theirs, size, device), hugging_face(theirs, size).to(device)
    theirs = theirs.to(device)
    begin = torch.full((args.count, 1), FIRST, dtype=torch.int64, device=device)
    one = begin[:1]
    options = {"do_sample": True, "temperature": 0.8, "top_k": 200}

    def generate(rows: torch.Tensor, tokens: int, **how: Any) -> Any:
        return other.generate(rows, attention_mask=torch.ones_like(rows), max_new_tokens=tokens, **how)

    read = torch.randint(0, size[4], (2, context), generator=torch.Generator().manual_seed(1)).to(device)
    with torch.inference_mode():
        logits = [mine.net.logits(mine.net.hidden(read))[:, -1], theirs(read)[0][:, -1], other(read).logits[:, -1]]
    assert all(torch.allclose(logits[0], each, atol=1e-3) for each in logits[1:]), "the nets are not the same"
    few = min(40, context - 1)
    likeliest = drawn(mine, few, 1, Sampler(temperature=0))[0].tolist()
    assert theirs.generate(one, few, temperature=1.0, top_k=1)[0, 1:].tolist() == likeliest, "nanoGPT writes otherwise"
    assert generate(one, few, do_sample=False)[0, 1:].tolist() == likeliest, "transformers writes otherwise"
    within = min(args.tokens or context - 1, context - 1)
    beyond = 2 * (args.tokens or context)
    jobs: list[tuple[str, str, int, int, Callable[[], Any]]] = []
    for where, tokens in (("within", within), ("beyond", beyond)):
        for count, rows in ((1, one), (args.count, begin)):
            jobs.append(("nanoGPT", where, tokens, count, lambda r=rows, t=tokens: theirs.generate(r, t, 0.8, 200)))
            if where == "within":
                jobs.append(("transformers", where, tokens, count, lambda r=rows, t=tokens: generate(r, t, **options)))
            jobs.append(("lmbench", where, tokens, count, lambda c=count, t=tokens: drawn(mine, t, c)))
    found = []
    for program, where, tokens, count, work in jobs:
        took = seconds(device, work, args.times)
        found.append(
            {"program": program, "where": where, "tokens": tokens, "texts": count, "seconds": took,
             "tokens_per_second": tokens * count / took}
        )  # fmt: skip
    return found


def counts(path: Path, args: argparse.Namespace, device: str) -> list[dict[str, Any]]:
    """Tokens a second of models of counts on the characters of a text."""
    characters = path.read_text(encoding="utf-8")
    known = sorted(set(characters))
    index = {character: number for number, character in enumerate(known)}
    vocabulary = Vocabulary((*(character.encode() for character in known), b""), len(known))
    ids = np.fromiter((index[each] for each in characters), dtype=vocabulary.dtype, count=len(characters))
    text = Tokens(np.append(ids, vocabulary.dtype.type(len(known))), np.zeros(1, dtype=np.int64), vocabulary)
    middle = len(ids) * 9 // 10
    found = []
    for spec in args.model or COUNTS:
        model = models.make(spec, runtime=Runtime(device=device)).fit(
            text.head(middle), text.tail(len(ids) // 10), Silent()
        )
        for count in (1, args.batch):
            tokens = args.tokens or (200 if count > 1 else 1000)

            def work(model: Any = model, tokens: int = tokens, count: int = count) -> None:
                for _ in draw_texts(model, np.zeros(0, np.int64), tokens, vocabulary.end_of_text, count=count):
                    pass

            took = seconds(device, work, args.times)
            found.append({"model": spec, "tokens": tokens, "texts": count, "tokens_per_second": tokens * count / took})
    return found


def table(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Table:
    shown = Table(title=title)
    for column in columns:
        shown.add_column(
            column.replace("_", " "), justify="left" if column in ("program", "model", "where") else "right"
        )
    for each in rows:
        shown.add_row(*(f"{each[c]:,.0f}" if isinstance(each[c], float) else str(each[c]) for c in columns))
    return shown


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, help="a checkout of github.com/karpathy/nanoGPT")
    parser.add_argument("--size", default="char", choices=tuple(SIZES))
    parser.add_argument("--text", type=Path, help="a text for models of counts")
    parser.add_argument("--model", action="append", help=f"a model of counts; repeat for more [{', '.join(COUNTS)}]")
    parser.add_argument("--count", type=int, default=10, help="texts that a net writes together [10, as sample.py has]")
    parser.add_argument("--batch", type=int, default=1000, help="texts that a model of counts writes together [1000]")
    parser.add_argument("--tokens", type=int, help="tokens of a text [what the context holds]")
    parser.add_argument("--times", type=int, default=3, help="medians of so many runs")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    args = parser.parse_args()
    if args.nanogpt is None and args.text is None:
        parser.error("give --nanogpt, --text, or both")
    return args


def main() -> None:
    args = arguments()
    device = machine.resolve_device(args.device)
    console, figures = Console(width=110), {}
    if args.nanogpt:
        figures["nets"] = nets(args, device)
        columns = ("program", "where", "texts", "tokens", "tokens_per_second")
        console.print(table(f"GPT-2's architecture, {args.size}: tokens a second", figures["nets"], columns))
    if args.text:
        figures["counts"] = counts(args.text, args, device)
        columns = ("model", "texts", "tokens", "tokens_per_second")
        console.print(table(f"Models of counts, characters of {args.text.name}", figures["counts"], columns))
    described = machine.machine(device)
    console.print(f"machine: {described}")
    if args.json:
        known = {"versions": machine.versions(), "commit": commit.of_package().name}
        write_figures(args.json, args, described, **known, **figures)


if __name__ == "__main__":
    main()
