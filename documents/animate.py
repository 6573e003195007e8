"""Make one moving picture of frames: a PNG of few colours. Needs Pillow, which `make pictures` installs apart."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

_COLOURS = 48
_MS = 1200


def animate(frames: list[Path], target: Path) -> None:
    """Put the frames into one file, in their order; browsers show it again and again."""
    first = Image.open(frames[0]).convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE)
    others = [
        Image.open(frame).convert("RGB").quantize(palette=first, dither=Image.Dither.NONE) for frame in frames[1:]
    ]
    first.save(target, save_all=True, append_images=others, duration=_MS, loop=0, optimize=True)


if __name__ == "__main__":
    *names, last = sys.argv[1:]
    animate([Path(name) for name in names], Path(last))
