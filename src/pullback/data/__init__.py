"""Data: what a training loop reads from.

A data set says how many items there are and what the item at an index is; a `DataLoader` makes shuffled
batches of tensors from it. The readers (`read_idx`, `read_csv`, `load_digits`) return NumPy arrays.
"""

from .csvfile import Table, read_csv
from .dataset import ArrayDataset, Dataset, Subset, random_split
from .digits import digits, load_digits
from .idx import load_idx_folder, read_idx, write_idx
from .iterable import IterableDataset
from .loader import DataLoader
from .texts import load_text
from .padding import pad_collate, pad_sequence
from .sampler import DistributedSampler, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler

__all__ = [
    "Dataset",
    "ArrayDataset",
    "IterableDataset",
    "Subset",
    "random_split",
    "DataLoader",
    "Sampler",
    "SequentialSampler",
    "RandomSampler",
    "WeightedRandomSampler",
    "DistributedSampler",
    "pad_collate",
    "pad_sequence",
    "digits",
    "load_digits",
    "load_text",
    "read_idx",
    "load_idx_folder",
    "write_idx",
    "read_csv",
    "Table",
]
