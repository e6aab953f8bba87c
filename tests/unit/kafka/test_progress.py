import random

from hypothesis import given
from hypothesis import strategies as st

from libs.kafka.progress import Progress


@given(st.lists(st.integers(1, 3), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_the_position_never_passes_an_unfinished_record_and_reaches_the_end(
    steps: list[int], order: random.Random
) -> None:
    offsets = [10 + sum(steps[:number]) for number in range(len(steps))]  # gaps: compaction leaves them
    progress = Progress(offsets[0])
    entries = {offset: progress.add(offset, None) for offset in offsets}
    open_offsets = set(offsets)
    for offset in order.sample(offsets, len(offsets)):
        progress.finish(entries[offset])
        open_offsets.remove(offset)
        assert all(progress.position <= unfinished for unfinished in open_offsets)
    assert progress.position == offsets[-1] + 1
    assert len(progress) == 0


def test_there_is_nothing_to_commit_until_something_is_finished() -> None:
    progress = Progress(5)
    entry = progress.add(5, None)
    assert not progress.uncommitted
    progress.finish(entry)
    assert progress.uncommitted
    progress.committed = progress.position
    assert not progress.uncommitted
