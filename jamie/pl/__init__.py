"""Figures of results: each a function that takes what carries them and returns matplotlib Axes."""

from jamie.pl.losses import losses as losses
from jamie.pl.umap import umap as umap
from jamie.pl.umap import umaps as umaps
from jamie.pl.usage import usage as usage
