"""Writes safetensors files with numpy alone: the format is a JSON header and then the numbers, little-endian."""

import json
import struct

import numpy

TYPES = {"float32": "F32", "float64": "F64", "int32": "I32", "int64": "I64"}


def write(path, tensors, metadata=None):
    """Writes {name: array} to `path`, sorted by name: the same arrays give the same bytes."""
    header = {"__metadata__": metadata} if metadata else {}
    blocks = []
    offset = 0
    for name in sorted(tensors):
        array = numpy.asarray(tensors[name])
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()  # in row-major order, whatever the array's own
        header[name] = {
            "dtype": TYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        blocks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode("utf-8")
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        file.writelines(blocks)
