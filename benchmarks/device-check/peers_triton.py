"""Cross-entropy in Triton, in Liger's way: a program a row, two passes over its logits, the gradient written in their place."""

import torch
import triton
import triton.language as tl

LARGEST_BLOCK = 32768


@triton.jit
def loss_kernel(
    logits_pointer, targets_pointer, losses_pointer, vocab_size, row_count, BLOCK: tl.constexpr, WITH_GRADIENT: tl.constexpr
):
    row = tl.program_id(0).to(tl.int64)
    logits_pointer += row * vocab_size
    target = tl.load(targets_pointer + row)
    of_target = tl.load(logits_pointer + target).to(tl.float32)
    largest = float("-inf")
    total = 0.0
    for start in range(0, vocab_size, BLOCK):
        tokens = start + tl.arange(0, BLOCK)
        logits = tl.load(logits_pointer + tokens, mask=tokens < vocab_size, other=float("-inf")).to(tl.float32)
        now = tl.maximum(largest, tl.max(logits))
        total = total * tl.exp(largest - now) + tl.sum(tl.exp(logits - now))
        largest = now
    log_sum_exp = largest + tl.log(total)
    tl.store(losses_pointer + row, log_sum_exp - of_target)
    if WITH_GRADIENT:
        for start in range(0, vocab_size, BLOCK):
            tokens = start + tl.arange(0, BLOCK)
            inside = tokens < vocab_size
            logits = tl.load(logits_pointer + tokens, mask=inside, other=float("-inf")).to(tl.float32)
            probability = tl.exp(logits - log_sum_exp)
            gradient = (probability - tl.where(tokens == target, 1.0, 0.0)) / row_count
            tl.store(logits_pointer + tokens, gradient, mask=inside)


class TritonCrossEntropy:
    """With a width, torch.topk finds the threshold first, as whoever adds a penalty to such a kernel would have to."""

    passes = ("forward", "in place")

    def __init__(self, vocab_size, width):
        self.block = min(LARGEST_BLOCK, triton.next_power_of_2(vocab_size))
        self.width = width

    def run(self, which, logits, targets):
        rows, vocab_size = logits.shape
        losses = torch.empty(rows, dtype=torch.float32, device=logits.device)
        if self.width > 0:
            torch.topk(logits, self.width, dim=-1)
        warps = 32 if self.block >= 8192 else 8
        loss_kernel[(rows,)](
            logits, targets, losses, vocab_size, rows, BLOCK=self.block, WITH_GRADIENT=which == "in place", num_warps=warps
        )
        return losses.mean()
