"""What PyTorch and Triton take on the same card for the same inputs: peers.py --inputs FILE [--seconds S] dtype,rows,vocabulary...

Prints a record a line, as records.ts has them. Ends with 0, or with 4 where there is no torch that finds a device. Times are by
CUDA events, the median of several samples on rotating buffers; every contender's mean loss is printed beside its time.
"""

import argparse
import json
import math
import statistics
import struct
import sys
import time

# Importing torch counts too.
BEGAN = time.monotonic()
FEWEST_BUFFERS = 3
SAMPLES = 7
LESS_WORK = "less work: no threshold"
# Of the first, which takes longest.
SECONDS_TO_COMPILE = 8.0
# cross_entropy of 16-bit logits returns its mean in 16 bits.
HALF = 5e-3
SINGLE = 2e-4


def report(**record):
    print(json.dumps(record), flush=True)


def skip(name, reason):
    report(kind="skipped", name=name, reason=reason)


try:
    import torch

    from torch_losses import BEAM_WIDTH, authors, cross_entropy
except ImportError as error:
    skip("torch", f"torch is not there: {error}")
    sys.exit(4)

try:
    from peers_triton import TritonCrossEntropy
except ImportError as error:
    TritonCrossEntropy = None
    skip("Triton", f"Triton is not there: {error}")


class ByAutograd:
    """Forward, and forward with the gradient in a new tensor."""

    passes = ("forward", "out of place")

    def __init__(self, function):
        self.function = function

    def run(self, which, logits, targets):
        if which == "forward":
            with torch.no_grad():
                return self.function(logits, targets)
        leaf = logits.detach().requires_grad_()
        loss = self.function(leaf, targets)
        loss.backward()
        return loss.detach()


