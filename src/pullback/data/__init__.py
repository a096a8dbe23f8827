"""Data: what a training loop reads from.

A data set says how many items there are and what the item at an index is; a `DataLoader` makes shuffled
batches of tensors from it. The readers (`read_idx`, `read_csv`, `load_digits`) return NumPy arrays.
"""

from . import augmentation
from .containers import ContainerDataset
from .csvfile import Table, read_csv
from .dataset import ArrayDataset, Dataset, Subset, random_split
from .digits import digits, load_digits
from .idx import load_idx_folder, read_idx, write_idx
from .images import ImageFolder, read_image
from .iterable import IterableDataset
from .loader import DataLoader
from .padding import pad_collate, pad_sequence
from .parquet import read_parquet
from .sampler import DistributedSampler, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler
from .split import stratified_split
from .tables import HuggingFaceDataset, read_frame
from .text import BytePairTokenizer, ByteTokenizer, CharacterTokenizer, TokenWindows, read_text
from .texts import load_text

__all__ = [
    "Dataset",
    "ArrayDataset",
    "ContainerDataset",
    "IterableDataset",
    "Subset",
    "random_split",
    "stratified_split",
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
    "read_parquet",
    "read_frame",
    "Table",
    "HuggingFaceDataset",
    "ImageFolder",
    "read_image",
    "augmentation",
    "read_text",
    "TokenWindows",
    "CharacterTokenizer",
    "ByteTokenizer",
    "BytePairTokenizer",
]
