"""Figures of results: each function takes a MuData, imputed values or an explanation, and returns matplotlib Axes."""

from jamie.pl.alignment import alignment as alignment
from jamie.pl.attribution import attribution as attribution
from jamie.pl.beeswarm import beeswarm as beeswarm
from jamie.pl.calibration import calibration as calibration
from jamie.pl.cell_scatter import cell_scatter as cell_scatter
from jamie.pl.correspondence import correspondence as correspondence
from jamie.pl.feature_scatter import feature_scatter as feature_scatter
from jamie.pl.imputability import imputability as imputability
from jamie.pl.knockout import knockout as knockout
from jamie.pl.losses import losses as losses
from jamie.pl.measured_and_imputed import measured_and_imputed as measured_and_imputed
from jamie.pl.shap_heatmap import shap_heatmap as shap_heatmap
from jamie.pl.similarity import similarity as similarity
from jamie.pl.umap import umap as umap
from jamie.pl.umap import umaps as umaps
from jamie.pl.usage import usage as usage
from jamie.pl.waterfall import waterfall as waterfall
from jamie.pl.windows import windows as windows
