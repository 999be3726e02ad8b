"""Which features drive a model: Shapley values, knock-outs, attribution of cell types."""
