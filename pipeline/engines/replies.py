"""What a worker process sends, read by who started it. A worker that a file has taken over may send anything.

A pickle can name any function to be called. Only what results are made of is let in.
"""

import io
import pickle
from typing import Any

_PARTS = {
    "pipeline.engines.worker": {"Done", "Raised", "Broken"},
    "pipeline.workers": {"Input", "Outcome"},
    "pipeline.decode.video.clip": {"DecodedClip"},
    "pipeline.motions": {"LoadedMotion"},
    "hero_core.records": {"MotionRecord"},
    "numpy": {"ndarray", "dtype"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
    "numpy.core.multiarray": {"_reconstruct", "scalar"},  # before numpy 2
    "numpy.core.numeric": {"_frombuffer"},
    "pathlib": {"Path", "PosixPath", "WindowsPath"},
    "pathlib._local": {"Path", "PosixPath", "WindowsPath"},  # Python 3.13
}


def read_reply(data: bytes | memoryview) -> Any:
    """What was pickled.

    Raises:
        pickle.UnpicklingError: not a pickle, or one of something else than results.
    """
    return _Unpickler(io.BytesIO(data)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Look up what a pickle names."""
        if name not in _PARTS.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a result")
        return super().find_class(module, name)
