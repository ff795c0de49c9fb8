"""The real series are those of their sources."""

import torch
from statsmodels.api import datasets

from rnnbook.training.data import nile, sunspots


def test_the_nile_is_that_of_statsmodels():
    year, y = nile()
    theirs = datasets.nile.load_pandas().data
    assert y.shape == (100, 1, 1)
    assert torch.equal(y.flatten(), torch.tensor(theirs["volume"].to_numpy().copy()).double())
    assert torch.equal(year, torch.tensor(theirs["year"].to_numpy().copy()).double())


def test_callers_cannot_change_it():
    nile()[1].zero_()
    assert nile()[1].min() == 456


def test_the_sunspots_are_those_of_statsmodels():
    theirs = datasets.sunspots.load_pandas().data.to_numpy()
    years, y = sunspots()
    assert y.shape == (260, 1, 1)
    assert years.tolist() == theirs[49:, 0].tolist()
    assert abs(y.flatten().numpy() - theirs[49:, 1]).max() < 1e-12
