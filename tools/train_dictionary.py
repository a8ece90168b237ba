"""
Build src/ror/standard/knowledge/bodies.zdict: the zstd dictionary that new databases compress
bodies and index entries with.

It is trained on generated resources, which have the shape and the vocabulary of real ones and
nobody's data. One dictionary serves both: a second one for the entries alone would save five bytes
per resource. Databases carry their own copy, so running this again changes nothing for those that
exist; do so when the generated resources or the packing of the index entries have changed much.

    python tools/train_dictionary.py
"""

import argparse
import random
import zlib
from decimal import Decimal
from pathlib import Path

import msgspec
import zstandard

from ror import samples as generating
from ror.search.index import extract
from ror.store.sqlite.compression import LEVEL

TARGET = Path(__file__).parent.parent / "src/ror/standard/knowledge/bodies.zdict"
DICTIONARY_BYTES = 64 * 1024
# Longer segments than by default: whole blocks of a resource are alike, not only words. Measured: a
# quarter smaller.
SEGMENT_BYTES = 2_048
SEED = 1
DECODER = msgspec.json.Decoder(float_hook=Decimal)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument(
        "--resources", type=int, default=16_000, help="how many resources to train on"
    )
    wanted = parser.parse_args().resources

    # A fifth more, kept aside to say how well the dictionary does on what it has not seen.
    bodies = random.Random(SEED).sample(
        list(generating.generate("medium", SEED)), wanted + wanted // 5
    )
    entries = [packed_entries(body) for body in bodies]
    dictionary = train(bodies[:wanted] + entries[:wanted])
    TARGET.write_bytes(dictionary.as_bytes())

    print(f"{TARGET.name}: {TARGET.stat().st_size} bytes")
    for name, unseen in (("body", bodies[wanted:]), ("entries", entries[wanted:])):
        before, after = mean_sizes(dictionary, unseen)
        print(f"  {name} of {before:.0f} bytes -> {after:.0f}")


def packed_entries(body: bytes) -> bytes:
    """The index entries of a resource, as a store receives them."""
    resource = DECODER.decode(body)
    return extract.pack(resource["resourceType"], extract.extract(resource))[0]


def train(samples: list[bytes]) -> zstandard.ZstdCompressionDict:
    """A dictionary for what is like `samples`, the same for the same samples."""
    # An id of 16 bits costs two bytes per frame instead of four; those under 32768 are reserved by
    # the format.
    identifier = 32_768 + zlib.crc32(b"".join(samples)) % 32_768
    return zstandard.train_dictionary(
        DICTIONARY_BYTES, samples, k=SEGMENT_BYTES, d=8, dict_id=identifier, level=LEVEL
    )


def mean_sizes(
    dictionary: zstandard.ZstdCompressionDict, unseen: list[bytes]
) -> tuple[float, float]:
    """Bytes before and after, on average."""
    dictionary.precompute_compress(level=LEVEL)
    compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary)
    frames = [compressor.compress(each) for each in unseen]
    return sum(map(len, unseen)) / len(unseen), sum(map(len, frames)) / len(frames)


if __name__ == "__main__":
    main()
