"""One vector through a connection is what ``apply`` makes of it, in either order of steps."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.graph.through import through
from ir.connection import Conv2d, apply


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_convolution_gives_the_same_sums(data: st.DataObject) -> None:
    def any_of(*values: int) -> int:
        return data.draw(st.sampled_from(values))

    rng, groups = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))), any_of(1, 2, 3)
    weight = rng.normal(size=(groups * any_of(1, 2), any_of(1, 2), any_of(1, 2, 5), any_of(1, 3, 5)))
    shape = (groups * weight.shape[1], any_of(5, 7), any_of(5, 6))
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    dilation = (1, 1) if max(weight.shape[2:]) > 3 else (any_of(1, 2), 1)
    c = Conv2d(weight, shape, data.draw(pair), (any_of(0, 1), any_of(0, 2)), dilation, groups)
    values = rng.normal(size=c.n_pre)
    np.testing.assert_allclose(through(c, values), apply(c, values), rtol=1e-12, atol=1e-12)
