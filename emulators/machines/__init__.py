"""One module per machine type: put together from the settings of a run."""