class Inputs:
    """The block of normal numbers, and the targets, that the C++ program has written for itself and for us."""

    def __init__(self, file, device):
        with open(file, "rb") as source:
            content = source.read()
        (length,) = struct.unpack_from("<q", content)
        words = bytearray(content[8:])
        self.block = torch.frombuffer(words, dtype=torch.float32, count=length).to(device)
        seeds = torch.frombuffer(words, dtype=torch.int32, offset=4 * length)
        self.target_seeds = seeds.to(torch.int64).to(device)

    def logits(self, dtype, rows, vocab_size):
        count = rows * vocab_size
        block = self.block.to(dtype)
        return block.repeat(-(-count // block.numel()))[:count].view(rows, vocab_size)

    def targets(self, rows, vocab_size):
        return self.target_seeds[:rows] % vocab_size


class Clock:
    """Milliseconds of a call. Events on a card; a rehearsal with torch on a CPU reads the host's clock."""

    def __init__(self, device):
        self.on_card = device == "cuda"

    def once(self, run, inner):
        if not self.on_card:
            began = time.perf_counter()
            for turn in range(inner):
                run(turn)
            return (time.perf_counter() - began) * 1000 / inner
        began, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        began.record()
        for turn in range(inner):
            run(turn)
        ended.record()
        ended.synchronize()
        return began.elapsed_time(ended) / inner

    def median(self, run, inner, prepare=lambda: None):
        prepare()
        self.once(run, inner)
        samples = []
        for _ in range(SAMPLES):
            prepare()
            samples.append(self.once(run, inner))
        return statistics.median(samples)


def finite(number):
    """JSON has no NaN."""
    return number if math.isfinite(number) else None


class Budget:
    """What is left of the time. A pass is not begun if it would not fit, taking as long as the one before it."""

    def __init__(self, seconds):
        self.ends = BEGAN + seconds
        self.expected = 0.0  # seconds

    def fits(self):
        return time.monotonic() + self.expected < self.ends

    def spent(self, began):
        self.expected = time.monotonic() - began


def tolerance_of_mean(dtype):
    return SINGLE if dtype == "float32" else HALF


def eager_contenders(vocab_size, dtype):
    """(name, the loss of ours that it stands beside, contender, tolerance of its loss, note)"""
    yield "authors' formula, eager", "BEAR", ByAutograd(authors), SINGLE, ""
    yield "cross-entropy, eager", "cross-entropy", ByAutograd(cross_entropy), tolerance_of_mean(dtype), LESS_WORK
    if TritonCrossEntropy is not None:
        yield "cross-entropy, Triton", "cross-entropy", TritonCrossEntropy(vocab_size, 0), SINGLE, LESS_WORK
        with_topk = TritonCrossEntropy(vocab_size, BEAM_WIDTH)
        yield "cross-entropy, Triton, and torch.topk", "cross-entropy", with_topk, SINGLE, "threshold found, no penalty"


def compile_anew(function):
    """For one shape. Without the reset, torch would not compile a function for more than eight of shape, dtype and pass:
    it would run the others uncompiled, and tell nobody."""
    torch.compiler.reset()
    return ByAutograd(torch.compile(function, dynamic=False))


def compiled_authors(_, dtype):
    yield "authors' formula, compiled", "BEAR", compile_anew(authors), SINGLE, ""


def compiled_cross_entropy(_, dtype):
    tolerance = tolerance_of_mean(dtype)
    yield "cross-entropy, compiled", "cross-entropy", compile_anew(cross_entropy), tolerance, LESS_WORK


def time_contender(contender, which, pristine, buffers, targets, clock):
    """Milliseconds of a call and its loss. Whoever writes over the logits gets them back before each sample."""
    writes = which == "in place"

    def restore():
        if writes:
            for each in buffers:
                each.copy_(pristine)

    restore()
    value = float(contender.run(which, buffers[0], targets))
    milliseconds = clock.median(
        lambda turn: contender.run(which, buffers[turn % len(buffers)], targets), len(buffers), restore
    )
    if writes:
        restore()
    return milliseconds, value


def measure_copy(device, clock):
    length = 1 << (29 if device == "cuda" else 16)
    buffers = [torch.ones(length, dtype=torch.bfloat16, device=device) for _ in range(FEWEST_BUFFERS)]
    milliseconds = clock.median(lambda turn: buffers[(turn + 1) % 3].copy_(buffers[turn % 3]), FEWEST_BUFFERS)
    moved = 2 * 2 * length
    speed = moved / milliseconds / 1e6
    report(kind="ceiling", name="copy by torch", bytes=moved, milliseconds=milliseconds, gigabytesPerSecond=speed)


def measure_shape(inputs, dtype, rows, vocab_size, clock, contenders_of, budget):
    pristine = inputs.logits(getattr(torch, dtype), rows, vocab_size)
    buffers = [pristine.clone() for _ in range(FEWEST_BUFFERS)]
    targets = inputs.targets(rows, vocab_size)
    for name, loss, contender, tolerance, note in contenders_of(vocab_size, dtype):
        for which in contender.passes:
            label = f"{dtype} {rows} x {vocab_size}, {name}, {which}"
            if not budget.fits():
                skip(label, "no time left")
                continue
            began = time.monotonic()
            try:
                milliseconds, value = time_contender(contender, which, pristine, buffers, targets, clock)
            except Exception as error:  # one that cannot run must not end the others
                skip(label, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200])
                continue
            finally:
                budget.spent(began)
            if hasattr(torch, "is_stand_in"):
                note = "nothing was computed: a stand-in for torch"
            report(
                kind="time", contender=name, dtype=dtype, rows=rows, vocabSize=vocab_size, loss=loss, note=note,
                milliseconds=milliseconds, value=finite(value), tolerance=tolerance, **{"pass": which},
            )  # fmt: skip


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", required=True)
    parser.add_argument("--seconds", type=float, default=85)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("shapes", nargs="+")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        skip("torch", "torch finds no CUDA device")
        return 4
    budget = Budget(options.seconds)
    clock = Clock(options.device)
    measure_copy(options.device, clock)
    inputs = Inputs(options.inputs, options.device)
    shapes = [shape.split(",") for shape in options.shapes]
    # Compiling takes seconds a pass: last, and the loss that does our work before the one that does less.
    for contenders_of in (eager_contenders, compiled_authors, compiled_cross_entropy):
        if contenders_of is compiled_authors:
            budget.expected = SECONDS_TO_COMPILE
        for dtype, rows, vocab_size in shapes:
            measure_shape(inputs, dtype, int(rows), int(vocab_size), clock, contenders_of, budget)
            if options.device == "cuda":
                torch.cuda.empty_cache()
    return 0


if __name__ == "__main__":
    sys.exit(main())
