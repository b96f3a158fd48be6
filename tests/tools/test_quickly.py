"""The plugin that nbval runs with."""

import pytest

from tests.quickly import started_again


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_a_kernel_that_does_not_answer_is_started_once_more(failures, recwarn):
    tried = []

    def start(timeout):
        tried.append(timeout)
        if len(tried) <= failures:
            raise RuntimeError("Kernel didn't respond")
        return "a kernel"

    if failures == 2:
        with pytest.raises(RuntimeError, match="didn't respond"):
            started_again(start)(timeout=60)
    else:
        assert started_again(start)(timeout=60) == "a kernel"
    assert tried == [60] * min(failures + 1, 2)
    assert len(recwarn) == min(failures, 1)
