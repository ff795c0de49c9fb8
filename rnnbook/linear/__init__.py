"""Linear recurrent networks as time series: realisations, VARMA and innovations forms."""
