"""What the commands of the pipeline choose from, by name, and what they choose unless told otherwise."""

from typing import Literal

EncoderName = Literal["mini", "tc-clip", "tc-clip-random"]
Dtype = Literal["float32", "bfloat16", "float16"]
StorageDtype = Literal["float32", "float16"]
StatisticsChoice = Literal["shipped", "computed"]
EngineName = Literal["local", "ray"]

WORKER_MEBIBYTES = 4096
PAGE_BYTES = 15_000_000
