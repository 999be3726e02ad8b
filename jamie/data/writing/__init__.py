"""AnnData and MuData in a form that files can hold."""
