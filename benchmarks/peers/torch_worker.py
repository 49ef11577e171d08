"""PyTorch on the CPU as a contender: a request a line on standard input, an answer a line on standard output, both JSON.

Requests: {"open": {...}} makes the inputs of a case, {"run": formula} computes loss and gradients once, {"peak": formula} does so
and reports the memory. Threads are those of the environment (OMP_NUM_THREADS, OPENBLAS_NUM_THREADS).
"""

import ctypes
import functools
import json
import os
import sys
import time

import numpy
import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "device-check"))

from torch_losses import authors, cross_entropy  # noqa: E402


def blas():
    """What computes matrix products: OpenBLAS says for which core it chose its kernels."""
    with open("/proc/self/maps") as maps:
        files = {line.split()[-1] for line in maps if "blas" in line or "mkl" in line}
    for file in sorted(files):
        library = ctypes.CDLL(file)
        for prefix in ("", "scipy_"):
            try:
                core = getattr(library, prefix + "openblas_get_corename")
                config = getattr(library, prefix + "openblas_get_config")
            except AttributeError:
                continue
            core.restype = config.restype = ctypes.c_char_p
            return f"{' '.join(config().decode().split()[:2])}, core type {core().decode()}"
    return "MKL" if torch.backends.mkl.is_available() else "its own products"


def chunk_rows(rows, vocab_size, hidden_size):
    """As Liger chooses: chunks whose logits take about the memory of the hidden states, a power of two."""
    chunks = -(-vocab_size // hidden_size)
    return 1 << max(0, (-(-rows // chunks) - 1).bit_length())


def chunked_cross_entropy(case):
    """Loss and gradients of a linear layer by chunks of rows, as Liger does: the gradient of the logits over the logits."""
    hidden, weight, targets = case.hidden.detach(), case.weight.detach(), case.targets
    rows = hidden.shape[0]
    chunk = chunk_rows(rows, *weight.shape)
    grad_hidden, grad_weight = torch.empty_like(hidden), torch.zeros_like(weight)
    loss = 0.0
    for begin in range(0, rows, chunk):
        h, y = hidden[begin : begin + chunk], targets[begin : begin + chunk, None]
        logits = h @ weight.T
        log_sum = torch.logsumexp(logits, -1, keepdim=True)
        loss += (log_sum - logits.gather(1, y)).sum()
        logits.sub_(log_sum).exp_()
        logits.scatter_add_(1, y, torch.full_like(log_sum, -1.0))
        logits.div_(rows)
        torch.mm(logits, weight, out=grad_hidden[begin : begin + chunk])
        grad_weight.addmm_(logits.T, h)
    case.hidden.grad, case.weight.grad = grad_hidden, grad_weight
    return loss / rows


def by_autograd(loss):
    def compute(case):
        logits = case.hidden if case.weight is None else case.hidden @ case.weight.T
        if case.forbidden is not None:
            logits = logits.masked_fill(case.forbidden, float("-inf"))
        value = loss(logits, case.targets)
        value.backward()
        return value.detach()

    return compute


def products(case):
    """The three products of a linear layer, each into memory that is there; no loss. The gradients are those of half the sum
    of the squared logits."""
    hidden, weight = case.hidden.detach(), case.weight.detach()
    logits, grad_hidden, grad_weight = case.outputs
    torch.mm(hidden, weight.T, out=logits)
    torch.mm(logits, weight, out=grad_hidden)
    torch.mm(logits.T, hidden, out=grad_weight)


FORMULAS = {
    "products": products,
    "authors": by_autograd(authors),
    "cross-entropy": by_autograd(cross_entropy),
    "chunked cross-entropy": chunked_cross_entropy,
}


class Case:
    """Inputs as benchmarks/suites/inputs.ts makes them, from the same blocks: hidden states and weights, or without a hidden
    size the logits, which are then in the place of the hidden states."""

    def __init__(self, blocks, rows, vocabSize, scale, targets, hiddenSize=None, allowed=None):
        weight_block, hidden_block = numpy.fromfile(blocks, dtype=numpy.float32).reshape(2, -1)
        weight_block = (weight_block * scale).astype(numpy.float32)

        def leaf(block, *shape):
            return torch.from_numpy(numpy.resize(block, shape)).requires_grad_()

        self.weight = None if hiddenSize is None else leaf(weight_block, vocabSize, hiddenSize)
        self.hidden = leaf(weight_block, rows, vocabSize) if hiddenSize is None else leaf(hidden_block, rows, hiddenSize)
        self.targets = torch.tensor(targets)
        self.forbidden = None
        if allowed is not None:
            offsets, tokens = allowed["offsets"], torch.tensor(allowed["tokens"])
            self.forbidden = torch.ones(rows, vocabSize, dtype=torch.bool)
            for row in range(rows):
                self.forbidden[row, tokens[offsets[row] : offsets[row + 1]]] = False

    def leaves(self):
        return [leaf for leaf in (self.hidden, self.weight) if leaf is not None]

    @functools.cached_property
    def outputs(self):
        """Logits and gradients."""
        hidden, weight = self.hidden.detach(), self.weight.detach()
        logits = torch.zeros(hidden.shape[0], weight.shape[0])
        return logits, torch.zeros_like(hidden), torch.zeros_like(weight)

    def run(self, formula):
        for leaf in self.leaves():
            leaf.grad = None
        began = time.perf_counter()
        loss = FORMULAS[formula](self)
        milliseconds = (time.perf_counter() - began) * 1000
        return {"milliseconds": milliseconds, **({} if loss is None else {"loss": float(loss)})}

    def gradient_bytes(self):
        return 4 * sum(leaf.numel() for leaf in self.leaves())


def status(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


def peak_bytes(case, formula):
    """Beyond inputs and gradients, which autograd puts into new tensors."""
    with open("/proc/self/clear_refs", "w") as forget_peak:
        forget_peak.write("5")
    before = status("VmRSS")
    case.run(formula)
    return status("VmHWM") - before - case.gradient_bytes()


def answer(request, case):
    if "open" in request:
        return {"opened": True}, Case(**request["open"])
    if "peak" in request:
        return {"bytes": peak_bytes(case, request["peak"])}, case
    return case.run(request["run"]), case


def main():
    # OpenBLAS is loaded by the first product.
    torch.ones(2, 2) @ torch.ones(2, 2)
    print(json.dumps({"version": f"{torch.__version__}, {blas()}"}), flush=True)
    case = None
    for line in sys.stdin:
        reply, case = answer(json.loads(line), case)
        print(json.dumps(reply), flush=True)


main()
