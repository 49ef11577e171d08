"""Stands in for torch and Triton in the rehearsal: whatever is done with it gives it back, so that every line of the peers
runs where neither is installed. It computes nothing."""

import sys


class StandIn:
    is_stand_in = True

    def same(self, *_, **__):
        return self

    __call__ = __getitem__ = __enter__ = same
    __neg__ = __add__ = __sub__ = __mul__ = __rmul__ = __mod__ = __rfloordiv__ = same

    def __getattr__(self, _):
        return self

    def __exit__(self, *_):
        return False

    def __iter__(self):
        return iter((1, 1))

    def __truediv__(self, _):
        return 1.0

    def __lt__(self, _):
        return True

    def __ge__(self, _):
        return True

    def __float__(self):
        return float("nan")


def stand_in_for(*names):
    for name in names:
        sys.modules[name] = StandIn()
